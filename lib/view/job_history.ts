/**
 * What became of a job, put together from its events: attempts, who ran when, failures. What pages and traces show.
 *
 * Rules: times are milliseconds since the job's first event. A file may hold several runs, and the lines of several
 * launchers of one run, whose wall clocks are taken as they are; the last run counts. What a cut file does not tell is
 * null, and what still ran at its end ran till then.
 */

import type { WallMs } from "../core/time.ts";
import type { JobEvent, NodePlace, Outcome, RootCause } from "../agent/job_event.ts";
import { parseEventLine } from "../agent/job_event.ts";

export interface WorkerSpan {
  readonly rank: number;
  readonly host: string;
  readonly pid: number;
  readonly attempt: number;
  readonly from: number;
  readonly to: number;
  /** Null: it still ran at the file's end. */
  readonly outcome: Outcome | null;
  /** "exit code 3", "SIGKILL". */
  readonly ending: string | null;
  readonly cause: string | null;
}

export interface Attempt {
  readonly attempt: number;
  readonly round: number | null;
  readonly nodes: readonly NodePlace[];
  readonly worldSize: number;
  readonly nodeCount: number;
  /** When its round was formed. */
  readonly from: number;
  /** When all its workers ran; null: they never did. */
  readonly runningAt: number | null;
  readonly to: number;
  readonly outcome: Outcome | null;
  readonly cause: string | null;
  readonly rootCause: RootCause | null;
}

/** A stretch of time in which a failure kept the job from working. */
export interface LostSpan {
  readonly from: number;
  readonly to: number;
}

export interface Moment {
  readonly at: number;
  readonly event: JobEvent;
}

export interface JobHistory {
  readonly job: string;
  readonly program: string;
  readonly startedAt: WallMs;
  readonly durationMs: number;
  readonly hosts: readonly string[];
  readonly maxRestarts: number;
  /** Null: the file ends before the job. */
  readonly end: (JobEvent & { readonly event: "job-ended" }) | null;
  readonly attempts: readonly Attempt[];
  readonly workers: readonly WorkerSpan[];
  readonly lost: readonly LostSpan[];
  /** All events, in order. */
  readonly moments: readonly Moment[];
}

/** Null: there is no event in `text`. */
export function readHistory(text: string): JobHistory | null {
  const events = text.split("\n").flatMap((line) => parseEventLine(line) ?? []);
  const run = lastRun(events);
  return run.length === 0 ? null : new HistoryBuilder(run).history();
}

/** The events of the job that was started last, on each host from its last start on, by time. */
function lastRun(events: readonly JobEvent[]): JobEvent[] {
  const last = events.findLast(({ event }) => event === "job-started") ?? events.at(-1);
  const ofJob = events.filter(({ job }) => job === last?.job);
  const starts = new Map<string, number>();
  ofJob.forEach(({ event, host }, index) => {
    if (event === "job-started") starts.set(host, index);
  });
  // Sorting is stable: events of one moment keep their order.
  return ofJob.filter(({ host }, index) => index >= (starts.get(host) ?? 0)).sort((a, b) => a.time - b.time);
}

const SEVERITY = { none: 0, succeeded: 1, stopped: 2, failed: 3 } as const;

interface OpenWorker {
  readonly rank: number;
  readonly host: string;
  readonly pid: number;
  readonly attempt: number;
  readonly from: number;
}

type Growing<T> = { -readonly [Key in keyof T]: T[Key] };

class HistoryBuilder {
  readonly #events: readonly JobEvent[];
  readonly #startedAt: WallMs;
  readonly #attempts: Growing<Attempt>[] = [];
  readonly #workers: WorkerSpan[] = [];
  readonly #open = new Map<string, OpenWorker>();
  readonly #lost: LostSpan[] = [];
  #failedAt: number | null = null;

  constructor(events: readonly JobEvent[]) {
    this.#events = events;
    this.#startedAt = events[0]!.time;
  }

