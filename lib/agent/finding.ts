/**
 * What a node finds out about its own workers of a failed attempt: one finding for each that failed or was stopped.
 * It is made where the evidence is (error files, counters, output), is small enough to travel, and says nothing of
 * who is to blame: that takes the findings of all nodes (report.ts).
 */

import type { Ranges } from "../core/ranges.ts";
import type { InstantMs, WallMs } from "../core/time.ts";
import { type ExitStatus, succeeded } from "../supervise/exit_status.ts";
import { type ErrorRecord, parseErrorFile } from "./error_file.ts";
import { explain, type Explanation } from "./explain.ts";
import type { AttemptName, FailedAttempt, MachineFacts, WorkerFacts } from "./facts.ts";
import { findTraceback, plainLine } from "./traceback.ts";

/** A moment on some monotonic clock, known to lie between two instants. */
export interface Moment {
  readonly earliest: InstantMs;
  readonly latest: InstantMs;
}

/** One worker that failed or was stopped. */
export interface Failure {
  readonly host: string;
  readonly groupRank: number;
  readonly facts: WorkerFacts;
  /** When its exception was recorded, else when it ended. */
  readonly failedAt: WallMs;
  /** The same on the node's monotonic clock; in a verdict on the clock of the node that judged. */
  readonly moment: Moment;
  /** What it recorded in its error file; null: nothing that can be read. */
  readonly record: ErrorRecord | null;
  /** What is wrong with its error file; null: nothing, or there is none. */
  readonly errorFileProblem: string | null;
  readonly traceback: {
    readonly lines: readonly string[];
    readonly source: "error file" | "stderr";
  } | null;
  readonly explanation: Explanation;
  /** Of a worker that was stopped: what it had told of its own end by then; null: nothing that is understood. */
  readonly told: Explanation | null;
  /** It had told that before any worker of its node was seen to fail, and nothing else since. */
  readonly toldFirst: boolean;
}

/** Failures that are told by their ranks alone: thousands of workers are summarised. */
export interface FailureGroup {
  readonly part: "other" | "consequence" | "stopped";
  /** The explanation's summary; of stopped workers how they ended. */
  readonly text: string;
  readonly ranks: Ranges;
  /** Workers beside those: more ranges than a message may hold. */
  readonly unnamed: number;
}

/** A worker that ended with code 0 before the attempt was over. */
export interface Success {
  readonly rank: number;
  readonly endedInstant: InstantMs;
}

/** What one node tells of a failed attempt. */
export interface NodeReport {
  readonly attempt: AttemptName;
  readonly host: string;
  readonly groupRank: number;
  readonly machine: MachineFacts;
  /** In the order of their failing. */
  readonly failures: readonly Failure[];
  /** What had no place among `failures`; empty before the report has travelled. */
  readonly groups: readonly FailureGroup[];
  readonly successes: readonly Success[];
}

/** The findings of one node. */
export function examineAttempt(attempt: FailedAttempt): NodeReport {
  const { jobId, role, displayName, attempt: number, maxRestarts, worldSize, host, groupRank, machine } =
    attempt;
  const concerned = attempt.workers.filter((worker) => isFailure(worker) || worker.stoppedByUs);
  return {
    attempt: { jobId, role, displayName, attempt: number, maxRestarts, worldSize },
    host,
    groupRank,
    machine,
    failures: concerned.map((worker) => examine(worker, attempt)).sort(byTime),
    groups: [],
    successes: attempt.workers
      .filter((worker) => !worker.stoppedByUs && succeeded(worker.status))
      .map(({ rank, endedInstant }) => ({ rank, endedInstant })),
  };
}

function isFailure(worker: WorkerFacts): boolean {
  return !succeeded(worker.status) || worker.endedByWatchdog !== null;
}

function byTime(a: Failure, b: Failure): number {
  return a.moment.earliest - b.moment.earliest || a.facts.endOrder - b.facts.endOrder;
}

