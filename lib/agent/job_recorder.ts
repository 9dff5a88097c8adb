/**
 * Derives what happened to the job from what the agent was told and what it asked for: nothing in the agent knows that
 * it is watched, and nothing here can change what happens.
 */

import type { SignalName } from "../core/errors.ts";
import { numbersText } from "../core/ranges.ts";
import type { InstantMs, WallMs } from "../core/time.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import type { MeetingNews, Seat, Waiting } from "../rendezvous/meeting.ts";
import { type ExitStatus, succeeded } from "../supervise/exit_status.ts";
import type { AgentEffect } from "./effect.ts";
import type { AgentEvent } from "./event.ts";
import { FleetRecorder, type NodesEffect, type NodesEvent } from "./fleet_recorder.ts";
import { EVENTS_VERSION, type JobEvent, type JobEventBody, type Outcome } from "./job_event.ts";
import { JobProgress } from "./job_progress.ts";
import type { Verdict } from "./report.ts";
import { rootCauseOf } from "./root_cause.ts";
import { endingText } from "./words.ts";

export interface RecorderSettings {
  readonly plan: LaunchPlan;
  readonly hostName: string;
  /** The wall clock's time at instant 0, which is the launcher's start. */
  readonly wallAtZero: WallMs;
}

/** A worker of the present attempt. */
interface Seen {
  rank: number;
  pid: number;
  startedAt: InstantMs | undefined;
  stopCause: string | undefined;
}

export class JobRecorder {
  /** How the job stands after the events so far. */
  readonly progress = new JobProgress();
  readonly #settings: RecorderSettings;
  readonly #fleet = new FleetRecorder();
  readonly #workers = new Map<number, Seen>();
  /** What the present call has found. */
  #found: JobEvent[] = [];
  #now: InstantMs = 0;
  #attempt: number | null = null;
  #round: number | null = null;
  #formedAt: InstantMs = 0;
  #joinedAt: InstantMs = 0;
  #servingAt: InstantMs = 0;
  #storePlace: string | undefined;
  #waitingText: string | null = null;
  #running = 0;
  #attemptIsOpen = false;
  #stopSignal: SignalName | undefined;
  /** Why workers are being stopped; the first reason counts. */
  #cause: string | null = null;
  /** What the verdict of the last attempt named. */
  #restartCause: string | null = null;
  /** When the failure was seen whose consequences are not over. */
  #failedAt: InstantMs | undefined;
  #lostMs = 0;
  /** Of the worker that the last verdict named. */
  #blamedPid: number | undefined;
  #nodeCount = 1;
  #hasEnded = false;

  constructor(settings: RecorderSettings) {
    this.#settings = settings;
  }

  /** What `event`, to which the agent answered with `effects`, means for the job, in order. */
  observe(event: AgentEvent, effects: readonly AgentEffect[], now: InstantMs): JobEvent[] {
    this.#found = [];
    this.#now = now;
    this.#onEvent(event, effects);
    this.#onSignals(effects);
    for (const effect of effects) this.#onEffect(effect);
    return this.#found;
  }

