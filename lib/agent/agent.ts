/**
 * The brain of the launcher on one node: takes its workers through the rounds that its rendezvous announces, says what
 * becomes of them, and ends with the outcome that the rendezvous declares.
 *
 * Rules: the rendezvous owns the job (who takes part, what costs a restart, how it ends), the agent owns this node's
 * processes. First cause wins: what follows from a stop is not reported as a failure. Nothing is decided in the host:
 * every line that is said and every code that is returned comes from here or from the rendezvous.
 */

import { assert, assertDefined, unreachable } from "../core/assert.ts";
import { EXIT_CODES, exitCodeOfSignal, type SignalName } from "../core/errors.ts";
import type { InstantMs } from "../core/time.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import type { JobOutcome, LocalFailure, MeetingNews, Seat } from "../rendezvous/meeting.ts";
import { shellExitCode } from "../supervise/exit_status.ts";
import { type GroupEffect, type GroupEvent, WorkerGroup, type WorkerRecord } from "../supervise/group.ts";
import type { AgentEffect, SayLevel } from "./effect.ts";
import type { AgentEvent } from "./event.ts";
import type { Verdict } from "./report.ts";
import { exitCodeOf } from "./exit_code.ts";
import { startFailure, unrestartable, workerFailure } from "./local_failure.ts";
import {
  endingText,
  failureText,
  leftoversText,
  startedText,
  stoppingText,
  stopText,
  workerName,
} from "./words.ts";
import { workerArguments, workerVariables } from "./worker_launch.ts";

/** A stop signal that arrives again this soon is the same key press, doubled by a parent that forwards it. */
const SAME_SIGNAL_MS = 300;

/** Where this node stands; `succeeded` and `cleared` are what it has told the rendezvous last. */
type Phase = "waiting" | "preparing" | "working" | "judging" | "succeeded" | "cleared" | "done";

