/**
 * A job's host: its coordinator, who has a session with it, and where the job was begun the census of those who could go
 * on with it elsewhere. What becomes known of a node is written down before the node is told anything by which it could.
 */

import { earliest, type InstantMs } from "../core/time.ts";
import type { Census, CensusChange } from "./census.ts";
import { Coordinator } from "./coordinator.ts";
import type { CoordinatorEffect, CoordinatorEvent, CoordinatorOptions } from "./coordinator_events.ts";
import type { Standby } from "./message_codec.ts";
import { addressText, tellStandbys } from "./standby.ts";

/** How often nodes are tried that may run the job elsewhere. */
const PROBE_MS = 1_000;

export type HostingEffect = CoordinatorEffect | { readonly kind: "census"; readonly change: CensusChange };

export interface HostingOptions extends Omit<CoordinatorOptions, "begun" | "elsewhere"> {
  /** Null: the job was begun elsewhere. */
  readonly census: Census | null;
  /** Who stands by now. */
  readonly standbys: () => readonly Standby[];
}

export class Hosting {
  readonly #options: HostingOptions;
  readonly #coordinator: Coordinator;
  /** Where each guest's session comes from. */
  readonly #guests = new Map<string, string>();
  #probeAt: InstantMs | undefined;
  /** Without fail-over: when those who ran under an agent before this one have noticed, and have ended their workers. */
  #boundUntil: InstantMs | undefined;
  /** The job is to be begun here, and no round was formed yet. */
  #isFresh: boolean;
  /** The job is left to others. */
  #hasLeft = false;
  #effects: HostingEffect[] = [];

  constructor(options: HostingOptions) {
    this.#options = options;
    this.#isFresh = options.chain.length === 0;
    const { census } = options;
    const elsewhere = census === null ? null : () => ({
      begun: census.begun,
      everybody: census.everybody,
      earlier: this.#isFresh ? census.earlier.map(({ nodeId }) => nodeId) : [],
    });
    this.#coordinator = new Coordinator({ ...options, begun: census?.begun ?? 0, elsewhere });
  }

  /** Node ids of those who have a session. */
  get guests(): string[] {
    return [...this.#guests.keys()];
  }

  nextWakeup(): InstantMs | undefined {
    return earliest(earliest(this.#probeAt, this.#boundUntil), this.#coordinator.nextWakeup());
  }

  step(event: CoordinatorEvent, now: InstantMs): HostingEffect[] {
    this.#effects = [];
    const { census } = this.#options;
    if (event.kind === "gone") this.#guests.delete(event.nodeId);
    if (census !== null) this.#count(census, event, now);
    if (event.kind === "arrived") {
      this.#guests.set(event.nodeId, event.address);
      const standbys = this.#options.standbys();
      if (standbys.length > 0) this.#effects.push(tellStandbys(event.nodeId, standbys));
    }
    for (const effect of this.#coordinator.step(event, now)) this.#pass(effect);
    return this.#effects;
  }

  #count(census: Census, event: CoordinatorEvent, now: InstantMs): void {
    const { settings: { failover }, silenceMs, stopMs } = this.#options;
    switch (event.kind) {
      case "start":
        if (!failover && census.earlier.length > 0) this.#boundUntil = now + silenceMs + stopMs;
        return this.#probe(census, now);
      case "arrived":
        if (failover) this.#note(census.add({ nodeId: event.nodeId, address: null }, false));
        return;
      case "said": {
        const { nodeId, message } = event;
        const from = this.#guests.get(nodeId);
        if (!failover || message.kind !== "join" || from === undefined) return;
        const { info: { address: host, standbyPort }, isFresh } = message;
        const address = standbyPort === null ? null : addressText(host ?? from, standbyPort);
        return this.#note(census.add({ nodeId, address }, isFresh));
      }
      case "gone":
        if (event.inOrder && !this.#hasLeft) this.#note(census.remove(event.nodeId));
        return;
      case "proved-dead":
        return this.#note(census.strike(event.nodeId));
      case "wakeup":
        if (this.#probeAt !== undefined && this.#probeAt <= now) this.#probe(census, now);
        if (this.#boundUntil !== undefined && this.#boundUntil <= now) this.#release(census, now);
        return;
    }
  }

  #probe(census: Census, now: InstantMs): void {
    this.#probeAt = undefined;
    if (!this.#isFresh || census.earlier.length === 0) return;
    this.#effects.push(...census.probes);
    this.#probeAt = now + PROBE_MS;
  }

  #release({ earlier }: Census, now: InstantMs): void {
    this.#boundUntil = undefined;
    for (const { nodeId, address } of earlier) {
      if (address !== null) continue;
      this.#note(this.#options.census!.remove(nodeId));
      for (const effect of this.#coordinator.step({ kind: "proved-dead", nodeId }, now)) this.#pass(effect);
    }
  }

  #pass(effect: CoordinatorEffect): void {
    const { census, settings, selfId } = this.#options;
    const told = effect.kind === "tell" && effect.nodeId === selfId ? effect.message : null;
    if (effect.kind === "recorded" && effect.standing === "left") this.#hasLeft = true;
    if (census !== null) {
      if (effect.kind === "tell" && effect.message.kind === "propose") {
        this.#note(census.see(effect.message.proposal.epoch));
      }
      if (effect.kind === "formed") this.#onFormed(census, effect.record.seats);
      if (told?.kind === "job-over" && !this.#hasLeft) this.#note(census.end(settings));
    }
    this.#effects.push(effect);
  }

  #onFormed(census: Census, seats: readonly string[]): void {
    this.#isFresh = false;
    this.#note(census.form());
    if (this.#options.settings.failover || seats.includes(this.#options.selfId)) return;
    // Without fail-over only a round in which this machine has no part outlives it, for a moment.
    for (const nodeId of seats) this.#note(census.add({ nodeId, address: null }, false));
  }

  #note(changes: readonly CensusChange[]): void {
    for (const change of changes) this.#effects.push({ kind: "census", change });
  }
}
