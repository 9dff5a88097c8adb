/**
 * Who failed first in the whole job, and what followed from it: the one place where findings become a verdict.
 *
 * Rules, in order of trust:
 * - What we did is never the cause. A worker that ended after we asked it to is "stopped", unless it had recorded
 *   its own exception before any worker ended: then it was failing already, and only slow to go.
 * - A worker that printed what its peers' loss prints (known_causes.ts) is a consequence; it is named as the
 *   cause only when nobody else can be. Where all others timed out waiting for one worker, that one is the cause; so
 *   is one that had printed its own exception before, and was slow to go.
 * - Then time decides: when the exception was recorded, else when the worker ended. On one node that is exact; between
 *   nodes it is known to the error of their clocks, and what lies within it is decided by evidence: a node that is
 *   gone, then a signal, the kernel's word or an exception, then a bare exit code. torchrun compares whole seconds of
 *   one node, and so names a victim in one case of two.
 *
 * The same facts give the same verdict in whatever order they came.
 */

import type { InstantMs } from "../core/time.ts";
import { succeeded } from "../supervise/exit_status.ts";
import { type Candidate, firstOf, isCertainlyBefore, mappedMoment, middle } from "./cause_order.ts";
import { doubtsAbout, reasonsFor, type TimedSuccess } from "./doubts.ts";
import type { AttemptName, FailedAttempt, MachineFacts } from "./facts.ts";
import { examineAttempt, type Failure, type FailureGroup, type Moment } from "./finding.ts";
import { type JobFacts, type LostNode, OWN_CLOCK, type ReportedNode } from "./job_facts.ts";
import { missingWorker } from "./missing_worker.ts";

export type { Failure } from "./finding.ts";

export interface Verdict {
  readonly attempt: AttemptName;
  /** How many nodes took part, lost ones included. */
  readonly nodeCount: number;
  /** Null: no worker failed by itself, or a node's loss came first (`lostFirst`). */
  readonly rootCause: Failure | null;
  /** The node whose loss was the first that happened; null: none. */
  readonly lostFirst: LostNode | null;
  /** Workers that failed by themselves later, in the order of their failing. */
  readonly others: readonly Failure[];
  /** Workers that failed because of another one. */
  readonly consequences: readonly Failure[];
  /** Workers that we stopped. */
  readonly stopped: readonly Failure[];
  /** Workers of large nodes that are told by their ranks alone. */
  readonly groups: readonly FailureGroup[];
  /** Nodes whose workers were lost with them, whoever failed first. */
  readonly lost: readonly LostNode[];
  /** Why this one and not another, in clauses without full stop; empty: nothing else could be meant. */
  readonly reasons: readonly string[];
  /** What makes the verdict doubtful: whole sentences, without full stop. */
  readonly doubts: readonly string[];
  /** Of the node where it happened. */
  readonly machine: MachineFacts;
}

/** Judges an attempt of a job that ran on one node. */
export function judge(attempt: FailedAttempt): Verdict {
  return judgeJob({ nodes: [{ report: examineAttempt(attempt), clock: OWN_CLOCK }], lost: [] });
}

/** Judges an attempt by what all its nodes report. */
export function judgeJob(job: JobFacts): Verdict {
  const nodes = job.nodes.toSorted((a, b) => a.report.groupRank - b.report.groupRank);
  const lost = job.lost.toSorted((a, b) => a.groupRank - b.groupRank);
  const timed = inOrder(nodes);
  const failures = timed.map(({ failure }) => failure);
  const firstEnd = firstOwnEnd(failures, nodes);
  const stopped = failures.filter((failure) => wasStopped(failure, firstEnd));
  const failed = failures.filter((failure) => !wasStopped(failure, firstEnd));
  const own = failed.filter((failure) => !failure.explanation.isConsequence);
  const consequences = failed.filter((failure) => failure.explanation.isConsequence);
  const isOwn = new Set(own);
  const first = firstOf<Failure | LostNode>([
    ...timed.filter(({ failure }) => isOwn.has(failure)).map(candidateOf),
    ...lost.map(lostCandidate),
  ]);
  const slow = first === null ? slowToGo(stopped, consequences) : null;
  const missing = first === null && slow === null ? missingWorker({ consequences, stopped, nodes }) : null;
  const item = first?.candidate.item ?? missing ?? slow ?? consequences[0] ?? null;
  const rootCause = item !== null && "facts" in item ? item : null;
  const isRoot = (failure: Failure) => failure.facts.rank === rootCause?.facts.rank;
  const rest = (part: readonly Failure[]) => part.filter((failure) => !isRoot(failure));
  const { attempt, machine } =
    (nodes.find(({ report }) => report.groupRank === rootCause?.groupRank) ?? nodes[0]!).report;
  const parts = { others: rest(own), consequences: rest(consequences), stopped: rest(stopped) };
  const context = {
    ...parts,
    first,
    rootCause,
    missing,
    slow,
    lost,
    successes: nodes.flatMap(successesOf),
    nodeCount: nodes.length + lost.length,
  };
  return {
    attempt,
    nodeCount: context.nodeCount,
    rootCause,
    lostFirst: item !== null && "lastHeard" in item ? item : null,
    ...parts,
    groups: nodes.flatMap(({ report }) => report.groups),
    lost,
    reasons: reasonsFor(context),
    doubts: doubtsAbout(context),
    machine,
  };
}

