/**
 * Who failed first, and what followed from it: the one place where facts become a verdict.
 *
 * Rules, in order of trust:
 * - What we did is never the cause. A worker that ended after we asked it to is "stopped", unless it had recorded
 *   its own exception before any worker ended: then it was failing already, and only slow to go.
 * - A worker that printed what its peers' loss prints (known_causes.ts) is a consequence; it is named as the
 *   cause only when nobody else can be.
 * - Then time decides: when the exception was recorded, else when the worker ended, else the order in which the
 *   ends were seen. torchrun compares whole seconds and so names a victim in one case of two.
 */

import type { WallMs } from "../core/time.ts";
import { type ExitStatus, succeeded } from "../supervise/exit_status.ts";
import { type ErrorRecord, parseErrorFile } from "./error_file.ts";
import { explain, type Explanation } from "./explain.ts";
import type { FailedAttempt, WorkerFacts } from "./facts.ts";
import { findTraceback, plainLine } from "./traceback.ts";

/** One worker that failed or was stopped. */
export interface Failure {
  readonly facts: WorkerFacts;
  /** When its exception was recorded, else when it ended. */
  readonly failedAt: WallMs;
  /** What it recorded in its error file; null: nothing that can be read. */
  readonly record: ErrorRecord | null;
  /** What is wrong with its error file; null: nothing, or there is none. */
  readonly errorFileProblem: string | null;
  readonly traceback: {
    readonly lines: readonly string[];
    readonly source: "error file" | "stderr";
  } | null;
  readonly explanation: Explanation;
}

export interface Verdict {
  readonly attempt: FailedAttempt;
  /** Null: no worker failed by itself, such as when processes could not be ended after success. */
  readonly rootCause: Failure | null;
  /** Workers that failed by themselves later, in the order of their failing. */
  readonly others: readonly Failure[];
  /** Workers that failed because of another one. */
  readonly consequences: readonly Failure[];
  /** Workers that we stopped. */
  readonly stopped: readonly Failure[];
  /** What makes the verdict doubtful: whole sentences, without full stop. */
  readonly doubts: readonly string[];
}

export function judge(attempt: FailedAttempt): Verdict {
  const concerned = attempt.workers.filter((worker) => isFailure(worker) || worker.stoppedByUs);
  const firstEndAt = firstOwnEnd(concerned);
  const failures = concerned.map((worker) => examine(worker, attempt)).sort(byTime);
  const stopped = failures.filter((failure) => wasStopped(failure, firstEndAt));
  const failed = failures.filter((failure) => !stopped.includes(failure));
  const own = failed.filter((failure) => !failure.explanation.isConsequence);
  const consequences = failed.filter((failure) => failure.explanation.isConsequence);
  const rootCause = own[0] ?? consequences[0] ?? null;
  return {
    attempt,
    rootCause,
    others: own.filter((failure) => failure !== rootCause),
    consequences: consequences.filter((failure) => failure !== rootCause),
    stopped,
    doubts: rootCause?.explanation.isConsequence ? doubtsAbout(rootCause, attempt, stopped) : [],
  };
}

function isFailure(worker: WorkerFacts): boolean {
  return !succeeded(worker.status) || worker.endedByWatchdog !== null;
}

function examine(worker: WorkerFacts, attempt: FailedAttempt): Failure {
  const content = worker.errorFile?.text == null ? null : parseErrorFile(worker.errorFile.text);
  const record = content?.kind === "record" ? content.record : null;
  const printed = printsItsEnd(worker) ? findTraceback(worker.tail ?? []) : null;
  const recorded = record?.callstack == null ? null : findTraceback(record.callstack);
  const exceptions = recorded?.exceptions ??
    (record?.message == null ? printed?.exceptions : [record.message]);
  return {
    facts: worker,
    failedAt: failureTime(worker, record),
    record,
    errorFileProblem: content?.kind === "unusable" ? content.problem : worker.errorFile?.problem ?? null,
    traceback: record?.callstack != null
      ? { lines: record.callstack.map(plainLine), source: "error file" }
      : printed !== null
      ? { lines: printed.lines, source: "stderr" }
      : null,
    explanation: explain({
      status: worker.status,
      stoppedByUs: worker.stoppedByUs,
      watchdog: worker.endedByWatchdog,
      exceptions: exceptions ?? [],
      lastLines: worker.tail?.slice(-LAST_LINES_MAX).map(plainLine) ?? null,
    }, attempt.machine),
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
  // A clock that disagrees (a file server's) gives a time outside the worker's life.
  const isPossible = (at: WallMs | null) => at !== null && at >= worker.startedAt && at <= worker.endedAt;
  const at = [worker.errorFile?.writtenAt ?? null, record.failedAt].find(isPossible);
  return at ?? worker.endedAt;
}

function byTime(a: Failure, b: Failure): number {
  return a.failedAt - b.failedAt || a.facts.endOrder - b.facts.endOrder;
}

/** When the first worker ended that we had not asked to; null: we stopped them all. */
function firstOwnEnd(workers: readonly WorkerFacts[]): WallMs | null {
  const times = workers.filter((worker) => !worker.stoppedByUs).map((worker) => worker.endedAt);
  return times.length === 0 ? null : Math.min(...times);
}

/** File systems stamp with the time of the last timer tick, at most this old. */
const TICK_MS = 10;

function wasStopped({ facts, record, failedAt }: Failure, firstEndAt: WallMs | null): boolean {
  if (!facts.stoppedByUs || facts.endedByWatchdog !== null) return false;
  const wasFailing = record !== null && firstEndAt !== null && failedAt + TICK_MS < firstEndAt;
  return !wasFailing || succeeded(facts.status);
}

/** Nobody seems to have failed by himself: who may have, all the same? */
function doubtsAbout(rootCause: Failure, attempt: FailedAttempt, stopped: readonly Failure[]): string[] {
  const doubts: string[] = [];
  for (const { facts } of stopped) {
    const exceptions = findTraceback(facts.tail ?? [])?.exceptions ?? [];
    if (exceptions.length === 0) continue;
    const ending = { status: EXITED, stoppedByUs: false, watchdog: null, exceptions, lastLines: [] };
    const { isConsequence, summary } = explain(ending, attempt.machine);
    if (isConsequence) continue;
    doubts.push(
      `Rank ${facts.rank}, which was stopped, had printed an exception that may be the real cause: ${summary}`,
    );
  }
  const before = attempt.workers.filter((worker) =>
    succeeded(worker.status) && worker.endOrder < rootCause.facts.endOrder
  );
  if (before.length > 0) {
    const ranks = before.map((worker) => worker.rank).sort((a, b) => a - b).join(", ");
    doubts.push(
      `${
        before.length === 1 ? "Rank" : "Ranks"
      } ${ranks} had ended with code 0 while others were still working`,
    );
  }
  return doubts;
}

const EXITED: ExitStatus = { kind: "exited", code: 1 };
