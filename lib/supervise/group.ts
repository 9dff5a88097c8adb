/**
 * All workers of one attempt on this node, from the first spawn until every process of the attempt is gone.
 *
 * Rules: the group moves as one (one failure stops all). Workers are started one by one, each start an event of
 * its own, so that a signal is heard between two starts. The attempt is over only when a sweep finds nothing:
 * processes that escaped their worker hold device memory that the next attempt needs.
 */

import { assert, assertDefined, unreachable } from "../core/assert.ts";
import type { SignalName } from "../core/errors.ts";
import { Deadlines, type InstantMs } from "../core/time.ts";
import { type ExitStatus, succeeded } from "./exit_status.ts";
import { KILL_STEPS, LEFTOVER_GRACE_MS, leftoverSteps, type StopStep, stopSteps } from "./stop_steps.ts";

export interface GroupSettings {
  readonly workerCount: number;
  readonly shutdownTimeoutMs: number;
  /** Leave what workers left behind after success. */
  readonly keepDaemons: boolean;
}

/** A process that outlived its worker. */
export interface Leftover {
  readonly pid: number;
  readonly command: string;
}

export type GroupEvent =
  /** Start the first worker; the others follow as each start is reported. */
  | { readonly kind: "start" }
  | { readonly kind: "worker-started"; readonly localRank: number; readonly pid: number }
  | { readonly kind: "worker-not-started"; readonly localRank: number; readonly reason: string }
  | { readonly kind: "worker-ended"; readonly localRank: number; readonly status: ExitStatus }
  /** End the group with `signal`, leaving the workers the shutdown timeout; `withinMs`: whatever is left then is killed. */
  | { readonly kind: "stop"; readonly signal: SignalName; readonly withinMs?: number | undefined }
  /** End the group without waiting for anybody. */
  | { readonly kind: "stop-now" }
  /** Answer to a `sweep` effect: what of the attempt is still alive. */
  | { readonly kind: "swept"; readonly leftovers: readonly Leftover[] }
  /** A process that is not a worker ended: a leftover may be gone. */
  | { readonly kind: "orphan-ended" }
  | { readonly kind: "wakeup" };

export type GroupEffect =
  | { readonly kind: "spawn"; readonly localRank: number }
  | {
    readonly kind: "signal";
    readonly localRank: number;
    readonly signal: SignalName;
    readonly target: "worker" | "group";
  }
  /** Look for processes of the attempt that are still alive; answered by `swept`. */
  | { readonly kind: "sweep" }
  | {
    readonly kind: "signal-leftovers";
    readonly leftovers: readonly Leftover[];
    readonly signal: SignalName;
  }
  /** Leftovers after success are named before they are ended (or left alone). */
  | {
    readonly kind: "leftovers-found";
    readonly leftovers: readonly Leftover[];
    readonly graceMs: number;
    readonly kept: boolean;
  }
  /** Processes that SIGKILL did not end within the limit: named and left to the kernel. */
  | { readonly kind: "unkillable"; readonly pids: readonly number[] }
  /** Every process of the attempt is gone (or was given up): the last effect. */
  | { readonly kind: "gone" };

export type WorkerState = "waiting" | "starting" | "running" | "ended" | "abandoned";

/** One worker, as far as it got. */
export interface WorkerRecord {
  readonly localRank: number;
  state: WorkerState;
  pid: number | undefined;
  status: ExitStatus | undefined;
  /** Position in the order of ends, from 0. */
  endOrder: number | undefined;
  /** A stop signal had been sent to it before it ended. */
  stopRequested: boolean;
}

type DeadlineName = "step" | "look again" | "kill";
type Phase = "idle" | "starting" | "running" | "stopping" | "sweeping" | "gone";

/**
 * The end of a leftover is an event where the launcher is its subreaper. A second look, at growing intervals and
 * only while leftovers are being ended, covers systems where it is not.
 */
const LOOK_AGAIN_FIRST_MS = 25;
const LOOK_AGAIN_MAX_MS = 1_000;

export class WorkerGroup {
  readonly workers: readonly WorkerRecord[];
  readonly #settings: GroupSettings;
  readonly #deadlines = new Deadlines<DeadlineName>();
  #phase: Phase = "idle";
  #steps: StopStep[] = [];
  #endedCount = 0;
  /** Why a start failed, if one did. */
  #startFailure: string | undefined;
  #leftovers: readonly Leftover[] = [];
  #sweepPending = false;
  /** Leftovers that have had the current step's signal. */
  readonly #signalled = new Set<number>();
  #lookAgainMs = LOOK_AGAIN_FIRST_MS;

