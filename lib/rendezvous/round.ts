/** One round of a job on all its nodes: from the choice of its members until nothing of it is alive. */

import type { InstantMs } from "../core/time.ts";
import type { LocalFailure, StorePlace } from "./meeting.ts";
import type { NodeInfo } from "./ranks.ts";

/** `placing`: the workers' store is being opened. `judging`: everything has ended, the reports are being read. */
type Phase = "placing" | "running" | "ending" | "judging";

/** A node that was lost with the round on it. */
export interface LostSeat {
  readonly nodeId: string;
  readonly host: string;
  readonly groupRank: number;
  readonly baseRank: number;
  readonly workerCount: number;
  readonly lastHeard: InstantMs;
  readonly noticed: InstantMs;
  /** How it was noticed, a clause without full stop. */
  readonly reason: string;
}

type NodeState = "active" | "succeeded" | "cleared";

export class Round {
  readonly number: number;
  /** In the order of their group ranks. */
  readonly nodes: readonly NodeInfo[];
  readonly seats: readonly string[];
  phase: Phase = "placing";
  /** The workers' store, once it is open. */
  store: StorePlace | null = null;
  /** The first that was told. */
  failure: LocalFailure | null = null;
  readonly lost: LostSeat[] = [];
  readonly #states = new Map<string, NodeState>();
  /** Whose session is over. */
  readonly #absent = new Set<string>();
  /** Whose session is over, with workers perhaps. */
  readonly #mayGoOn = new Set<string>();
  readonly #reports = new Map<string, Uint8Array>();
  #succeeded = 0;

  constructor(number: number, nodes: readonly NodeInfo[]) {
    this.number = number;
    this.nodes = nodes;
    this.seats = nodes.map(({ nodeId }) => nodeId);
    for (const nodeId of this.seats) this.#states.set(nodeId, "active");
  }

  has(nodeId: string): boolean {
    return this.#states.has(nodeId) && !this.#absent.has(nodeId);
  }

  /** Its nodes that have a session. */
  get present(): string[] {
    return this.seats.filter((nodeId) => this.has(nodeId));
  }

  /** How many nodes' workers have ended well. */
  get succeeded(): number {
    return this.#succeeded;
  }

  /** The first failure counts, but that nothing may be started again must not be lost. */
  fail(nodeId: string, failure: LocalFailure): void {
    if (!this.has(nodeId)) return;
    const first = this.failure ??= failure;
    if (first.kind === "worker" && failure.kind !== "worker") {
      this.failure = { ...failure, kind: "unrestartable", exitCode: first.exitCode };
    }
  }

  succeed(nodeId: string): void {
    if (this.#states.get(nodeId) !== "active") return;
    this.#states.set(nodeId, "succeeded");
    this.#succeeded++;
  }

  clear(nodeId: string, report: Uint8Array | null): void {
    this.#states.set(nodeId, "cleared");
    if (report !== null) this.#reports.set(nodeId, report);
  }

  /** Its session is over, and nothing of its part is alive. */
  remove(nodeId: string): void {
    this.#absent.add(nodeId);
  }

  /** Its session is over, and its part of the round with it; it may have workers for a while. `how`: null: it was leaving. */
  lose(nodeId: string, how: Pick<LostSeat, "lastHeard" | "noticed" | "reason"> | null): void {
    this.#absent.add(nodeId);
    this.#mayGoOn.add(nodeId);
    if (how === null) return;
    const groupRank = this.seats.indexOf(nodeId);
    const baseRank = this.nodes.slice(0, groupRank).reduce((sum, { workerCount }) => sum + workerCount, 0);
    const { hostName: host, workerCount } = this.nodes[groupRank]!;
    this.lost.push({ nodeId, host, groupRank, baseRank, workerCount, ...how });
  }

  /** Nothing of this node is needed any more: its workers ended well, or everything is cleared. */
  isDone(nodeId: string): boolean {
    const state = this.#states.get(nodeId);
    return state === "succeeded" || state === "cleared";
  }

  isCleared(nodeId: string): boolean {
    return this.#states.get(nodeId) === "cleared";
  }

  get hasSucceeded(): boolean {
    return [...this.#states.values()].every((state) => state === "succeeded");
  }

  /** A node whose workers ended well has left already. */
  get hasGoneWell(): boolean {
    return this.seats.some((nodeId) => this.#states.get(nodeId) === "succeeded" && this.#absent.has(nodeId));
  }

  get isAllCleared(): boolean {
    return this.seats.every((nodeId) => this.isCleared(nodeId) || this.#absent.has(nodeId));
  }

  /** All nodes may have workers, and run on together out of sight. */
  get mayGoOn(): boolean {
    return this.#mayGoOn.size === this.seats.length;
  }

  get reports(): { readonly nodeId: string; readonly report: Uint8Array }[] {
    return [...this.#reports].map(([nodeId, report]) => ({ nodeId, report }));
  }
}