  /** The same for what happens among the job's nodes. */
  observeFleet(event: NodesEvent, effects: readonly NodesEffect[], now: InstantMs): JobEvent[] {
    this.#found = [];
    this.#now = now;
    // Goodbyes after the end are no news.
    if (!this.#hasEnded) { for (const body of this.#fleet.observe(event, effects)) this.#add(body); }
    return this.#found;
  }

  #onEvent(event: AgentEvent, effects: readonly AgentEffect[]): void {
    switch (event.kind) {
      case "start":
        return this.#onStart();
      case "store-ready":
        return this.#onStoreReady(event.address, event.port);
      case "news":
        return this.#onNews(event.news, event.verdict);
      case "worker-started":
        return this.#onWorkerStarted(event.localRank, event.pid);
      case "worker-not-started":
        this.#cause ??= event.reason;
        return this.#add({ event: "worker-not-started", localRank: event.localRank, reason: event.reason });
      case "worker-ended":
        return this.#onWorkerEnded(event.localRank, event.status);
      case "signal":
        return this.#onSignalReceived(event.signal, effects);
      case "watchdog-expired": {
        const rank = [...this.#workers.values()].find(({ pid }) => pid === event.pid)?.rank ?? null;
        return this.#add({ event: "watchdog-expired", pid: event.pid, rank, reason: event.reason });
      }
      case "uninterruptible": {
        const { rank = event.localRank, pid = null } = this.#workers.get(event.localRank) ?? {};
        this.#cause ??= `rank ${rank} is ${event.reason}`;
        return this.#add({ event: "watchdog-expired", pid, rank, reason: event.reason });
      }
      case "judged":
        return this.#onVerdict(event.verdict);
      case "not-possible":
        this.#cause ??= event.reason;
        return;
      case "attempt-ready":
      case "swept":
      case "orphan-ended":
      case "wakeup":
        return;
    }
  }

  #onEffect(effect: AgentEffect): void {
    switch (effect.kind) {
      case "request":
        if (effect.request.kind === "join") this.#joinedAt = this.#now;
        // The round ended elsewhere, and here because of that.
        if (effect.request.kind === "cleared") this.#endAttempt("stopped");
        return;
      case "spawn": {
        // Ranks are the agent's decision; it hands them to the worker in its environment.
        const rank = Number(effect.environment["RANK"] ?? effect.localRank);
        this.#workers.set(effect.localRank, { rank, pid: 0, startedAt: undefined, stopCause: undefined });
        return;
      }
      case "signal-leftovers":
        return this.#add({
          event: "leftovers-signalled",
          signal: effect.signal,
          processes: effect.leftovers.map(({ pid, command }) => ({ pid, command })),
        });
      case "say":
        if (effect.level !== "warning" && effect.level !== "error") return;
        return this.#add({ event: "message", level: effect.level, text: effect.text });
      case "judge":
        return this.#endAttempt("failed");
      case "exit":
        return this.#onExit(effect.code);
    }
  }

  #onStart(): void {
    const { plan } = this.#settings;
    this.#add({
      event: "job-started",
      version: EVENTS_VERSION,
      program: plan.command.displayName,
      role: plan.role,
      workers: plan.workerCount,
      nodesMin: plan.nodesMin,
      nodesMax: plan.nodesMax,
      maxRestarts: plan.maxRestarts,
    });
  }

  #onNews(news: MeetingNews, verdict: Verdict | null): void {
    if (verdict !== null) this.#onVerdict(verdict);
    switch (news.kind) {
      case "serve-store":
        this.#servingAt = this.#now;
        return;
      case "round":
        return this.#onRoundFormed(news.seat);
      case "round-over":
        // What began here is known here already.
        if (news.round !== this.#round || !this.#attemptIsOpen || this.#cause !== null) return;
        this.#failedAt ??= this.#now;
        this.#cause = news.text;
        return this.#add({ event: "round-over", cause: news.text });
      case "waiting":
        return this.#onWaiting(news.waiting);
      case "job-over":
        if (news.outcome.level === "error") this.#cause ??= news.outcome.text;
        return;
      case "go-on":
        return;
    }
  }

  #onRoundFormed(seat: Seat): void {
    const { plan, hostName } = this.#settings;
    const { restartCount } = seat;
    if (restartCount > (this.#attempt ?? 0)) {
      const cause = this.#restartCause ?? this.#cause ?? "unknown";
      this.#add({ event: "restart", nextAttempt: restartCount, maxRestarts: plan.maxRestarts, cause });
    }
    this.#restartCause = null;
    this.#blamedPid = undefined;
    this.#nodeCount = seat.groupWorldSize;
    this.#attempt = restartCount;
    this.#round = seat.round;
    this.#formedAt = this.#now;
    this.#running = 0;
    this.#cause = null;
    this.#attemptIsOpen = true;
    this.#workers.clear();
    this.#onWaiting(null);
    const { groupRank: nodeRank, baseRank: firstRank } = seat;
    this.#add({
      event: "round-formed",
      worldSize: seat.worldSize,
      nodeCount: seat.groupWorldSize,
      store: { address: seat.store.address, port: seat.store.port },
      nodes: [{ host: hostName, nodeRank, firstRank, workers: plan.workerCount }],
      durationMs: this.#now - this.#joinedAt,
    });
  }

  /** The text changes with each node that comes; the time that is left does all the time. */
  #onWaiting(waiting: Waiting | null): void {
    const text = waiting?.text ?? null;
    if (text === this.#waitingText) return;
    this.#waitingText = text;
    if (waiting === null) return;
    const { present, min, max, leftMs } = waiting;
    this.#add({ event: "waiting", text: waiting.text, present, min, max, leftMs });
  }

  #onStoreReady(address: string, port: number): void {
    // A restart keeps the address, and only empties the store. On several nodes it listens on all of its own.
    const place = `${address}:${port}`;
    if (place === this.#storePlace) return;
    this.#storePlace = place;
    const hostedBy = this.#settings.plan.store.hostedByLauncher ? "launcher" : "worker";
    const shown = address === "" ? this.#settings.hostName : address;
    this.#add({
      event: "store-opened",
      address: shown,
      port,
      hostedBy,
      durationMs: this.#now - this.#servingAt,
    });
  }

  #onWorkerStarted(localRank: number, pid: number): void {
    const worker = this.#workers.get(localRank);
    if (worker === undefined) return;
    worker.pid = pid;
    worker.startedAt = this.#now;
    this.#add({ event: "worker-started", rank: worker.rank, localRank, pid });
    const { workerCount } = this.#settings.plan;
    if (++this.#running < workerCount) return;
    const lostMs = this.#takeLost();
    this.#add({
      event: "workers-running",
      workers: workerCount,
      durationMs: this.#now - this.#formedAt,
      lostMs,
    });
  }

  #onWorkerEnded(localRank: number, status: ExitStatus): void {
    const worker = this.#workers.get(localRank);
    if (worker?.startedAt === undefined) return;
    const { rank, pid, startedAt, stopCause } = worker;
    const outcome = succeeded(status) ? "succeeded" : stopCause === undefined ? "failed" : "stopped";
    this.#add({
      event: "worker-ended",
      rank,
      localRank,
      pid,
      outcome,
      exitCode: status.kind === "exited" ? status.code : null,
      signal: status.kind === "signalled" ? status.signal : null,
      durationMs: this.#now - startedAt,
      cause: outcome === "stopped" ? stopCause ?? null : null,
    });
    if (outcome !== "failed") return;
    this.#failedAt ??= this.#now;
    this.#cause ??= `rank ${rank} failed: ${endingText(status)}`;
  }

  #onSignalReceived(signal: SignalName, effects: readonly AgentEffect[]): void {
    if (this.#settings.plan.forwardSignals.includes(signal)) {
      return this.#add({ event: "signal-received", signal, action: "forward" });
    }
    // The same key press, doubled by a parent that forwards it, has no effect.
    if (this.#stopSignal !== undefined && effects.length === 0) return;
    const action = this.#stopSignal === undefined ? "stop" : "again";
    this.#stopSignal ??= signal;
    this.#cause ??= `${signal} received`;
    this.#add({ event: "signal-received", signal, action });
  }

  /** One event for all workers that get the same signal at once: a job may have thousands. */
  #onSignals(effects: readonly AgentEffect[]): void {
    const ranks = new Map<string, number[]>();
    for (const effect of effects) {
      if (effect.kind !== "signal") continue;
      const key = `${effect.signal} ${effect.target}`;
      const worker = this.#workers.get(effect.localRank);
      const same = ranks.get(key) ?? [];
      same.push(worker?.rank ?? effect.localRank);
      ranks.set(key, same);
      const isForwarded = this.#settings.plan.forwardSignals.includes(effect.signal);
      if (worker !== undefined && !isForwarded) worker.stopCause ??= this.#cause ?? "stopped";
    }
    for (const [key, same] of ranks) {
      const [signal, target] = key.split(" ") as [string, "worker" | "group"];
      const cause = this.#cause ?? "passed on";
      this.#add({
        event: "signal-sent",
        signal,
        target,
        ranks: numbersText(same),
        cause,
      });
    }
  }

  #onVerdict(verdict: Verdict): void {
    const rootCause = rootCauseOf(verdict);
    // A node's own verdict comes before the job's, which may be the same, or the only one that knows of a failure.
    const isNews = (rootCause === null || rootCause.pid !== this.#blamedPid) &&
      (rootCause !== null || this.#nodeCount === 1);
    if (isNews) this.#add({ event: "verdict", rootCause });
    this.#blamedPid = rootCause?.pid;
    this.#restartCause = rootCause === null
      ? this.#cause ?? "unknown"
      : `rank ${rootCause.rank}: ${rootCause.summary}`;
    if (rootCause !== null) this.#cause = this.#restartCause;
  }

  #endAttempt(outcome: Outcome): void {
    if (!this.#attemptIsOpen) return;
    this.#attemptIsOpen = false;
    if (outcome === "failed") this.#failedAt ??= this.#now;
    this.#add({
      event: "attempt-ended",
      outcome,
      durationMs: this.#now - this.#formedAt,
      cause: outcome === "succeeded" ? null : this.#cause,
    });
  }

  #onExit(exitCode: number): void {
    const isStopped = this.#stopSignal !== undefined && exitCode > 128;
    const outcome = exitCode === 0 ? "succeeded" : isStopped ? "stopped" : "failed";
    this.#hasEnded = true;
    this.#endAttempt(outcome);
    this.#takeLost();
    this.#add({
      event: "job-ended",
      outcome,
      exitCode,
      durationMs: this.#now,
      attempts: (this.#attempt ?? -1) + 1,
      lostMs: this.#lostMs,
      firstWorkerMs: this.progress.firstWorkerMs,
      cause: outcome === "succeeded" ? null : this.#cause,
    });
  }

  /** What the last failure cost, now that it is over; null: there was none. */
  #takeLost(): number | null {
    if (this.#failedAt === undefined) return null;
    const lostMs = this.#now - this.#failedAt;
    this.#failedAt = undefined;
    this.#lostMs += lostMs;
    return lostMs;
  }

  #add(body: JobEventBody): void {
    const { plan, hostName, wallAtZero } = this.#settings;
    const event: JobEvent = {
      time: wallAtZero + this.#now,
      elapsedMs: this.#now,
      job: plan.jobId,
      host: hostName,
      attempt: this.#attempt,
      round: this.#round,
      ...body,
    };
    this.#found.push(event);
    this.progress.apply(event);
  }
}
