/**
 * The brain of the launcher on one node: opens the store, runs attempt after attempt until one succeeds, the
 * restarts are spent or somebody stops it, and decides the exit code.
 *
 * Rules: first cause wins (a signal after a final failure does not hide the failure). Nothing is decided in the
 * host: every line that is said and every code that is returned comes from here.
 */

import { assert, assertDefined } from "../core/assert.ts";
import { EXIT_CODES, exitCodeOfSignal, type SignalName } from "../core/errors.ts";
import { durationText, type InstantMs } from "../core/time.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import { shellExitCode } from "../supervise/exit_status.ts";
import { type GroupEffect, type GroupEvent, WorkerGroup, type WorkerRecord } from "../supervise/group.ts";
import type { AgentEffect, SayLevel } from "./effect.ts";
import type { AgentEvent } from "./event.ts";
import type { Verdict } from "./report.ts";
import { endingText, processNames, workerName, workersText } from "./words.ts";
import { workerArguments, workerVariables } from "./worker_launch.ts";

/** A stop signal that arrives again this soon is the same key press, doubled by a parent that forwards it. */
const SAME_SIGNAL_MS = 300;

export class Agent {
  readonly #plan: LaunchPlan;
  readonly #mark: string;
  #group: WorkerGroup;
  #attempt = 0;
  #store: { address: string; port: number } | undefined;
  #errorFiles: readonly string[] = [];
  #stop: { signal: SignalName; at: InstantMs } | undefined;
  /** Why no further attempt can follow, whatever the budget says. */
  #noRestart: string | undefined;
  #notPossible: string | undefined;
  readonly #watchdogReasons = new Map<number, string>();
  readonly #verdicts: Verdict[] = [];
  #done = false;

  constructor(plan: LaunchPlan, mark: string) {
    this.#plan = plan;
    this.#mark = mark;
    this.#group = this.#newGroup();
  }

  /** The workers of the current attempt. */
  get workers(): readonly WorkerRecord[] {
    return this.#group.workers;
  }

  /** The number of the current attempt, 0 for the first. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Why a watchdog ended the worker of `localRank` in this attempt, if one did. */
  watchdogReason(localRank: number): string | null {
    return this.#watchdogReasons.get(localRank) ?? null;
  }

  nextWakeup(): InstantMs | undefined {
    return this.#group.nextWakeup();
  }

  step(event: AgentEvent, now: InstantMs): AgentEffect[] {
    if (this.#done) return [];
    switch (event.kind) {
      case "start":
        return [{ kind: "open-store" }];
      case "store-ready":
        this.#store = { address: event.address, port: event.port };
        return this.#prepareAttempt();
      case "attempt-ready":
        this.#errorFiles = event.errorFiles;
        if (this.#stop !== undefined) return this.#exit(exitCodeOfSignal(this.#stop.signal));
        return this.#toGroup({ kind: "start" }, now);
      case "not-possible":
        this.#notPossible = event.reason;
        return [this.#say("error", event.reason), ...this.#exit(EXIT_CODES.system)];
      case "judged":
        return this.#onJudged(event.verdict);
      case "signal":
        return this.#onSignal(event.signal, now);
      case "watchdog-expired":
        return this.#onWatchdogExpired(event.pid, event.signal, event.reason);
      case "uninterruptible":
        return this.#onUninterruptible(event.localRank, event.reason, now);
      case "worker-ended":
        return this.#onWorkerEnded(event, now);
      default:
        return this.#toGroup(event, now);
    }
  }

  #newGroup(): WorkerGroup {
    const { workerCount, shutdownTimeoutMs, keepDaemons } = this.#plan;
    return new WorkerGroup({ workerCount, shutdownTimeoutMs, keepDaemons });
  }

  #say(level: SayLevel, text: string): AgentEffect {
    return { kind: "say", level, text };
  }

  #exit(code: number): AgentEffect[] {
    this.#done = true;
    return [{ kind: "exit", code }];
  }