  constructor(settings: GroupSettings) {
    this.#settings = settings;
    this.workers = Array.from({ length: settings.workerCount }, (_, localRank) => ({
      localRank,
      state: "waiting",
      pid: undefined,
      status: undefined,
      endOrder: undefined,
      stopRequested: false,
    }));
  }

  get phase(): Phase {
    return this.#phase;
  }

  get startFailure(): string | undefined {
    return this.#startFailure;
  }

  /** Workers that have been started and have not ended. */
  get alive(): readonly WorkerRecord[] {
    return this.workers.filter((worker) => worker.state === "running" || worker.state === "starting");
  }

  /** True once every worker ended with code 0. */
  get succeeded(): boolean {
    return this.workers.every((worker) => worker.status !== undefined && succeeded(worker.status));
  }

  nextWakeup(): InstantMs | undefined {
    return this.#deadlines.next();
  }

  step(event: GroupEvent, now: InstantMs): GroupEffect[] {
    switch (event.kind) {
      case "start":
        assert(this.#phase === "idle", "A group starts once");
        this.#phase = "starting";
        return this.#spawnNext();
      case "worker-started":
        return this.#onStarted(event.localRank, event.pid);
      case "worker-not-started":
        this.#worker(event.localRank).state = "waiting";
        this.#startFailure ??= event.reason;
        return this.#phase === "starting"
          ? this.#stop(stopSteps("SIGTERM", this.#settings.shutdownTimeoutMs), now)
          : this.#sweepWhenEmpty();
      case "worker-ended":
        return this.#onEnded(event.localRank, event.status, now);
      case "stop":
        if (event.withinMs !== undefined && this.#phase !== "gone") {
          this.#deadlines.set(
            "kill",
            Math.min(this.#deadlines.get("kill") ?? Infinity, now + event.withinMs),
          );
        }
        if (this.#phase === "stopping" || this.#phase === "sweeping" || this.#phase === "gone") return [];
        return this.#stop(stopSteps(event.signal, this.#settings.shutdownTimeoutMs), now);
      case "stop-now":
        if (this.#phase === "gone") return [];
        if (this.#steps[0]?.signal === "SIGKILL") return [];
        if (this.#phase !== "sweeping") return this.#stop(KILL_STEPS, now);
        this.#steps = [...KILL_STEPS];
        if (this.#leftovers.length === 0) return [];
        this.#beginLeftoverStep(now);
        return this.#sweep();
      case "swept":
        return this.#onSwept(event.leftovers, now);
      case "orphan-ended":
        return this.#phase === "sweeping" ? this.#sweep() : [];
      case "wakeup":
        return this.#deadlines.takeDue(now).flatMap((name) => this.#onDeadline(name, now));
      default:
        return unreachable(event);
    }
  }

  #onDeadline(name: DeadlineName, now: InstantMs): GroupEffect[] {
    if (name === "kill") return this.step({ kind: "stop-now" }, now);
    if (name === "step") {
      return this.#phase === "sweeping" ? this.#nextLeftoverStep(now) : this.#nextStopStep(now);
    }
    if (this.#phase !== "sweeping") return [];
    this.#lookAgainMs = Math.min(this.#lookAgainMs * 2, LOOK_AGAIN_MAX_MS);
    this.#deadlines.set("look again", now + this.#lookAgainMs);
    return this.#sweep();
  }

  #worker(localRank: number): WorkerRecord {
    return assertDefined(this.workers[localRank], `Worker ${localRank}`);
  }

  #spawnNext(): GroupEffect[] {
    const next = this.workers.find((worker) => worker.state === "waiting");
    if (next === undefined) {
      this.#phase = "running";
      return this.#sweepWhenEmpty();
    }
    next.state = "starting";
    return [{ kind: "spawn", localRank: next.localRank }];
  }

  #onStarted(localRank: number, pid: number): GroupEffect[] {
    const worker = this.#worker(localRank);
    worker.pid = pid;
    worker.state = "running";
    if (this.#phase === "starting") return this.#spawnNext();
    // The stop began while this start was under way: the worker gets the current step's signal too.
    const step = this.#steps[0];
    return step === undefined ? [] : [this.#signal(worker, step)];
  }

  #onEnded(localRank: number, status: ExitStatus, now: InstantMs): GroupEffect[] {
    const worker = this.#worker(localRank);
    assert(worker.state === "running" || worker.state === "abandoned", `Worker ${localRank} ended twice`);
    worker.state = "ended";
    worker.status = status;
    worker.endOrder = this.#endedCount++;
    const healthy = this.#phase === "starting" || this.#phase === "running";
    if (healthy && !succeeded(status)) {
      return this.#stop(stopSteps("SIGTERM", this.#settings.shutdownTimeoutMs), now);
    }
    return this.#phase === "starting" ? [] : this.#sweepWhenEmpty();
  }

  #stop(steps: readonly StopStep[], now: InstantMs): GroupEffect[] {
    this.#phase = "stopping";
    this.#steps = [...steps];
    if (this.alive.length === 0) return this.#sweepWhenEmpty();
    return this.#beginStopStep(now);
  }

  #beginStopStep(now: InstantMs): GroupEffect[] {
    const step = assertDefined(this.#steps[0], "A stop step");
    this.#deadlines.set("step", now + step.limitMs);
    return this.alive.filter((worker) => worker.state === "running").map((worker) =>
      this.#signal(worker, step)
    );
  }

  #signal(worker: WorkerRecord, step: StopStep): GroupEffect {
    worker.stopRequested = true;
    return { kind: "signal", localRank: worker.localRank, signal: step.signal, target: step.target };
  }

  #nextStopStep(now: InstantMs): GroupEffect[] {
    this.#steps.shift();
    if (this.#steps.length > 0) return this.#beginStopStep(now);
    const pids = this.alive.map((worker) => worker.pid).filter((pid) => pid !== undefined);
    for (const worker of this.alive) worker.state = "abandoned";
    return [{ kind: "unkillable", pids }, ...this.#sweepWhenEmpty()];
  }

  #sweepWhenEmpty(): GroupEffect[] {
    if (this.alive.length > 0 || this.#phase === "gone" || this.#phase === "sweeping") return [];
    this.#phase = "sweeping";
    this.#deadlines.clear("step");
    const graceMs = this.succeeded
      ? this.#settings.shutdownTimeoutMs
      : Math.min(LEFTOVER_GRACE_MS, this.#settings.shutdownTimeoutMs);
    // A stop that has come to killing stays at killing.
    const killing = this.#steps[0]?.signal === "SIGKILL";
    this.#steps = [...(killing ? KILL_STEPS : leftoverSteps(graceMs))];
    return this.#sweep();
  }

  #sweep(): GroupEffect[] {
    if (this.#sweepPending) return [];
    this.#sweepPending = true;
    return [{ kind: "sweep" }];
  }

  #onSwept(leftovers: readonly Leftover[], now: InstantMs): GroupEffect[] {
    this.#sweepPending = false;
    if (this.#phase !== "sweeping") return [];
    const abandoned = new Set(this.workers.filter((w) => w.state === "abandoned").map((w) => w.pid));
    this.#leftovers = leftovers.filter((leftover) => !abandoned.has(leftover.pid));
    if (this.#leftovers.length === 0) return this.#gone();
    if (this.#deadlines.get("step") !== undefined) return this.#signalLeftovers();
    if (!this.succeeded) {
      this.#beginLeftoverStep(now);
      return this.#signalLeftovers();
    }
    const kept = this.#settings.keepDaemons;
    const graceMs = kept ? 0 : this.#settings.shutdownTimeoutMs;
    const found: GroupEffect = { kind: "leftovers-found", leftovers: this.#leftovers, graceMs, kept };
    if (kept) return [found, ...this.#gone()];
    this.#beginLeftoverStep(now);
    return [found, ...this.#signalLeftovers()];
  }

  /** Signals those that have not had this step's signal: all of them at first, then what they started since. */
  #signalLeftovers(): GroupEffect[] {
    const step = assertDefined(this.#steps[0], "A leftover step");
    const fresh = this.#leftovers.filter(({ pid }) => !this.#signalled.has(pid));
    if (fresh.length === 0) return [];
    for (const { pid } of fresh) this.#signalled.add(pid);
    return [{ kind: "signal-leftovers", leftovers: fresh, signal: step.signal }];
  }

  /** Nothing is signalled without a new look: a pid of the last one may be somebody else's by now. */
  #beginLeftoverStep(now: InstantMs): void {
    const step = assertDefined(this.#steps[0], "A leftover step");
    this.#signalled.clear();
    this.#deadlines.set("step", now + step.limitMs);
    this.#lookAgainMs = LOOK_AGAIN_FIRST_MS;
    this.#deadlines.set("look again", now + this.#lookAgainMs);
  }

  #nextLeftoverStep(now: InstantMs): GroupEffect[] {
    this.#steps.shift();
    if (this.#steps.length > 0) {
      this.#beginLeftoverStep(now);
      return this.#sweep();
    }
    return [{ kind: "unkillable", pids: this.#leftovers.map((leftover) => leftover.pid) }, ...this.#gone()];
  }

  #gone(): GroupEffect[] {
    this.#phase = "gone";
    for (const name of ["step", "look again", "kill"] as const) this.#deadlines.clear(name);
    return [{ kind: "gone" }];
  }
}
