/**
 * Carries out what the agent asks for: the only place where a job's plan meets processes, sockets and files.
 *
 * Rules: no decision is taken here. Whatever goes wrong with the world becomes an event; whatever goes wrong with
 * muster itself ends the launcher without a goodbye, so that the guard ends the workers.
 */

import { Agent } from "../agent/agent.ts";
import type { AgentEffect, SayLevel } from "../agent/effect.ts";
import type { AgentEvent } from "../agent/event.ts";
import type { Verdict } from "../agent/report.ts";
import { assertDefined, unreachable } from "../core/assert.ts";
import { EXIT_CODES, type SignalName, SystemError } from "../core/errors.ts";
import type { InstantMs, WallMs } from "../core/time.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import type { MeetingNews, Waiting } from "../rendezvous/meeting.ts";
import { MARK_VARIABLE, markWithin } from "../supervise/worker_env.ts";
import type { SpawnOnCpus } from "./affinity.ts";
import { spawnFailure, type SpawnRequest, spawnWorker, type WorkerChild } from "./child.ts";
import { monotonicNow, wallNow } from "./clock.ts";
import { type EvidenceBaseline, startEvidence } from "./evidence.ts";
import { Guard } from "./guard.ts";
import type { JobWatch } from "./job_watch.ts";
import { becomeSubreaper, keepDescriptorsFromChildren } from "./libc.ts";
import { Loop } from "./loop.ts";
import type { AttemptOutput, OutputHub } from "./output.ts";
import { carriesMark, isEnding } from "./process_table.ts";
import { watchSignals } from "./signals.ts";
import { reapOrphans, sweepLeftovers } from "./sweep.ts";
import { startWatchdogs, type Watchdogs } from "./watchdogs.ts";
import { workerLimits } from "./worker_limits.ts";
import { type Meeting, openMeeting } from "./meeting.ts";
import { openWorkerStore, type WorkerStore } from "./worker_store.ts";

/** What a launch needs that was made before it; the output goes on after it, for the last words. */
export interface LaunchParts {
  readonly output: OutputHub;
  readonly hostName: string;
  readonly stdinIsTerminal: boolean;
  /** Loads what a failure needs; called when the workers have run for a moment. */
  readonly preload: () => void;
  readonly say: (level: SayLevel, text: string) => void;
  /** Shows what this node waits for; null: it does not wait any more. */
  readonly showWaiting: (waiting: Waiting | null) => void;
  /** Told of all that happens (events, metrics, status are made from it), and where to look for counters. */
  readonly watch?: JobWatch;
  /** Shows the verdict and writes its copies; whatever can't be written is said, never thrown. */
  readonly report: (verdict: Verdict, attempts: readonly Verdict[]) => Promise<void>;
}

/** Runs the job of `plan` on this node and returns the launcher's exit code. */
export function launch(plan: LaunchPlan, parts: LaunchParts): Promise<number> {
  return new Launch(plan, parts).run();
}

/** How long the output of processes that are gone may take to reach its files and consoles. */
const DRAIN_LIMIT_MS = 10_000;
/** The same where a process that was left running holds a stream open: its end will not come. */
const DRAIN_LIMIT_OPEN_MS = 250;

/**
 * A job that has run for this long gets what its failure would need, so that a restart waits for no module. Shorter
 * jobs are not made longer by it.
 */
const PRELOAD_AFTER_MS = 300;

const loadJudge = () => import("./judge_job.ts");

