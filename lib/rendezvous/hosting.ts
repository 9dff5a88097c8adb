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

export interface HostingOptions extends Omit<CoordinatorOptions, "begun"> {
  /** Null: the job was begun elsewhere, or nobody could go on with it. */
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
  /** No round was asked for here. */
  #isFresh = true;
  /** How many earlier nodes keep it from that. */
  #heldBy = 0;
  /** The job is left to others. */
  #hasLeft = false;
  #effects: HostingEffect[] = [];

  constructor(options: HostingOptions) {
    this.#options = options;
    this.#coordinator = new Coordinator({ ...options, begun: options.census?.begun ?? 0 });
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
        this.#hold(census, now);
        return this.#probe(census, now);
      case "arrived":
        if (failover) this.#note(census.add({ nodeId: event.nodeId, address: null }, false));
        return;
      case "said": {
        const { nodeId, message } = event;
        if (!failover || message.kind !== "join" || !this.#guests.has(nodeId)) return;
        const { info: { address, standbyPort }, isFresh } = message;
        const host = address ?? this.#guests.get(nodeId)!;
        this.#note(
          census.add(
            { nodeId, address: standbyPort === null ? null : addressText(host, standbyPort) },
            isFresh,
          ),
        );
        return this.#hold(census, now);
      }
      case "gone":
        if (event.inOrder && !this.#hasLeft) this.#note(census.remove(event.nodeId));
        return;
      case "proved-dead":
        this.#note(census.remove(event.nodeId));
        return this.#hold(census, now);
      case "wakeup":
        if (this.#probeAt !== undefined && this.#probeAt <= now) this.#probe(census, now);
        if (this.#boundUntil === undefined || now < this.#boundUntil) return;
        this.#boundUntil = undefined;
        for (const { nodeId, address } of census.earlier) {
          if (address === null) this.#note(census.remove(nodeId));
        }
        return this.#hold(census, now);
    }
  }

  #probe(census: Census, now: InstantMs): void {
    this.#probeAt = undefined;
    if (!this.#isFresh || census.earlier.length === 0) return;
    for (const { nodeId, address } of census.earlier) {
      if (address !== null) this.#effects.push({ kind: "probe", nodeId, address });
    }
    this.#probeAt = now + PROBE_MS;
  }

  /** The coordinator is told who may run the job elsewhere, if they are enough for that. */
  #hold({ earlier }: Census, now: InstantMs): void {
    const by = earlier.length < this.#options.settings.nodesMin ? [] : earlier.map(({ nodeId }) => nodeId);
    if (!this.#isFresh || by.length === this.#heldBy) return;
    this.#heldBy = by.length;
    for (const effect of this.#coordinator.step({ kind: "held", by }, now)) this.#pass(effect);
  }

  #pass(effect: CoordinatorEffect): void {
    const { census, settings, selfId } = this.#options;
    if (this.#isFresh && effect.kind === "tell" && effect.message.kind === "propose") {
      this.#isFresh = false;
      if (census !== null) this.#note(census.begin());
    }
    if (effect.kind === "formed") {
      this.#isFresh = false;
      // Without fail-over only a round in which this machine has no part outlives it, for a moment.
      if (census !== null && !settings.failover && !effect.record.seats.includes(selfId)) {
        for (const nodeId of effect.record.seats) this.#note(census.add({ nodeId, address: null }, false));
      }
    }
    if (effect.kind === "recorded" && effect.standing === "left") this.#hasLeft = true;
    const isEnd = effect.kind === "tell" && effect.nodeId === selfId && effect.message.kind === "job-over";
    if (isEnd && census !== null && !this.#hasLeft) this.#note(census.end(settings));
    this.#effects.push(effect);
  }

  #note(changes: readonly CensusChange[]): void {
    for (const change of changes) this.#effects.push({ kind: "census", change });
  }
}
