/**
 * Makes reports small enough to travel: long texts lose their middle, only the first few failures keep theirs, and
 * of thousands of workers most are told by their ranks. What a verdict is decided by is kept for all that are kept.
 */

import { mergeRanges, rangesOf, sizeOfRanges } from "../core/ranges.ts";
import type { Failure, FailureGroup } from "./finding.ts";
import { endingName } from "./words.ts";

/** How much of a list of failures is kept. */
export interface Share {
  readonly failures: number;
  /** How many of them keep their traceback and last lines. */
  readonly texts: number;
}

/** Limits of single fields, in characters and lines. */
export const FIELD_LIMITS = {
  summary: 1000,
  /** A clause or sentence about a failure may hold its whole summary. */
  sentence: 2000,
  path: 1024,
  line: 500,
  tracebackLines: 60,
  tailLines: 20,
  logFiles: 4,
  record: 16 * 1024,
  shortRecord: 500,
  /** Of a traceback in a record that is too long: 60 of them fit, also where each character takes six. */
  recordLine: 40,
  rangesOfGroup: 2048,
} as const;

export interface Condensed {
  readonly failures: readonly Failure[];
  readonly groups: readonly FailureGroup[];
}

/** Those of `failures` that say most, in their order; the others by their ranks. */
export function condense(failures: readonly Failure[], share: Share): Condensed {
  const byWeight = failures.map((failure, index) => ({ failure, index }))
    .sort((a, b) => weight(a.failure) - weight(b.failure) || a.index - b.index);
  const withText = new Set(byWeight.slice(0, share.texts).map(({ failure }) => failure));
  const kept = new Set(byWeight.slice(0, share.failures).map(({ failure }) => failure));
  return {
    failures: failures.filter((failure) => kept.has(failure))
      .map((failure) => (withText.has(failure) ? shortened(failure) : withoutText(failure))),
    groups: grouped(failures.filter((failure) => !kept.has(failure))),
  };
}

/** Who may be the cause comes first, who was only stopped last. */
function weight({ facts, explanation, record, told }: Failure): number {
  if (!facts.stoppedByUs) return explanation.isConsequence ? 2 : 0;
  if (facts.endedByWatchdog !== null) return 0;
  return record !== null ? 1 : told !== null ? 3 : 4;
}

function grouped(failures: readonly Failure[]): FailureGroup[] {
  const groups = new Map<string, { part: FailureGroup["part"]; text: string; ranks: number[] }>();
  for (const { facts, explanation } of failures) {
    const part = facts.stoppedByUs ? "stopped" : explanation.isConsequence ? "consequence" : "other";
    // Of those that failed later only the ranks are told.
    const text = part === "stopped" ? endingName(facts.status) : part === "other" ? "" : explanation.summary;
    const group = groups.get(`${part} ${text}`);
    if (group === undefined) groups.set(`${part} ${text}`, { part, text, ranks: [facts.rank] });
    else group.ranks.push(facts.rank);
  }
  return [...groups.values()].map(({ part, text, ranks }) => ({
    part,
    text: cut(text, FIELD_LIMITS.summary),
    ranks: rangesOf(ranks),
    unnamed: 0,
  }));
}

/** One group for each kind and text, with no more ranges than a message may hold. */
export function mergeGroups(groups: readonly FailureGroup[]): FailureGroup[] {
  const merged = new Map<string, FailureGroup>();
  for (const group of groups) {
    const key = `${group.part} ${group.text}`;
    const known = merged.get(key) ?? { ...group, ranks: [], unnamed: 0 };
    merged.set(key, {
      ...known,
      ranks: [...known.ranks, ...group.ranks],
      unnamed: known.unnamed + group.unnamed,
    });
  }
  return [...merged.values()].map((group) => {
    const ranks = mergeRanges(group.ranks);
    const over = sizeOfRanges(ranks.slice(FIELD_LIMITS.rangesOfGroup));
    return { ...group, ranks: ranks.slice(0, FIELD_LIMITS.rangesOfGroup), unnamed: group.unnamed + over };
  });
}

function shortened(failure: Failure): Failure {
  const { facts, traceback } = failure;
  const lines = (all: readonly string[]) => all.map((line) => cut(line, FIELD_LIMITS.line));
  const tail = facts.tail?.filter((line) => line.trim() !== "").slice(-FIELD_LIMITS.tailLines) ?? null;
  return {
    ...withoutText(failure),
    facts: {
      ...withoutText(failure).facts,
      tail: tail === null ? null : lines(tail),
      linesAfterFailure: Math.min(facts.linesAfterFailure, tail?.length ?? 0),
    },
    traceback: traceback === null
      ? null
      : { ...traceback, lines: lines(cutMiddle(traceback.lines, FIELD_LIMITS.tracebackLines)) },
    record: failure.record,
  };
}

function withoutText(failure: Failure): Failure {
  const { facts, explanation, errorFileProblem, told } = failure;
  const short = (text: string | null) => (text === null ? null : cut(text, FIELD_LIMITS.summary));
  return {
    ...failure,
    facts: {
      ...facts,
      errorFile: facts.errorFile === null
        ? null
        : { ...facts.errorFile, path: cut(facts.errorFile.path, FIELD_LIMITS.path), text: null },
      tail: null,
      linesAfterFailure: 0,
      logFiles: facts.logFiles.slice(0, FIELD_LIMITS.logFiles).map((path) => cut(path, FIELD_LIMITS.path)),
      endedByWatchdog: short(facts.endedByWatchdog),
    },
    traceback: null,
    explanation: { ...explanation, summary: short(explanation.summary)!, advice: short(explanation.advice) },
    errorFileProblem: short(errorFileProblem),
    told: told === null ? null : { ...told, summary: short(told.summary)!, advice: short(told.advice) },
  };
}

/** `text` with at most `lengthMax` characters. */
export function cut(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`;
}

/** At most `linesMax` lines: the beginning and, twice as much, the end. */
export function cutMiddle(lines: readonly string[], linesMax: number): string[] {
  if (lines.length <= linesMax) return [...lines];
  const head = Math.floor(linesMax / 3);
  const tail = linesMax - head - 1;
  return [
    ...lines.slice(0, head),
    `… ${lines.length - head - tail} lines left out …`,
    ...lines.slice(-tail),
  ];
}