class Launch {
  readonly #plan: LaunchPlan;
  readonly #parts: LaunchParts;
  readonly #launcherId = crypto.randomUUID().replaceAll("-", "");
  readonly #agent: Agent;
  readonly #loop: Loop<AgentEvent, AgentEffect>;
  readonly #withLimits = workerLimits();
  readonly #subreaper = becomeSubreaper();
  readonly #guard: Guard;
  /** Pids of all workers of this attempt. */
  readonly #workerPids = new Set<number>();
  /** Pids of workers that have not ended: Deno reaps them. */
  readonly #runningPids = new Set<number>();
  /** Pids of workers that were alive when we first asked them to stop: the others ended of themselves. */
  readonly #stoppedPids = new Set<number>();
  /** By local rank, of this attempt. */
  readonly #startedAt: WallMs[] = [];
  readonly #endedAt: WallMs[] = [];
  readonly #endedInstant: InstantMs[] = [];
  #attemptOutput: AttemptOutput | undefined;
  #evidence: EvidenceBaseline | undefined;
  #meeting: Meeting | undefined;
  #store: WorkerStore | undefined;
  #watchdogs: Watchdogs | undefined;
  #spawnOnCpus: SpawnOnCpus | undefined;
  #reported: Promise<void> | undefined;
  #finish: (code: number) => void = () => {};

