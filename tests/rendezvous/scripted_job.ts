/**
 * A job's host whose nodes do at once what they are told: they join when asked, start workers, clear up. What a test
 * says happens in between.
 */

import { assert } from "../../lib/core/assert.ts";
import type { SignalName } from "../../lib/core/errors.ts";
import type { Memory } from "../../lib/rendezvous/ballot.ts";
import type { CoordinatorEvent } from "../../lib/rendezvous/coordinator_events.ts";
import { Hosting, type HostingEffect, type HostingOptions } from "../../lib/rendezvous/hosting.ts";
import type { RoundId } from "../../lib/rendezvous/job_record.ts";
import type { JobOutcome, LocalFailure, Seat } from "../../lib/rendezvous/meeting.ts";
import { type HostMessage, NO_PAST, type Past } from "../../lib/rendezvous/message_codec.ts";
import type { NodeInfo } from "../../lib/rendezvous/ranks.ts";
import type { JobSettings } from "../../lib/rendezvous/settings.ts";

export const SETTINGS: JobSettings = {
  jobId: "job",
  nodesMin: 2,
  nodesMax: 2,
  nodesStep: 1,
  maxRestarts: 0,
  joinMs: 600_000,
  lastCallMs: 30_000,
  exitBarrierMs: 300_000,
  onNodeLoss: "wait",
  failover: false,
};

export function node(nodeId: string, changes: Partial<NodeInfo> = {}): NodeInfo {
  return {
    nodeId,
    hostName: nodeId,
    address: null,
    workerCount: 1,
    role: "default",
    nodeRank: null,
    schedulerRank: null,
    topologyKey: null,
    standbyPort: null,
    interfaces: [],
    ...changes,
  };
}

export class ScriptedJob {
  readonly hosting: Hosting;
  readonly effects: HostingEffect[] = [];
  readonly seats = new Map<string, Seat>();
  readonly outcomes = new Map<string, JobOutcome>();
  /** Rounds that were over, by node. */
  readonly overs: { readonly nodeId: string; readonly text: string; readonly needsReport: boolean }[] = [];
  /** Nodes that do not clear up, nor answer otherwise. */
  readonly stuck = new Set<string>();
  readonly #infos = new Map<string, NodeInfo>();
  /** What the nodes keep in mind of the rounds that they accepted. */
  readonly #memories = new Map<string, Memory>();
  readonly #reports: boolean;
  readonly #queue: CoordinatorEvent[] = [];
  now = 0;

  constructor(
    settings: Partial<JobSettings>,
    { host = node("a"), reports = false, ...options }:
      & { host?: NodeInfo; reports?: boolean }
      & Partial<HostingOptions> = {},
  ) {
    this.#reports = reports;
    this.#infos.set(host.nodeId, host);
    for (const { seats, ...round } of options.chain ?? []) {
      for (const nodeId of seats) this.#accept(nodeId, round);
    }
    this.hosting = new Hosting({
      settings: { ...SETTINGS, ...settings },
      selfId: host.nodeId,
      selfAddress: "10.0.0.1",
      fallbackAddress: "127.0.0.1",
      epoch: 1,
      census: null,
      standbys: () => [],
      chain: [],
      deadHost: null,
      wasHostLost: false,
      silenceMs: 15_000,
      stopMs: 30_000,
      ...options,
    });
    this.step({ kind: "start" });
    this.join(host.nodeId);
  }