/** A failure on our clock. */
interface TimedFailure {
  readonly failure: Failure;
  /** On its node's clock. */
  readonly local: Moment;
  /** The likely moment on our clock. */
  readonly at: InstantMs;
}

/** The failures of all nodes as they likely happened; those of one node stay in its order. */
function inOrder(nodes: readonly ReportedNode[]): TimedFailure[] {
  const timed = nodes.flatMap(({ report, clock }) => {
    return report.failures.map((failure): TimedFailure => ({
      failure: { ...failure, moment: mappedMoment(failure.moment, clock) },
      local: failure.moment,
      at: clock === null ? Infinity : failure.moment.earliest - clock.offsetMs,
    }));
  });
  return timed.sort((a, b) => (a.at === b.at ? 0 : a.at - b.at));
}

function instantMoment(at: InstantMs, clock: ReportedNode["clock"]): Moment {
  return mappedMoment({ earliest: at, latest: at }, clock);
}

function successesOf({ report, clock }: ReportedNode): TimedSuccess[] {
  return report.successes.map(({ rank, endedInstant }) => ({
    rank,
    groupRank: report.groupRank,
    moment: instantMoment(endedInstant, clock),
  }));
}

/** How much there is to show that something failed by itself. */
const STRENGTH = { bareExitCode: 1, evidence: 2, lostNode: 3 } as const;

function candidateOf({ failure, local, at }: TimedFailure): Candidate<Failure> {
  const strength = failure.explanation.kind === "exit-code" ? STRENGTH.bareExitCode : STRENGTH.evidence;
  const { groupRank, moment, facts } = failure;
  return { item: failure, groupRank, rank: facts.rank, moment, local, likely: at, strength };
}

function lostCandidate(node: LostNode): Candidate<LostNode> {
  const moment = { earliest: node.lastHeard, latest: node.noticed };
  return {
    item: node,
    groupRank: node.groupRank,
    rank: node.ranks[0]?.[0] ?? 0,
    moment,
    local: moment,
    likely: middle(moment),
    strength: STRENGTH.lostNode,
  };
}

/**
 * A worker that had printed its own exception before anybody failed, and was still putting things away when it was
 * stopped: its peers, which lost it meanwhile, were faster.
 */
function slowToGo(stopped: readonly Failure[], consequences: readonly Failure[]): Failure | null {
  const failure = consequences.length === 0 ? undefined : stopped.find(({ toldFirst }) => toldFirst);
  return failure === undefined ? null : { ...failure, explanation: failure.told! };
}

/** When the first worker ended that we had not asked to; null: we stopped them all. */
function firstOwnEnd(failures: readonly Failure[], nodes: readonly ReportedNode[]): Moment | null {
  let first: Moment | null = null;
  const take = (at: Moment) => {
    if (first === null || middle(at) < middle(first)) first = at;
  };
  const clocks = new Map(nodes.map(({ report, clock }) => [report.groupRank, clock]));
  for (const { facts, groupRank } of failures) {
    if (!facts.stoppedByUs) take(instantMoment(facts.endedInstant, clocks.get(groupRank) ?? null));
  }
  return first;
}

function wasStopped({ facts, record, moment }: Failure, firstEnd: Moment | null): boolean {
  if (!facts.stoppedByUs || facts.endedByWatchdog !== null) return false;
  const wasFailing = record !== null && firstEnd !== null && isCertainlyBefore(moment, firstEnd);
  return !wasFailing || succeeded(facts.status);
}