  constructor(plan: LaunchPlan, parts: LaunchParts) {
    keepDescriptorsFromChildren();
    this.#plan = plan;
    this.#parts = parts;
    this.#agent = new Agent(plan, markWithin(Deno.env.get(MARK_VARIABLE), this.#launcherId));
    this.#loop = new Loop(
      this.#agent,
      { kind: "wakeup" },
      (effect) => this.#perform(effect),
      parts.watch?.observe,
    );
    parts.watch?.connect({
      store: () => this.#store,
      output: () => this.#attemptOutput,
      meeting: () => this.#meeting,
    });
    this.#guard = new Guard(this.#launcherId, () => {
      parts.say("warning", "The guard process died and was replaced");
    });
  }

  async run(): Promise<number> {
    const { signalsToHandle, forwardSignals } = this.#plan;
    const signals = watchSignals([...signalsToHandle, ...forwardSignals], {
      onSignal: (signal) => this.#loop.post({ kind: "signal", signal }),
      onChildEnded: () => this.#onChildEnded(),
      onResized: () => this.#parts.output.resize(),
    });
    // Not setTimeout: the first one of a process costs 9 ms, which the start of a job has no time for.
    const preload = AbortSignal.timeout(PRELOAD_AFTER_MS);
    preload.onabort = () => {
      clearTimeout(setTimeout(() => {}));
      this.#parts.preload();
      void loadJudge();
    };
    const code = await new Promise<number>((finish) => {
      this.#finish = finish;
      void this.#start();
    });
    preload.onabort = null;
    this.#loop.close();
    await this.#watchdogs?.close();
    await this.#attemptOutput?.drained(this.#drainLimitMs());
    await this.#reported;
    signals.close();
    await this.#meeting?.close();
    this.#store?.close();
    await this.#guard.close();
    return code;
  }

  async #start(): Promise<void> {
    const { fileTimer, uninterruptibleTimeoutMs, cpuBinding } = this.#plan;
    try {
      if (cpuBinding !== null) this.#spawnOnCpus = (await import("./affinity.ts")).spawnOnCpus;
      if (fileTimer !== undefined || uninterruptibleTimeoutMs !== null) await this.#startWatchdogs();
      this.#meeting = await openMeeting({
        plan: this.#plan,
        hostName: this.#parts.hostName,
        onNews: (news) => this.#hearNews(news),
        say: this.#parts.say,
        observe: this.#parts.watch?.observeFleet,
        ownStatus: (request) => this.#parts.watch?.ownStatus(request) ?? null,
      });
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#parts.say("error", error.message);
      return this.#finish(EXIT_CODES.system);
    }
    this.#loop.post({ kind: "start" });
  }

  /** A verdict that comes with the news is read first, by what only a failure needs. */
  #hearNews(news: MeetingNews): void {
    const bytes = news.kind === "job-over"
      ? news.outcome.verdict
      : news.kind === "go-on"
      ? news.verdict
      : null;
    if (bytes === null) return this.#loop.post({ kind: "news", news, verdict: null });
    loadJudge().then(({ readVerdict }) =>
      this.#loop.post({ kind: "news", news, verdict: readVerdict(bytes, this.#parts.say) })
    );
  }

  async #startWatchdogs(): Promise<void> {
    this.#watchdogs = await startWatchdogs(this.#plan, {
      post: (event) => this.#loop.post(event),
      warn: (text) => this.#parts.say("warning", text),
      running: () =>
        this.#agent.workers.flatMap(({ localRank, pid }) =>
          pid !== undefined && this.#runningPids.has(pid) ? [{ localRank, pid }] : []
        ),
    });
  }

  #perform(effect: AgentEffect): void {
    switch (effect.kind) {
      case "request":
        return assertDefined(this.#meeting, "The meeting").request(effect.request);
      case "open-store":
        return this.#openStore(effect.peers);
      case "prepare-attempt":
        return this.#prepareAttempt(effect.attempt, effect.round);
      case "waiting":
        return this.#parts.showWaiting(effect.waiting);
      case "spawn":
        return this.#spawn(effect);
      case "signal":
        return this.#signal(effect);
      case "signal-pid":
        if (carriesMark(effect.pid, this.#launcherId)) kill(effect.pid, effect.signal);
        return;
      case "sweep":
        return this.#sweep();
      case "signal-leftovers":
        for (const { pid } of effect.leftovers) kill(pid, effect.signal);
        return;
      case "judge":
        void this.#judge();
        return;
      case "say":
        return this.#parts.say(effect.level, effect.text);
      case "report":
        this.#reported = this.#parts.report(effect.verdict, effect.attempts);
        return;
      case "exit":
        return this.#finish(effect.code);
      default:
        return unreachable(effect);
    }
  }

  #openStore(peers: readonly string[]): void {
    const { store, meeting } = this.#plan;
    try {
      if (this.#store === undefined) {
        const onLog = (line: string) => this.#parts.say("notice", line);
        this.#store = this.#meeting?.workerStore ?? openWorkerStore(store, meeting, onLog);
      } else {
        this.#store.reset();
      }
    } catch (error) {
      return this.#notPossible(error);
    }
    const opened = this.#store;
    if (meeting === null) return this.#storeReady(opened);
    import("./fleet_admission.ts").then(({ admittedTo }) => {
      opened.setAllowed(admittedTo(peers, meeting.allowed));
      this.#storeReady(opened);
    });
  }

  #storeReady({ host, port }: WorkerStore): void {
    this.#loop.post({ kind: "store-ready", address: host, port });
  }

  #prepareAttempt(attempt: number, round: number): void {
    try {
      this.#workerPids.clear();
      this.#guard.clear();
      this.#watchdogs?.clear();
      const output = this.#parts.output.startAttempt({ attempt, round });
      this.#attemptOutput = output;
      // Right after the workers' start, which it would delay; none of them can have been killed by then.
      queueMicrotask(() => this.#evidence = startEvidence());
      const errorFiles = Array.from(
        { length: this.#plan.workerCount },
        (_, localRank) => output.errorFile(localRank) ?? "",
      );
      this.#loop.post({ kind: "attempt-ready", errorFiles });
    } catch (error) {
      this.#notPossible(error);
    }
  }

  #notPossible(error: unknown): void {
    if (!(error instanceof SystemError)) throw error;
    this.#loop.post({ kind: "not-possible", reason: error.message });
  }

  #spawn(effect: Extract<AgentEffect, { kind: "spawn" }>): void {
    const { localRank } = effect;
    const output = assertDefined(this.#attemptOutput, "The attempt's output");
    const stdio = output.prepare(localRank, this.#baseRank + localRank);
    const request: SpawnRequest = {
      executable: this.#plan.command.executable,
      arguments: effect.arguments,
      environment: effect.environment,
      cwd: this.#plan.command.cwd,
      stdin: this.#getsStdin(localRank) ? "inherit" : "null",
      ...stdio,
    };
    let child: WorkerChild;
    // Before the start: what the worker does at once lies after it.
    this.#startedAt[localRank] = wallNow();
    try {
      const cpus = this.#plan.cpuBinding?.[localRank];
      child = cpus === undefined
        ? spawnWorker(request, this.#withLimits)
        : assertDefined(this.#spawnOnCpus)(request, cpus, this.#withLimits);
    } catch (error) {
      return this.#loop.post({ kind: "worker-not-started", localRank, reason: spawnFailure(request, error) });
    }
    this.#guard.add(child.pid);
    this.#workerPids.add(child.pid);
    this.#runningPids.add(child.pid);
    output.attach(localRank, child);
    child.ended.then((status) => {
      this.#runningPids.delete(child.pid);
      this.#watchdogs?.forget(child.pid);
      this.#endedAt[localRank] = wallNow();
      this.#endedInstant[localRank] = monotonicNow();
      output.noteEnd(status);
      this.#loop.post({ kind: "worker-ended", localRank, status });
      this.#onChildEnded();
    });
    this.#loop.post({ kind: "worker-started", localRank, pid: child.pid });
  }

  #getsStdin(localRank: number): boolean {
    const { stdinRank, workerCount } = this.#plan;
    return stdinRank === null ? workerCount === 1 && this.#parts.stdinIsTerminal : localRank === stdinRank;
  }

  #signal(effect: Extract<AgentEffect, { kind: "signal" }>): void {
    const worker = this.#agent.workers[effect.localRank];
    const pid = worker?.pid;
    // Deno reaps a worker before it tells: between the two its number could already be another's.
    if (pid === undefined || !this.#runningPids.has(pid)) return;
    // Workers fail at once, and one end is heard first: the others' are no doing of ours.
    const isAlive = !isEnding(pid);
    const isSent = kill(effect.target === "group" ? -pid : pid, effect.signal);
    if (worker?.stopRequested && isAlive && isSent) this.#stoppedPids.add(pid);
  }

  async #judge(): Promise<void> {
    const output = assertDefined(this.#attemptOutput, "The attempt's output");
    await output.drained(this.#drainLimitMs());
    const { workers } = this.#agent;
    const evidence = await assertDefined(this.#evidence, "The evidence's beginning").gather({
      errorFiles: workers.map(({ localRank }) => output.errorFile(localRank) ?? ""),
      statuses: workers.flatMap(({ status }) => status ?? []),
    });
    const { judgeHere } = await loadJudge();
    const judged = judgeHere({
      agent: this.#agent,
      plan: this.#plan,
      hostName: this.#parts.hostName,
      evidence,
      output,
      startedAt: this.#startedAt,
      endedAt: this.#endedAt,
      endedInstant: this.#endedInstant,
      stoppedPids: this.#stoppedPids,
    });
    this.#loop.post({ kind: "judged", ...judged });
  }

  /** Rank of this node's first worker in the job. */
  get #baseRank(): number {
    return this.#agent.seat?.baseRank ?? 0;
  }

  #drainLimitMs(): number {
    const isLeftRunning = this.#plan.keepDaemons || this.#runningPids.size > 0;
    return isLeftRunning ? DRAIN_LIMIT_OPEN_MS : DRAIN_LIMIT_MS;
  }

  #ownChildren(): ReadonlySet<number> {
    return new Set([...this.#runningPids, this.#guard.pid]);
  }

  #sweep(): void {
    const leftovers = sweepLeftovers({
      launcherId: this.#launcherId,
      workers: this.#workerPids,
      ownChildren: this.#ownChildren(),
      subreaper: this.#subreaper,
    });
    this.#loop.post({ kind: "swept", leftovers });
  }

  /** Some child of ours ended: a worker, which Deno reaps by itself, or an orphan, which only we can reap. */
  #onChildEnded(): void {
    if (reapOrphans(this.#ownChildren()) > 0) this.#loop.post({ kind: "orphan-ended" });
  }
}

/** A process may be gone between the decision and the signal: then nothing is left to do, and the answer is false. */
function kill(pid: number, signal: SignalName): boolean {
  try {
    Deno.kill(pid, signal as Deno.Signal);
    return true;
  } catch {
    // Gone, or its owner changed (setuid): it is named as unkillable if it stays.
    return false;
  }
}