  history(): JobHistory {
    for (const event of this.#events) this.#apply(event, event.time - this.#startedAt);
    const first = this.#events.find((event) => event.event === "job-started");
    const end = this.#events.findLast((event) => event.event === "job-ended") ?? null;
    const durationMs = Math.max(1, this.#events.at(-1)!.time - this.#startedAt);
    for (const worker of this.#open.values()) {
      this.#workers.push({ ...worker, to: durationMs, outcome: null, ending: null, cause: null });
    }
    for (const attempt of this.#attempts) {
      if (attempt.outcome === null) attempt.to = durationMs;
    }
    if (this.#failedAt !== null) this.#lost.push({ from: this.#failedAt, to: durationMs });
    return {
      job: this.#events[0]!.job,
      program: first?.program ?? "",
      startedAt: this.#startedAt,
      durationMs,
      hosts: [...new Set(this.#events.map(({ host }) => host))],
      maxRestarts: first?.maxRestarts ?? 0,
      end,
      attempts: this.#attempts,
      workers: this.#workers.sort((a, b) => a.rank - b.rank || a.from - b.from),
      lost: this.#lost,
      moments: this.#events.map((event) => ({ at: event.time - this.#startedAt, event })),
    };
  }

  #apply(event: JobEvent, at: number): void {
    const attempt = this.#attempts.find((one) => one.attempt === event.attempt && one.round === event.round);
    switch (event.event) {
      case "round-formed":
        // Every node's launcher tells of the same round, and of itself.
        if (attempt === undefined) this.#attempts.push(newAttempt(event, at));
        else attempt.nodes = [...attempt.nodes, ...event.nodes];
        return;
      case "worker-started": {
        const { rank, host, pid } = event;
        this.#open.set(`${host} ${pid}`, { rank, host, pid, attempt: event.attempt ?? 0, from: at });
        return;
      }
      case "workers-running":
        if (attempt !== undefined) attempt.runningAt = Math.max(attempt.runningAt ?? 0, at);
        if (this.#failedAt !== null) this.#lost.push({ from: this.#failedAt, to: at });
        this.#failedAt = null;
        return;
      case "worker-ended":
        return this.#onWorkerEnded(event, at);
      case "attempt-ended":
        if (attempt === undefined) return;
        attempt.to = Math.max(attempt.to, at);
        // On one node it failed, on the others it was stopped because of that.
        if (SEVERITY[event.outcome] > SEVERITY[attempt.outcome ?? "none"]) {
          attempt.outcome = event.outcome;
          attempt.cause = event.cause;
        }
        if (event.outcome === "failed") this.#failedAt ??= at;
        return;
      case "verdict":
        if (attempt !== undefined) attempt.rootCause = event.rootCause ?? attempt.rootCause;
        return;
    }
  }

  #onWorkerEnded(event: JobEvent & { event: "worker-ended" }, at: number): void {
    const key = `${event.host} ${event.pid}`;
    const open = this.#open.get(key);
    this.#open.delete(key);
    const { outcome, cause, exitCode, signal } = event;
    if (outcome === "failed") this.#failedAt ??= at;
    this.#workers.push({
      rank: event.rank,
      host: event.host,
      pid: event.pid,
      attempt: event.attempt ?? 0,
      from: open?.from ?? at - event.durationMs,
      to: at,
      outcome,
      ending: signal ?? `exit code ${exitCode}`,
      cause,
    });
  }
}

function newAttempt(event: JobEvent & { event: "round-formed" }, at: number): Growing<Attempt> {
  return {
    attempt: event.attempt ?? 0,
    round: event.round,
    nodes: event.nodes,
    worldSize: event.worldSize,
    // The first version's files may lack it.
    nodeCount: event.nodeCount ?? event.nodes.length,
    from: at,
    runningAt: null,
    to: at,
    outcome: null,
    cause: null,
    rootCause: null,
  };
}