  /** Hands an event over, and then what the nodes answer, in order. */
  step(event: CoordinatorEvent): void {
    this.#queue.push(event);
    if (this.#queue.length > 1) return;
    for (; this.#queue.length > 0; this.#queue.shift()) {
      for (const effect of this.hosting.step(this.#queue[0]!, this.now)) {
        this.effects.push(effect);
        if (effect.kind === "tell") this.#hear(effect.nodeId, effect.message);
        if (effect.kind === "judge-job") this.step({ kind: "judged-job", verdict: new Uint8Array([7]) });
        if (effect.kind === "dismiss" && !this.stuck.has(effect.nodeId)) {
          this.gone(effect.nodeId, "it said goodbye");
        }
      }
    }
  }

  /** New nodes, from addresses of their own, which join. */
  come(...nodes: (string | NodeInfo)[]): void {
    for (const one of nodes) {
      const info = typeof one === "string" ? node(one) : one;
      this.arrive(info);
      this.join(info.nodeId);
    }
  }

  arrive(info: NodeInfo): void {
    this.#infos.set(info.nodeId, info);
    const address = `10.0.1.${this.#infos.size}`;
    this.step({ kind: "arrived", nodeId: info.nodeId, address, hostAddress: "10.0.0.1" });
  }

  /** `past`: what it knows, beside its memory. */
  join(nodeId: string, past: Partial<Past> = {}): void {
    const memory = this.#memories.get(nodeId) ?? null;
    this.step({
      kind: "said",
      nodeId,
      message: { kind: "join", info: this.#infos.get(nodeId)!, ...NO_PAST, memory, ...past },
    });
  }

  /** A local worker failed. */
  fail(nodeId: string, failure: Partial<LocalFailure> = {}): void {
    const { round } = this.seats.get(nodeId)!;
    const told: LocalFailure = { kind: "worker", text: "lost rank 0 (exit code 3)", exitCode: 3, ...failure };
    this.step({ kind: "said", nodeId, message: { kind: "failed", round, failure: told } });
  }

  clear(nodeId: string): void {
    const seat = this.seats.get(nodeId);
    if (seat === undefined || this.stuck.has(nodeId)) return;
    const report = this.#reports ? new Uint8Array([1]) : null;
    this.step({ kind: "said", nodeId, message: { kind: "cleared", round: seat.round, report } });
  }

  succeed(...nodeIds: string[]): void {
    for (const nodeId of nodeIds) {
      const { round } = this.seats.get(nodeId)!;
      this.step({ kind: "said", nodeId, message: { kind: "succeeded", round } });
    }
  }

  leave(nodeId: string, signal: SignalName = "SIGTERM", scope: "node" | "job" = "node"): void {
    this.step({ kind: "said", nodeId, message: { kind: "leave", signal, scope } });
    if (!this.outcomes.has(nodeId)) this.gone(nodeId, "it said goodbye");
  }

  gone(nodeId: string, text = "its connection broke"): void {
    this.seats.delete(nodeId);
    this.step({ kind: "gone", nodeId, text, inOrder: text === "it said goodbye", quietMs: 300 });
  }

  later(ms: number): void {
    const until = this.now + ms;
    for (let at = this.hosting.nextWakeup(); at !== undefined && at <= until;) {
      this.now = Math.max(this.now, at);
      this.step({ kind: "wakeup" });
      at = this.hosting.nextWakeup();
    }
    this.now = until;
  }

  /** Ids of the present round's nodes in the order of their ranks; null: no round is on, or not everybody has a seat. */
  get world(): string | null {
    const ordered = [...this.seats].sort((a, b) => a[1].groupRank - b[1].groupRank);
    const size = ordered[0]?.[1].groupWorldSize;
    const rounds = new Set(ordered.map(([, seat]) => seat.round));
    return size === ordered.length && rounds.size === 1 ? ordered.map(([nodeId]) => nodeId).join("") : null;
  }

  /** TORCHELASTIC_RESTART_COUNT, the same everywhere. */
  get restarts(): number | undefined {
    const counts = new Set([...this.seats.values()].map(({ restartCount }) => restartCount));
    assert(counts.size <= 1, "Nodes of one round have different restart counts");
    return [...counts][0];
  }

  code(nodeId: string): number | undefined {
    return this.outcomes.get(nodeId)?.code;
  }

  told<Kind extends HostMessage["kind"]>(nodeId: string, kind: Kind): Extract<HostMessage, { kind: Kind }>[] {
    return this.effects.flatMap((effect) =>
      effect.kind === "tell" && effect.nodeId === nodeId && effect.message.kind === kind
        ? [effect.message as Extract<HostMessage, { kind: Kind }>]
        : []
    );
  }

  get said(): string[] {
    return this.effects.flatMap((effect) => (effect.kind === "say" ? [effect.text] : []));
  }

  #accept(nodeId: string, { epoch, round, hostId }: RoundId): void {
    const latest = { epoch, round, hostId };
    this.#memories.set(nodeId, { first: this.#memories.get(nodeId)?.first ?? latest, latest });
  }

  #hear(nodeId: string, message: HostMessage): void {
    if (this.stuck.has(nodeId)) return;
    switch (message.kind) {
      case "propose":
        this.#accept(nodeId, message.proposal);
        return this.step({
          ...{ kind: "said", nodeId },
          message: { kind: "accepted", proposal: message.proposal },
        });
      case "serve-store": {
        const store = { address: "", port: 29_500, hostedByLauncher: true };
        const { round } = message;
        return this.step({ kind: "said", nodeId, message: { kind: "store-served", round, store } });
      }
      case "round":
        this.seats.set(nodeId, message.seat);
        return this.step({ kind: "said", nodeId, message: { kind: "running", round: message.seat.round } });
      case "round-over":
        this.overs.push({ nodeId, text: message.text, needsReport: message.needsReport });
        return this.clear(nodeId);
      case "go-on":
        this.seats.delete(nodeId);
        return this.join(nodeId);
      case "job-over":
        this.seats.delete(nodeId);
        this.outcomes.set(nodeId, message.outcome);
        return;
    }
  }
}