function examine(worker: WorkerFacts, { host, groupRank, machine }: FailedAttempt): Failure {
  const content = worker.errorFile?.text == null ? null : parseErrorFile(worker.errorFile.text);
  const record = content?.kind === "record" ? content.record : null;
  const printed = printsItsEnd(worker) ? findTraceback(worker.tail ?? []) : null;
  const recorded = record?.callstack == null ? null : findTraceback(record.callstack);
  const exceptions = recorded?.exceptions ??
    (record?.message == null ? printed?.exceptions : [record.message]);
  const failedAt = failureTime(worker, record);
  const explanation = explain({
    pid: worker.pid,
    status: worker.status,
    stoppedByUs: worker.stoppedByUs,
    watchdog: worker.endedByWatchdog,
    exceptions: exceptions ?? [],
    lastLines: worker.tail?.slice(-LAST_LINES_MAX).map(plainLine) ?? null,
  }, machine);
  const told = worker.stoppedByUs ? whatItPrinted(worker, machine) : null;
  return {
    host,
    groupRank,
    facts: worker,
    failedAt,
    moment: momentOf(worker, failedAt),
    record,
    errorFileProblem: content?.kind === "unusable" ? content.problem : worker.errorFile?.problem ?? null,
    traceback: record?.callstack != null
      ? { lines: record.callstack.map(plainLine), source: "error file" }
      : printed !== null
      ? { lines: printed.lines, source: "stderr" }
      : null,
    explanation,
    told: worker.stoppedByUs && record !== null && explanation.kind !== "stopped" ? explanation : told,
    toldFirst: told?.isConsequence === false && hadPrintedIt(worker),
  };
}

/** Where a known text is looked for when there is no exception: further up it is about something else. */
const LAST_LINES_MAX = 20;

/** Whoever is killed from outside prints nothing of it: an older traceback is not about this end. */
function printsItsEnd({ status, stoppedByUs }: WorkerFacts): boolean {
  return !stoppedByUs && (status.kind === "exited" || OWN_SIGNALS.has(status.signal));
}

const OWN_SIGNALS: ReadonlySet<string> = new Set([
  "SIGABRT",
  "SIGBUS",
  "SIGFPE",
  "SIGILL",
  "SIGINT",
  "SIGSEGV",
]);

/** The file system's time of writing is finer than the whole seconds that PyTorch records. */
function failureTime(worker: WorkerFacts, record: ErrorRecord | null): WallMs {
  if (record === null) return worker.endedAt;
  // A clock that disagrees (a file server's) gives a time outside the worker's life; the last tick may lie before it.
  const isPossible = (at: WallMs | null) =>
    at !== null && at >= worker.startedAt - TICK_MS && at <= worker.endedAt;
  const at = [worker.errorFile?.writtenAt ?? null, record.failedAt].find(isPossible);
  return at ?? worker.endedAt;
}

/** File systems stamp with the time of the last timer tick, at most this old. */
export const TICK_MS = 10;

/** Wall time comes in whole milliseconds, so that a difference is wrong by less than this. */
const ROUNDING_MS = 1;

function momentOf({ endedAt, endedInstant }: WorkerFacts, failedAt: WallMs): Moment {
  if (failedAt === endedAt) return { earliest: endedInstant, latest: endedInstant };
  const recorded = endedInstant - (endedAt - failedAt);
  return {
    earliest: recorded - ROUNDING_MS,
    latest: Math.min(recorded + TICK_MS + ROUNDING_MS, endedInstant),
  };
}

const EXITED: ExitStatus = { kind: "exited", code: 1 };

function whatItPrinted(worker: WorkerFacts, machine: MachineFacts): Explanation | null {
  const exceptions = findTraceback(worker.tail ?? [])?.exceptions ?? [];
  const lastLines = worker.tail?.slice(-LAST_LINES_MAX).map(plainLine) ?? null;
  const ending = {
    pid: worker.pid,
    status: EXITED,
    stoppedByUs: false,
    watchdog: null,
    exceptions,
    lastLines,
  };
  const explanation = explain(ending, machine);
  return explanation.kind === "exit-code" ? null : explanation;
}

/** Lines that may follow an exception's first: its message, and warnings of the teardown. */
const LINES_AFTER_EXCEPTION_MAX = 5;

/** The exception was there before the first failure, and near its output's end: not one that it had survived. */
function hadPrintedIt({ tail, linesAfterFailure }: WorkerFacts): boolean {
  const before = tail?.slice(0, tail.length - linesAfterFailure) ?? [];
  const first = findTraceback(before)?.exceptions.at(-1)?.split("\n")[0];
  if (first === undefined) return false;
  return before.slice(-1 - LINES_AFTER_EXCEPTION_MAX).some((line) => plainLine(line).endsWith(first));
}