export class Agent {
  readonly #plan: LaunchPlan;
  readonly #mark: string;
  #phase: Phase = "waiting";
  #group: WorkerGroup;
  #seat: Seat | undefined;
  /** The first round with the present restart count: later ones are incarnations of the same attempt. */
  #attemptRound = 0;
  /** The first in which this node has a seat. */
  #firstRound: number | undefined;
  /** Asked for the workers' store of this round. */
  #servingRound = 0;
  #errorFiles: readonly string[] = [];
  #stop: { signal: SignalName; at: InstantMs } | undefined;
  /** The rendezvous has ended the round. */
  #roundOver: { needsReport: boolean } | undefined;
  /** The rendezvous has ended the job; carried out when this node's workers are gone. */
  #outcome: JobOutcome | undefined;
  /** Of this round, once told. */
  #failure: LocalFailure | undefined;
  /** Processes did not end, or a worker can't be trusted: nothing may be started again. */
  #noRestart: string | undefined;
  readonly #watchdogReasons = new Map<number, string>();
  readonly #verdicts: Verdict[] = [];
  /** What this node's facts of the present round came to. */
  #roundVerdict: Verdict | undefined;

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
    return this.#seat?.restartCount ?? 0;
  }

  /** This node's place in the current round; undefined before the first. */
  get seat(): Seat | undefined {
    return this.#seat;
  }

  /** Why a watchdog ended the worker of `localRank` in this attempt, if one did. */
  watchdogReason(localRank: number): string | null {
    return this.#watchdogReasons.get(localRank) ?? null;
  }

  nextWakeup(): InstantMs | undefined {
    return this.#group.nextWakeup();
  }

  step(event: AgentEvent, now: InstantMs): AgentEffect[] {
    if (this.#phase === "done") return [];
    switch (event.kind) {
      case "start":
        return [{ kind: "request", request: { kind: "join" } }];
      case "news":
        // That of the whole job counts more than this node's own.
        if (event.verdict !== null) this.#roundVerdict = event.verdict;
        return this.#onNews(event.news, now);
      case "store-ready": {
        const { address, port } = event;
        const store = { address, port, hostedByLauncher: this.#plan.store.hostedByLauncher };
        return [{ kind: "request", request: { kind: "store-served", round: this.#servingRound, store } }];
      }
      case "attempt-ready":
        this.#errorFiles = event.errorFiles;
        if (this.#stop !== undefined || this.#roundOver !== undefined) return this.#clear(null);
        this.#phase = "working";
        return this.#toGroup({ kind: "start" }, now);
      case "not-possible":
        return this.#onNotPossible(event.reason);
      case "judged":
        this.#roundVerdict = event.verdict;
        return this.#clear(event.report);
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

  #onNews(news: MeetingNews, now: InstantMs): AgentEffect[] {
    switch (news.kind) {
      case "serve-store":
        this.#servingRound = news.round;
        return [{ kind: "open-store", peers: news.peers }];
      case "round":
        return this.#takeSeat(news.seat);
      case "round-over":
        return this.#onRoundOver(news, now);
      case "go-on": {
        if (this.#stop !== undefined) return [];
        // Whoever heard of it is gone: this node takes no further part.
        if (this.#noRestart !== undefined) return this.#exit(EXIT_CODES.workerFailed);
        this.#keepVerdict();
        this.#phase = "waiting";
        const said = news.text === null ? [] : [this.#say("notice", news.text)];
        return [...said, { kind: "request", request: { kind: "join" } }];
      }
      case "waiting":
        return [{ kind: "waiting", waiting: news.waiting }];
      case "job-over":
        this.#outcome = news.outcome;
        if (this.#phase !== "working" && this.#phase !== "judging") return this.#finish(news.outcome);
        return this.#toGroup({ kind: "stop", signal: "SIGTERM" }, now);
      default:
        return unreachable(news);
    }
  }

  #takeSeat(seat: Seat): AgentEffect[] {
    const attempt = seat.restartCount;
    if (this.#seat?.restartCount !== attempt) this.#attemptRound = seat.round;
    this.#firstRound ??= seat.round;
    this.#seat = seat;
    this.#phase = "preparing";
    this.#group = this.#newGroup();
    this.#roundOver = undefined;
    this.#failure = undefined;
    this.#watchdogReasons.clear();
    assert(this.#noRestart === undefined, "Nothing restarts after a refusal");
    const round = seat.round === this.#attemptRound ? 0 : seat.round;
    return [{ kind: "waiting", waiting: null }, { kind: "prepare-attempt", attempt, round }];
  }

  #onRoundOver(
    { round, text, needsReport, withinMs }: Extract<MeetingNews, { kind: "round-over" }>,
    now: InstantMs,
  ): AgentEffect[] {
    const isFurther = this.#roundOver !== undefined;
    if (this.#seat?.round !== round) return [];
    if (isFurther && (withinMs === undefined || this.#phase !== "working")) return [];
    this.#roundOver ??= { needsReport };
    if (this.#phase === "succeeded") return [this.#say("notice", text), ...this.#clear(null)];
    const limitMs = Math.min(this.#plan.shutdownTimeoutMs, withinMs ?? Infinity);
    // Whose doing it was has been said here already.
    const isSaid = withinMs === undefined && (this.#failure !== undefined || this.#stop !== undefined);
    const stopping = stoppingText(this.#group.alive.length, limitMs);
    const said = isSaid ? [] : [this.#say("notice", text + stopping)];
    if (this.#phase !== "working") return said;
    return [...said, ...this.#toGroup({ kind: "stop", signal: "SIGTERM", withinMs }, now)];
  }

  /** Nothing of the round is alive here any more. */
  #clear(report: Uint8Array | null): AgentEffect[] {
    this.#phase = "cleared";
    if (this.#outcome !== undefined) return this.#finish(this.#outcome);
    const round = assertDefined(this.#seat).round;
    return [{ kind: "request", request: { kind: "cleared", round, report } }];
  }

  #fail(failure: LocalFailure): AgentEffect[] {
    const isWorse = this.#failure?.kind === "worker" && failure.kind !== "worker";
    if (this.#failure !== undefined && !isWorse) return [];
    this.#failure = failure;
    const round = this.#phase === "waiting" ? this.#servingRound : assertDefined(this.#seat).round;
    return [{ kind: "request", request: { kind: "failed", round, failure } }];
  }

  #keepVerdict(): void {
    if (this.#roundVerdict !== undefined) this.#verdicts.push(this.#roundVerdict);
    this.#roundVerdict = undefined;
  }

  #finish(outcome: JobOutcome): AgentEffect[] {
    const { text, level } = outcome;
    const verdict = level === "error" ? this.#roundVerdict : undefined;
    this.#keepVerdict();
    const said = text === null ? [] : [this.#say(level, text)];
    const shown: AgentEffect[] = verdict === undefined
      ? []
      : [{ kind: "report", verdict, attempts: [...this.#verdicts] }];
    const code = exitCodeOf(outcome, verdict, this.#plan);
    return [{ kind: "waiting", waiting: null }, ...said, ...shown, ...this.#exit(code)];
  }

  #exit(code: number): AgentEffect[] {
    this.#phase = "done";
    return [{ kind: "exit", code }];
  }

  #onNotPossible(reason: string): AgentEffect[] {
    const told = this.#fail(startFailure(reason));
    const cleared = this.#phase === "preparing" ? this.#clear(null) : [];
    return [this.#say("error", reason), ...told, ...cleared];
  }

  #newGroup(): WorkerGroup {
    const { workerCount, shutdownTimeoutMs, keepDaemons } = this.#plan;
    return new WorkerGroup({ workerCount, shutdownTimeoutMs, keepDaemons });
  }

  #say(level: SayLevel, text: string): AgentEffect {
    return { kind: "say", level, text };
  }

  #toGroup(event: GroupEvent, now: InstantMs): AgentEffect[] {
    const before = this.#group.phase;
    const effects = this.#group.step(event, now).flatMap((effect) => this.#fromGroup(effect));
    if (before !== "starting" || this.#group.phase !== "running") return effects;
    const seat = assertDefined(this.#seat);
    const isFirst = seat.round === this.#firstRound;
    const said = this.#say(isFirst ? "info" : "notice", startedText(this.#plan, seat, isFirst));
    return [said, { kind: "request", request: { kind: "running", round: seat.round } }, ...effects];
  }

  #fromGroup(effect: GroupEffect): AgentEffect[] {
    switch (effect.kind) {
      case "spawn":
        return [this.#spawn(effect.localRank)];
      case "leftovers-found":
        return [this.#say("notice", leftoversText(effect))];
      case "unkillable": {
        this.#noRestart ??= `Processes did not end after SIGKILL: ${effect.pids.join(", ")}`;
        const why = "(waiting in the kernel, often for a device or a file server); leaving them";
        return [
          this.#say("error", `${this.#noRestart} ${why}`),
          ...this.#fail(unrestartable(this.#noRestart)),
        ];
      }
      case "gone":
        return this.#onGroupGone();
      default:
        return [effect];
    }
  }

  #spawn(localRank: number): AgentEffect {
    return {
      kind: "spawn",
      localRank,
      arguments: workerArguments(this.#plan.command, localRank),
      environment: workerVariables(this.#plan, {
        localRank,
        seat: assertDefined(this.#seat),
        errorFile: this.#errorFiles[localRank] ?? "",
        mark: this.#mark,
      }),
    };
  }

  #onWorkerEnded(event: Extract<AgentEvent, { kind: "worker-ended" }>, now: InstantMs): AgentEffect[] {
    const healthy = this.#group.phase === "starting" || this.#group.phase === "running";
    const effects = this.#toGroup(event, now);
    const failedNow = healthy && this.#group.phase !== "starting" && this.#group.phase !== "running" &&
      !this.#group.succeeded;
    if (!failedNow) return effects;
    const worker = assertDefined(this.#group.workers[event.localRank], "The worker that ended");
    const ending = endingText(event.status);
    const rank = this.#rankOf(worker);
    const left = this.#group.alive.length;
    return [
      this.#say("notice", failureText(worker, rank, { ending, left, limitMs: this.#plan.shutdownTimeoutMs })),
      // Before the effects: with the last worker they may say that nothing is left.
      ...this.#fail(workerFailure(rank, event.status)),
      ...effects,
    ];
  }

  #onGroupGone(): AgentEffect[] {
    const group = this.#group;
    if (group.startFailure !== undefined) {
      const told = this.#fail(startFailure(group.startFailure));
      return [this.#say("error", group.startFailure), ...told, ...this.#clear(null)];
    }
    const failed = this.#failure !== undefined ||
      group.workers.some((worker) =>
        !worker.stopRequested && worker.status !== undefined && shellExitCode(worker.status) !== 0
      );
    if (failed || this.#noRestart !== undefined || this.#roundOver?.needsReport) {
      this.#phase = "judging";
      return [{ kind: "judge" }];
    }
    if (!group.succeeded || this.#stop !== undefined || this.#roundOver !== undefined) {
      return this.#clear(null);
    }
    if (this.#outcome !== undefined) return this.#finish(this.#outcome);
    this.#phase = "succeeded";
    return [{
      kind: "request",
      request: { kind: "succeeded", round: assertDefined(this.#seat).round },
    }];
  }

  #onWatchdogExpired(pid: number, signal: SignalName, reason: string): AgentEffect[] {
    const worker = this.#group.alive.find((alive) => alive.pid === pid);
    if (worker !== undefined) this.#watchdogReasons.set(worker.localRank, reason);
    const who = worker === undefined ? `process ${pid}` : workerName(worker, this.#rankOf(worker));
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
      this.#say("error", `${workerName(worker, this.#rankOf(worker))} is ${reason}; stopping`),
      ...this.#fail(unrestartable(this.#noRestart)),
      ...this.#toGroup({ kind: "stop", signal: "SIGTERM" }, now),
    ];
  }

  #rankOf({ localRank }: WorkerRecord): number {
    return (this.#seat?.baseRank ?? 0) + localRank;
  }

  #onSignal(signal: SignalName, now: InstantMs): AgentEffect[] {
    if (this.#plan.forwardSignals.includes(signal)) {
      const target = "worker" as const;
      return this.#group.alive.map(({ localRank }) => ({ kind: "signal", localRank, signal, target }));
    }
    if (this.#stop !== undefined) return this.#onStopAgain(this.#stop, signal, now);
    this.#stop = { signal, at: now };
    const scope = signal === "SIGINT" || this.#plan.onTerm === "job" ? "job" : "node";
    const leave: AgentEffect = { kind: "request", request: { kind: "leave", signal, scope } };
    const left = this.#group.alive.length;
    if (left === 0) {
      // Nothing to stop: what runs now (opening, evidence) ends by itself and finds the stop.
      const cleared = this.#phase === "succeeded" ? this.#clear(null) : [];
      return [this.#say("notice", `${signal} received: stopping`), leave, ...cleared];
    }
    const waiting = stopText(signal, left, this.#plan.shutdownTimeoutMs);
    return [this.#say("notice", waiting), leave, ...this.#toGroup({ kind: "stop", signal }, now)];
  }

  #onStopAgain(
    stop: { readonly signal: SignalName; readonly at: InstantMs },
    signal: SignalName,
    now: InstantMs,
  ): AgentEffect[] {
    if (signal === stop.signal && now - stop.at < SAME_SIGNAL_MS) return [];
    if (this.#phase === "waiting" || this.#phase === "cleared") {
      return [
        this.#say("notice", `${signal} again: leaving at once`),
        ...this.#exit(exitCodeOfSignal(stop.signal)),
      ];
    }
    return [
      this.#say("notice", `${signal} again: killing what is left`),
      ...this.#toGroup({ kind: "stop-now" }, now),
    ];
  }
}
