/**
 * What follows from a round that may not be told yet: not before its record is saved, nor before all who have a session with
 * the host have joined, since until then workers of an earlier round may be alive with them.
 */

import type { CoordinatorEffect, CoordinatorEvent } from "./coordinator_events.ts";

export class HeldRound {
  /** Who has a session with this node as the host, and whether it has joined. */
  readonly #guests = new Map<string, boolean>();
  /** Null: nothing is held back. */
  #effects: CoordinatorEffect[] | null = null;
  #saves = 0;
  #isSaved = false;

  get isHolding(): boolean {
    return this.#effects !== null;
  }

  get guests(): string[] {
    return [...this.#guests.keys()];
  }

  note(event: Extract<CoordinatorEvent, { kind: "arrived" | "gone" | "said" }>): void {
    if (event.kind === "gone") this.#guests.delete(event.nodeId);
    else if (event.kind === "arrived") this.#guests.set(event.nodeId, false);
    else if (event.message.kind === "join") this.#guests.set(event.nodeId, true);
  }

  /** A round is formed, or another one instead. Returns the number under which its record is to be saved. */
  begin(): number {
    this.#effects ??= [];
    this.#isSaved = false;
    return ++this.#saves;
  }

  saved(id: number): void {
    this.#isSaved ||= id === this.#saves;
  }

  hold(effect: CoordinatorEffect): void {
    this.#effects?.push(effect);
  }

  /** What may be told now, once. */
  release(): readonly CoordinatorEffect[] {
    if (!this.#isSaved || [...this.#guests.values()].includes(false)) return [];
    const effects = this.#effects ?? [];
    this.#effects = null;
    return effects;
  }

  /** This node is host no longer. */
  drop(): void {
    this.#effects = null;
    this.#guests.clear();
  }
}
