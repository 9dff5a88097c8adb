/**
 * The verdict for programs: what `--report FILE` writes.
 *
 * Rules of the format: fields are only ever added within a version; times are UTC; a value that isn't known is
 * null, never left out.
 */

import { pythonExitCode } from "../supervise/exit_status.ts";
import type { FailureKind } from "./explain.ts";
import type { MachineFacts } from "./facts.ts";
import { localTime } from "./local_time.ts";
import type { Failure, Verdict } from "./report.ts";
import { plainLine } from "./traceback.ts";

export interface VerdictDocument {
  /** Of this format: 1. */
  readonly version: 1;
  readonly jobId: string;
  readonly host: string;
  readonly role: string;
  /** The script, module or program, as torchrun's reports name it. */
  readonly program: string;
  /** Number of the attempt that this is about, 0 for the first. */
  readonly attempt: number;
  readonly maxRestarts: number;
  readonly worldSize: number;
  /** Null: no worker failed by itself. */
  readonly rootCause: FailureDocument | null;
  /** Workers that failed by themselves after the root cause, in that order. */
  readonly failures: readonly FailureDocument[];
  /** Workers that failed because another one did. */
  readonly consequences: readonly FailureDocument[];
  /** Workers that muster stopped. */
  readonly stopped: readonly FailureDocument[];
  /** What makes the verdict doubtful, in sentences. */
  readonly doubts: readonly string[];
  readonly machine: MachineFacts;
  /** The root causes of the attempts before this one, oldest first. */
  readonly earlierAttempts: readonly {
    readonly attempt: number;
    readonly rootCause: FailureDocument | null;
  }[];
}

export interface FailureDocument {
  readonly rank: number;
  readonly localRank: number;
  readonly pid: number;
  /** When the exception was recorded, else when the worker ended: "2026-11-23T22:50:42.120Z". */
  readonly time: string;
  /** Python's convention: −n for signal n. */
  readonly exitCode: number;
  /** "SIGSEGV"; null: it ended by itself. */
  readonly signal: string | null;
  /** What kind of failure it was: a closed list, see `FailureKind`. */
  readonly kind: FailureKind;
  /** What happened, in a sentence. */
  readonly summary: string;
  readonly advice: string | null;
  readonly traceback: string | null;
  readonly tracebackSource: "error file" | "stderr" | null;
  /** TORCHELASTIC_ERROR_FILE of the worker, where it was given one. */
  readonly errorFile: string | null;
  /** What is wrong with the error file; null: nothing, or it was not written. */
  readonly errorFileProblem: string | null;
  readonly logFiles: readonly string[];
  /** The last lines that the worker printed on stderr; null: they didn't pass through muster. */
  readonly tail: readonly string[] | null;
}

/** `attempts`: the verdicts on all failed attempts of the job, the present one last. */
export function verdictJson(verdict: Verdict, attempts: readonly Verdict[] = []): VerdictDocument {
  const { attempt, rootCause } = verdict;
  return {
    version: 1,
    jobId: attempt.jobId,
    host: attempt.host,
    role: attempt.role,
    program: attempt.displayName,
    attempt: attempt.attempt,
    maxRestarts: attempt.maxRestarts,
    worldSize: attempt.worldSize,
    rootCause: rootCause === null ? null : failureJson(rootCause),
    failures: verdict.others.map(failureJson),
    consequences: verdict.consequences.map(failureJson),
    stopped: verdict.stopped.map(failureJson),
    doubts: verdict.doubts,
    machine: attempt.machine,
    earlierAttempts: attempts.slice(0, -1).map((earlier) => ({
      attempt: earlier.attempt.attempt,
      rootCause: earlier.rootCause === null ? null : failureJson(earlier.rootCause),
    })),
  };
}

/** The whole tail is in the log; a report for 512 workers must stay readable. */
const TAIL_LINES_MAX = 20;

function failureJson(failure: Failure): FailureDocument {
  const { facts, explanation, traceback } = failure;
  return {
    rank: facts.rank,
    localRank: facts.localRank,
    pid: facts.pid,
    time: utcTime(failure.failedAt),
    exitCode: pythonExitCode(facts.status),
    signal: facts.status.kind === "signalled" ? facts.status.signal : null,
    kind: explanation.kind,
    summary: explanation.summary,
    advice: explanation.advice,
    traceback: traceback === null ? null : traceback.lines.join("\n"),
    tracebackSource: traceback === null ? null : traceback.source,
    errorFile: facts.errorFile?.path ?? null,
    errorFileProblem: failure.errorFileProblem,
    logFiles: facts.logFiles,
    tail: facts.tail?.slice(-TAIL_LINES_MAX).map(plainLine) ?? null,
  };
}

function utcTime(at: number): string {
  const milliseconds = String(Math.floor(at) % 1000).padStart(3, "0");
  return `${localTime(at, 0).replace("_", "T")}.${milliseconds}Z`;
}
