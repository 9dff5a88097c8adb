/**
 * The verdict for programs: what `--report FILE` writes.
 *
 * Rules of the format: fields are only ever added within a version; times are UTC; a value that isn't known is
 * null, never left out.
 */

import type { Ranges } from "../core/ranges.ts";
import { pythonExitCode } from "../supervise/exit_status.ts";
import type { FailureKind } from "./explain.ts";
import type { MachineFacts } from "./facts.ts";
import type { LostNode } from "./job_facts.ts";
import { localTime } from "./local_time.ts";
import type { Failure, Verdict } from "./report.ts";
import { plainLine } from "./traceback.ts";

export interface VerdictDocument {
  /** Of this format: 1. */
  readonly version: 1;
  readonly jobId: string;
  /** The host of the root cause; null: there is none. */
  readonly host: string | null;
  readonly role: string;
  /** The script, module or program, as torchrun's reports name it. */
  readonly program: string;
  /** Number of the attempt that this is about, 0 for the first. */
  readonly attempt: number;
  readonly maxRestarts: number;
  readonly worldSize: number;
  /** How many nodes took part, lost ones included. */
  readonly nodeCount: number;
  /** Null: no worker failed by itself, or the loss of a node came first (`lostFirst`). */
  readonly rootCause: FailureDocument | null;
  /** The node whose loss was the first that happened; null: none. */
  readonly lostFirst: LostNodeDocument | null;
  /** Workers that failed by themselves after the root cause, in that order. */
  readonly failures: readonly FailureDocument[];
  /** Workers that failed because another one did. */
  readonly consequences: readonly FailureDocument[];
  /** Workers that muster stopped. */
  readonly stopped: readonly FailureDocument[];
  /** More of the three kinds above, where nodes have too many workers to tell them one by one. */
  readonly groups: readonly {
    readonly part: "other" | "consequence" | "stopped";
    readonly text: string;
    /** Pairs of the first and the last rank. */
    readonly ranks: Ranges;
    /** Workers beside those. */
    readonly unnamed: number;
  }[];
  /** Nodes whose workers were lost with them. */
  readonly lost: readonly LostNodeDocument[];
  /** Why this root cause and not another, in clauses; empty: nothing else could be meant. */
  readonly reasons: readonly string[];
  /** What makes the verdict doubtful, in sentences. */
  readonly doubts: readonly string[];
  /** Of the root cause's node. */
  readonly machine: MachineFacts;
  /** The attempts before this one, oldest first, in this same form but for this field. */
  readonly earlierAttempts: readonly Omit<VerdictDocument, "earlierAttempts">[];
}

export interface LostNodeDocument {
  readonly host: string;
  readonly groupRank: number;
  /** Pairs of the first and the last rank. */
  readonly ranks: Ranges;
  /** When it was noticed. */
  readonly time: string;
  readonly reason: string;
}

export interface FailureDocument {
  readonly host: string;
  readonly groupRank: number;
  readonly rank: number;
  readonly localRank: number;
  readonly pid: number;
  /** When the exception was recorded, else when the worker ended: "2026-11-23T22:50:42.120Z". */
  readonly time: string;
  /** How long it had run by then. */
  readonly ranMs: number;
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
  /** How many of the last of these lines came after the node's first failure was seen: mostly noise of it. */
  readonly tailAfterFailure: number;
}

/** `attempts`: the verdicts on all failed attempts of the job, the present one last. */
export function verdictJson(verdict: Verdict, attempts: readonly Verdict[] = []): VerdictDocument {
  return { ...attemptJson(verdict), earlierAttempts: attempts.slice(0, -1).map(attemptJson) };
}

function attemptJson(verdict: Verdict): Omit<VerdictDocument, "earlierAttempts"> {
  const { attempt, rootCause, lostFirst } = verdict;
  return {
    version: 1,
    jobId: attempt.jobId,
    host: rootCause?.host ?? lostFirst?.host ?? null,
    role: attempt.role,
    program: attempt.displayName,
    attempt: attempt.attempt,
    maxRestarts: attempt.maxRestarts,
    worldSize: attempt.worldSize,
    nodeCount: verdict.nodeCount,
    rootCause: rootCause === null ? null : failureJson(rootCause),
    lostFirst: lostFirst === null ? null : lostJson(lostFirst),
    failures: verdict.others.map(failureJson),
    consequences: verdict.consequences.map(failureJson),
    stopped: verdict.stopped.map(failureJson),
    groups: verdict.groups,
    lost: verdict.lost.map(lostJson),
    reasons: verdict.reasons,
    doubts: verdict.doubts,
    machine: verdict.machine,
  };
}

function lostJson({ host, groupRank, ranks, noticedAt, reason }: LostNode): LostNodeDocument {
  return { host, groupRank, ranks, time: utcTime(noticedAt), reason };
}

/** The whole tail is in the log; a report for 512 workers must stay readable. */
const TAIL_LINES_MAX = 20;

function failureJson(failure: Failure): FailureDocument {
  const { facts, explanation, traceback } = failure;
  return {
    host: failure.host,
    groupRank: failure.groupRank,
    rank: facts.rank,
    localRank: facts.localRank,
    pid: facts.pid,
    time: utcTime(failure.failedAt),
    ranMs: Math.max(0, failure.failedAt - facts.startedAt),
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
    tailAfterFailure: Math.min(facts.linesAfterFailure, TAIL_LINES_MAX, facts.tail?.length ?? 0),
  };
}

function utcTime(at: number): string {
  const milliseconds = String(Math.floor(at) % 1000).padStart(3, "0");
  return `${localTime(at, 0).replace("_", "T")}.${milliseconds}Z`;
}
