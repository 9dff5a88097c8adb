/** Why a verdict names this one and not another, and what makes it doubtful: in words, from what was compared. */

import { mergeRanges, rangesOf } from "../core/ranges.ts";
import { durationText } from "../core/time.ts";
import { type First, isCertainlyBefore, middle } from "./cause_order.ts";
import type { Failure, Moment } from "./finding.ts";
import type { LostNode } from "./job_facts.ts";
import { ranksText } from "./words.ts";

/** A worker that ended with code 0, on the judge's clock. */
export interface TimedSuccess {
  readonly rank: number;
  readonly groupRank: number;
  readonly moment: Moment;
}

/** What a verdict was made from. */
export interface VerdictContext {
  readonly rootCause: Failure | null;
  readonly first: First<Failure | LostNode> | null;
  readonly missing: Failure | null;
  /** It had printed its exception before anybody ended, and was stopped while it put things away. */
  readonly slow: Failure | null;
  readonly others: readonly Failure[];
  readonly consequences: readonly Failure[];
  readonly stopped: readonly Failure[];
  readonly lost: readonly LostNode[];
  readonly successes: readonly TimedSuccess[];
  readonly nodeCount: number;
}

/** Clauses without full stop; empty where nothing else could be meant. */
export function reasonsFor(
  { first, rootCause, missing, slow, others, consequences, nodeCount }: VerdictContext,
): string[] {
  if (first === null) {
    if (slow !== null) {
      return ["it had printed its exception before any worker ended, and was still on its way out"];
    }
    return rootCause === null || missing !== null ? [] : ["no worker failed of anything else"];
  }
  const { candidate, rivals } = first;
  const reasons: string[] = [];
  const weaker = rivals.filter(({ strength }) => strength < candidate.strength).map(({ item }) => item);
  if (weaker.length > 0) {
    const what = weaker.length === 1 && "facts" in weaker[0]! ? ` (${weaker[0].explanation.summary})` : "";
    reasons.push(`${namesOf(weaker)} may have failed as early, but with less to show for it${what}`);
  }
  const tried = new Set(rivals.map(({ item }) => item));
  const next = others.find((failure) => !tried.has(failure));
  if (nodeCount > 1 && next !== undefined) {
    reasons.push(
      `the next to fail by itself, ${nameOf(next)}, did so ${laterBy(candidate.moment, next.moment)}`,
    );
  }
  const before = consequences.filter(({ moment }) => isCertainlyBefore(moment, candidate.moment));
  if (before.length > 0) {
    const ranks = ranksText(rangesOf(before.map(({ facts }) => facts.rank)));
    reasons.push(`${ranks} ended before it, but of what a lost peer leaves behind`);
  }
  return reasons;
}

const NAMED_MAX = 3;

/** Whole sentences without full stop. */
export function doubtsAbout(context: VerdictContext): string[] {
  const { first, rootCause, missing, slow } = context;
  if (first !== null) return doubtsAboutOrder(first);
  if (rootCause === null || missing !== null || slow !== null) return [];
  return doubtsAboutVictim(rootCause, context);
}

/** Others have as much to show, and may have been first. */
function doubtsAboutOrder({ candidate, rivals }: First<Failure | LostNode>): string[] {
  // On one node the likely order is good enough: only the file system's clock blurs it.
  const equal = rivals.filter(({ strength, groupRank }) =>
    strength === candidate.strength && groupRank !== candidate.groupRank
  );
  const timed = equal.filter(({ moment }) => Number.isFinite(moment.earliest));
  const untimed = equal.filter(({ moment }) => !Number.isFinite(moment.earliest));
  const doubts: string[] = [];
  if (timed.length > 0) {
    const errorMs = Math.max(...timed.map(({ moment }) => spanMs(moment))) / 2 + spanMs(candidate.moment) / 2;
    const first = timed.length === 1 ? "either" : "any of them";
    doubts.push(
      `${capital(namesOf(timed.map(({ item }) => item)))} failed within ${
        errorText(errorMs)
      } of it, closer than ` +
        `the nodes' clocks can be told apart: ${first} may have been first`,
    );
  }
  if (untimed.length > 0) {
    const names = capital(namesOf(untimed.map(({ item }) => item)));
    doubts.push(`${names} failed too, and may have been first: the nodes' clocks were never compared`);
  }
  return doubts;
}

function spanMs({ earliest, latest }: Moment): number {
  return Number.isFinite(earliest) ? latest - earliest : 0;
}

/** Nobody seems to have failed by himself: who may have, all the same? */
function doubtsAboutVictim(
  rootCause: Failure,
  { stopped, consequences, successes }: VerdictContext,
): string[] {
  const suspects = stopped.filter(({ told, record, moment }) =>
    told?.isConsequence === false && (record === null || !isCertainlyBefore(rootCause.moment, moment))
  );
  const doubts = suspects.slice(0, NAMED_MAX).map(({ facts, told, record }) =>
    `Rank ${facts.rank}, which was stopped, had ${
      record === null ? "printed" : "recorded"
    } an exception that may ` +
    `be the real cause: ${told!.summary}`
  );
  const silent = stopped.filter(({ told }) => told?.kind !== "late-peer");
  if (rootCause.explanation.kind === "late-peer" && silent.length > 0) {
    const ranks = ranksText(rangesOf(silent.map(({ facts }) => facts.rank)));
    const waiting = consequences.length === 0 ? "it" : "the others";
    doubts.push(
      `${
        capital(ranks)
      } had not timed out when stopped: the one that ${waiting} waited for may be among them`,
    );
  }
  const before = successes.filter((success) => {
    if (success.groupRank !== rootCause.groupRank) return isCertainlyBefore(success.moment, rootCause.moment);
    return middle(success.moment) < middle(rootCause.moment);
  });
  if (before.length > 0) {
    const ranks = ranksText(rangesOf(before.map(({ rank }) => rank)));
    doubts.push(`${capital(ranks)} had ended with code 0 while others were still working`);
  }
  return doubts;
}

/** "rank 5 on node-b and node node-c"; of many only the ranks: "ranks 5, 8-15". */
function namesOf(items: readonly (Failure | LostNode)[]): string {
  if (items.length <= NAMED_MAX) return items.map(nameOf).join(" and ");
  const ranks = items.flatMap((
    item,
  ) => ("facts" in item ? [[item.facts.rank, item.facts.rank] as const] : item.ranks));
  return ranksText(mergeRanges(ranks));
}

function nameOf(item: Failure | LostNode): string {
  return "facts" in item ? `rank ${item.facts.rank} on ${item.host}` : `node ${item.host}`;
}

function laterBy(first: Moment, next: Moment): string {
  const [from, to] = [middle(first), middle(next)];
  if (from === to || !Number.isFinite(to - from)) return "at a time that can't be told";
  const errorMs = (first.latest - first.earliest + next.latest - next.earliest) / 2;
  return `${durationText(to - from)} later${errorMs === 0 ? "" : ` (± ${errorText(errorMs)})`}`;
}

/** Clocks are compared to fractions of a millisecond on one machine. */
function errorText(errorMs: number): string {
  return errorMs < 10 ? `${Math.max(0.1, Number(errorMs.toFixed(1)))} ms` : durationText(errorMs);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