  #prepareAttempt(): AgentEffect[] {
    if (this.#stop !== undefined) return this.#exit(exitCodeOfSignal(this.#stop.signal));
    return [{ kind: "prepare-attempt", attempt: this.#attempt }];
  }

  #toGroup(event: GroupEvent, now: InstantMs): AgentEffect[] {
    const before = this.#group.phase;
    const effects = this.#group.step(event, now).flatMap((effect) => this.#fromGroup(effect));
    if (before === "starting" && this.#group.phase === "running") effects.unshift(this.#sayStarted());
    return effects;
  }

  #fromGroup(effect: GroupEffect): AgentEffect[] {
    switch (effect.kind) {
      case "spawn":
        return [this.#spawn(effect.localRank)];
      case "leftovers-found":
        return [this.#say("notice", leftoversText(effect))];
      case "unkillable":
        this.#noRestart ??= `Processes did not end after SIGKILL: ${effect.pids.join(", ")}`;
        return [
          this.#say(
            "error",
            `${this.#noRestart} (waiting in the kernel, often for a device or a file server); leaving them`,
          ),
        ];
      case "gone":
        return this.#onGroupGone();
      default:
        return [effect];
    }
  }

  #spawn(localRank: number): AgentEffect {
    const store = assertDefined(this.#store, "The store's address");
    return {
      kind: "spawn",
      localRank,
      arguments: workerArguments(this.#plan.command, localRank),
      environment: workerVariables(this.#plan, {
        localRank,
        store,
        attempt: this.#attempt,
        errorFile: this.#errorFiles[localRank] ?? "",
        mark: this.#mark,
      }),
    };
  }

  #sayStarted(): AgentEffect {
    const store = assertDefined(this.#store, "The store's address");
    const again = this.#attempt === 0 ? "" : ` again (restart ${this.#attempt} of ${this.#plan.maxRestarts})`;
    const started = `${workersText(this.#plan.workerCount)} started${again}`;
    const threads = this.#plan.environment["OMP_NUM_THREADS"];
    // Set only where the user has not: torchrun's number is small, and worth knowing of.
    const omp = threads === undefined ? "" : `, OMP_NUM_THREADS=${threads} each`;
    const text = `${started}: job ${this.#plan.jobId}, store ${store.address}:${store.port}${omp}`;
    return this.#say(this.#attempt === 0 ? "info" : "notice", text);
  }

  #onWorkerEnded(event: Extract<AgentEvent, { kind: "worker-ended" }>, now: InstantMs): AgentEffect[] {
    const healthy = this.#group.phase === "starting" || this.#group.phase === "running";
    const effects = this.#toGroup(event, now);
    const failedNow = healthy && this.#group.phase !== "starting" && this.#group.phase !== "running" &&
      !this.#group.succeeded;
    if (!failedNow) return effects;
    const worker = assertDefined(this.#group.workers[event.localRank], "The worker that ended");
    const left = this.#group.alive.length;
    const waiting = left === 0
      ? ""
      : `; stopping the other ${left === 1 ? "one" : left} (up to ${
        durationText(this.#plan.shutdownTimeoutMs)
      })`;
    return [
      this.#say("notice", `${workerName(worker)} failed: ${endingText(event.status)}${waiting}`),
      ...effects,
    ];
  }

  #onSignal(signal: SignalName, now: InstantMs): AgentEffect[] {
    if (this.#plan.forwardSignals.includes(signal)) {
      return this.#group.alive.map(({ localRank }) => ({
        kind: "signal",
        localRank,
        signal,
        target: "worker",
      }));
    }
    if (this.#stop !== undefined) {
      if (signal === this.#stop.signal && now - this.#stop.at < SAME_SIGNAL_MS) return [];
      return [
        this.#say("notice", `${signal} again: killing what is left`),
        ...this.#toGroup({ kind: "stop-now" }, now),
      ];
    }
    this.#stop = { signal, at: now };
    const left = this.#group.alive.length;
    if (left === 0) {
      // Nothing to stop: what runs now (opening, evidence) ends by itself and finds the stop.
      return [this.#say("notice", `${signal} received: stopping`)];
    }
    const limit = durationText(this.#plan.shutdownTimeoutMs);
    const waiting = `${signal} received: waiting up to ${limit} for ${
      workersText(left)
    } to end (once more to stop at once)`;
    return [this.#say("notice", waiting), ...this.#toGroup({ kind: "stop", signal }, now)];
  }

  #onWatchdogExpired(pid: number, signal: SignalName, reason: string): AgentEffect[] {
    const worker = this.#group.alive.find((alive) => alive.pid === pid);
    if (worker !== undefined) this.#watchdogReasons.set(worker.localRank, reason);
    const who = worker === undefined ? `process ${pid}` : workerName(worker);
    return [this.#say("warning", `${who}: ${reason}; sending ${signal}`), {
      kind: "signal-pid",
      pid,
      signal,
    }];
  }

  #onUninterruptible(localRank: number, reason: string, now: InstantMs): AgentEffect[] {
    if (this.#noRestart !== undefined) return [];
    this.#noRestart = reason;
    this.#watchdogReasons.set(localRank, reason);
    const worker = assertDefined(this.#group.workers[localRank], "The worker that is stuck");
    return [
      this.#say("error", `${workerName(worker)} is ${reason}; stopping`),
      ...this.#toGroup({ kind: "stop", signal: "SIGTERM" }, now),
    ];
  }

  #onGroupGone(): AgentEffect[] {
    const group = this.#group;
    if (group.startFailure !== undefined) {
      return [this.#say("error", group.startFailure), ...this.#exit(EXIT_CODES.system)];
    }
    const failed = group.workers.some((worker) =>
      !worker.stopRequested && worker.status !== undefined && shellExitCode(worker.status) !== 0
    );
    if (this.#stop !== undefined && !(failed && !this.#mayRestart())) {
      return this.#exitStopped(this.#stop.signal);
    }
    if (group.succeeded && this.#noRestart === undefined) return this.#exitSucceeded();
    return [{ kind: "judge" }];
  }

  #exitStopped(signal: SignalName): AgentEffect[] {
    return [this.#say("notice", `Stopped by ${signal}`), ...this.#exit(exitCodeOfSignal(signal))];
  }

  #exitSucceeded(): AgentEffect[] {
    const restarts = this.#attempt;
    const said = restarts === 0
      ? []
      : [this.#say("notice", `Succeeded after ${restarts} ${restarts === 1 ? "restart" : "restarts"}`)];
    return [...said, ...this.#exit(EXIT_CODES.success)];
  }

  #mayRestart(): boolean {
    return this.#attempt < this.#plan.maxRestarts && this.#noRestart === undefined;
  }

  #onJudged(verdict: Verdict): AgentEffect[] {
    this.#verdicts.push(verdict);
    if (this.#mayRestart()) {
      if (this.#stop !== undefined) return this.#exitStopped(this.#stop.signal);
      this.#attempt++;
      this.#group = this.#newGroup();
      this.#watchdogReasons.clear();
      assert(this.#notPossible === undefined, "Nothing restarts after a refusal");
      return this.#prepareAttempt();
    }
    const root = verdict.rootCause;
    // Of a worker that we stopped, the code is our doing.
    const worker = root === null || root.facts.stoppedByUs
      ? EXIT_CODES.workerFailed
      : shellExitCode(root.facts.status) || EXIT_CODES.workerFailed;
    const code = this.#plan.exitCode === "worker" ? worker : EXIT_CODES.workerFailed;
    return [{ kind: "report", verdict, attempts: [...this.#verdicts] }, ...this.#exit(code)];
  }
}

function leftoversText(found: Extract<GroupEffect, { kind: "leftovers-found" }>): string {
  const { leftovers, graceMs, kept } = found;
  const what = `The workers ended but left ${processNames(leftovers)}`;
  return kept
    ? `${what}; left running, as asked`
    : `${what}; ending them within ${durationText(graceMs)} (--keep-daemons leaves them)`;
}
