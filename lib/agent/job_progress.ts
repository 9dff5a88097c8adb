/**
 * How a job stands, folded from its events: what status, metrics and the closing line are made from.
 *
 * Rules: it reads nothing but events, so that a page made from a file shows what was seen live. It knows the workers
 * of the present attempt only, on the host whose launcher it follows; older attempts are in the file.
 */

import type { WallMs } from "../core/time.ts";
import type { JobEvent, NodePlace, Outcome, RootCause } from "./job_event.ts";

export type WorkerStage = "waiting" | "running" | Outcome;

export interface WorkerProgress {
  readonly localRank: number;
  rank: number;
  pid: number | null;
  stage: WorkerStage;
  startedAt: WallMs | null;
  endedAt: WallMs | null;
  /** "exit code 3", "SIGKILL"; null: it has not ended. */
  ending: string | null;
}

export type JobPhase =
  | "starting"
  | "running"
  | "stopping"
  | "restarting"
  | "succeeded"
  | "failed"
  | "stopped";

export class JobProgress {
  phase: JobPhase = "starting";
  startedAt: WallMs | null = null;
  program = "";
  role = "";
  maxRestarts = 0;
  attempt = 0;
  round: number | null = null;
  /** What it took to form the present round. */
  rendezvousMs: number | null = null;
  worldSize = 0;
  nodes: readonly NodePlace[] = [];
  /** Of the whole job. */
  nodeCount = 1;
  /** What the launcher waits for: "for nodes: 1 of 2 is here (a)"; null: it does not. */
  waiting: string | null = null;
  store: { readonly address: string; readonly port: number } | null = null;
  workers: WorkerProgress[] = [];
  /** Since the job's start. */
  firstWorkerMs: number | null = null;
  /** Of failures whose consequences are over. */
  lostMs = 0;
  lastRootCause: RootCause | null = null;
  /** The last reason why something was stopped or started again. */
  cause: string | null = null;

  /** Workers that run. */
  get up(): number {
    return this.workers.reduce((sum, { stage }) => sum + (stage === "running" ? 1 : 0), 0);
  }

  apply(event: JobEvent): void {
    switch (event.event) {
      case "job-started":
        this.startedAt = event.time;
        this.program = event.program;
        this.role = event.role;
        this.maxRestarts = event.maxRestarts;
        this.worldSize = event.workers;
        this.#resetWorkers(event.workers);
        return;
      case "store-opened":
        this.store = { address: event.address, port: event.port };
        return;
      case "round-formed":
        this.attempt = event.attempt ?? 0;
        this.round = event.round;
        this.rendezvousMs = event.durationMs;
        this.worldSize = event.worldSize;
        this.nodes = event.nodes;
        this.nodeCount = event.nodeCount;
        this.store = event.store;
        this.waiting = null;
        this.phase = "starting";
        this.#resetWorkers(this.workers.length);
        return;
      case "round-over":
        this.phase = "stopping";
        this.cause = event.cause;
        return;
      case "waiting":
        this.waiting = event.text;
        return;
      case "worker-started":
        this.firstWorkerMs ??= event.elapsedMs;
        this.#change(event.localRank, {
          rank: event.rank,
          pid: event.pid,
          stage: "running",
          startedAt: event.time,
        });
        return;
      case "workers-running":
        this.phase = "running";
        this.lostMs += event.lostMs ?? 0;
        return;
      case "worker-ended":
        this.#change(event.localRank, {
          stage: event.outcome,
          endedAt: event.time,
          ending: event.signal ?? `exit code ${event.exitCode}`,
        });
        if (event.outcome === "failed" && this.phase !== "stopping") {
          this.cause = `rank ${event.rank}: ${event.signal ?? `exit code ${event.exitCode}`}`;
          this.phase = "stopping";
        }
        return;
      case "signal-received":
        if (event.action !== "stop") return;
        this.phase = "stopping";
        this.cause = event.signal;
        return;
      case "verdict":
        this.lastRootCause = event.rootCause;
        return;
      case "restart":
        this.phase = "restarting";
        this.attempt = event.nextAttempt;
        this.cause = event.cause;
        return;
      case "job-ended":
        this.waiting = null;
        this.phase = event.outcome;
        this.lostMs = event.lostMs;
        return;
    }
  }

  #resetWorkers(count: number): void {
    this.workers = Array.from({ length: count }, (_, localRank) => ({
      localRank,
      rank: localRank,
      pid: null,
      stage: "waiting",
      startedAt: null,
      endedAt: null,
      ending: null,
    }));
  }

  #change(localRank: number, changes: Partial<WorkerProgress>): void {
    const worker = this.workers[localRank];
    if (worker !== undefined) Object.assign(worker, changes);
  }
}
