/**
 * The verdict as people read it at the end of a failed job.
 *
 * The layout is torchrun's (torchrun.md 3.6), so that eyes, documentation and scripts find what they know: the
 * borders, `Root Cause (first observed failure):`, `Failures:`, one aligned field a line. Different on purpose: the
 * root cause comes first and is the only one with a long text; what followed from it is told in a line each.
 */

import { type Ranges, rangesOf, sizeOfRanges } from "../core/ranges.ts";
import { durationText, type WallMs } from "../core/time.ts";
import { pythonExitCode } from "../supervise/exit_status.ts";
import { cutMiddle, FIELD_LIMITS, mergeGroups } from "./condense.ts";
import type { FailureGroup } from "./finding.ts";
import type { LostNode } from "./job_facts.ts";
import { localTime } from "./local_time.ts";
import type { Failure, Verdict } from "./report.ts";
import { plainLine } from "./traceback.ts";
import { endingName, ranksText } from "./words.ts";

export interface VerdictTextOptions {
  /** Columns of the terminal; what muster says itself is wrapped to them. */
  readonly width: number;
  readonly colour: boolean;
  /** How far local time is ahead of UTC. */
  readonly utcOffsetMinutes: number;
  /** The verdicts on all failed attempts of the job, the present one last; earlier ones get a line each. */
  readonly attempts?: readonly Verdict[];
}

/** The report, with a newline at its end. */
export function verdictText(verdict: Verdict, options: VerdictTextOptions): string {
  const layout = new Layout(options);
  const { attempt, rootCause } = verdict;
  const title = `${attempt.displayName} FAILED`;
  const sections = [
    rootCause !== null
      ? rootCauseLines(rootCause, verdict, layout)
      : verdict.lostFirst !== null
      ? lostFirstLines(verdict.lostFirst, verdict, layout)
      : ["Root Cause: no worker failed by itself"],
    otherLines(verdict, layout),
    consequenceLines(verdict, layout),
    earlierLines(options.attempts?.slice(0, -1) ?? [], layout),
  ].filter((lines) => lines.length > 0);
  const longest = Math.max(title.length, ...sections.flat().map((line) => line.length));
  const border = "=".repeat(Math.min(longest, BORDER_MAX));
  const rule = "-".repeat(border.length);
  const lines = [border, layout.paint("red", title)];
  for (const section of sections) {
    const [heading, ...rest] = section;
    lines.push(rule, section === sections[0] ? layout.paint("bold", heading!) : heading!, ...rest);
  }
  return [...lines, border, ""].join("\n");
}

/** torchrun's. */
const BORDER_MAX = 60;
/** More failures than this get no fields of their own. */
const FAILURES_MAX = 8;
const TAIL_LINES_MAX = 15;
const EARLIER_MAX = 10;
/** Lines about what followed. */
const FOLLOWED_MAX = 12;
const LABEL_WIDTH = "error_file".length;

class Layout {
  readonly #options: VerdictTextOptions;

  constructor(options: VerdictTextOptions) {
    this.#options = options;
  }

  time(at: WallMs): string {
    return localTime(at, this.#options.utcOffsetMinutes);
  }

  paint(style: "red" | "bold", text: string): string {
    if (!this.#options.colour) return text;
    return `\x1b[${style === "red" ? "1;31" : "1"}m${text}\x1b[0m`;
  }

  /** `  label     : text`, wrapped under the text's first column. */
  field(label: string, text: string): string[] {
    const head = `  ${label.padEnd(LABEL_WIDTH)}: `;
    return wrap(text, this.#options.width - head.length).map((line, index) =>
      (index === 0 ? head : " ".repeat(head.length)) + line
    );
  }

  /** A line of a list, wrapped with two more blanks. */
  item(text: string): string[] {
    return wrap(text, this.#options.width - 4).map((line, index) => (index === 0 ? "  " : "    ") + line);
  }
}

const ROOT_CAUSE = "Root Cause (first observed failure):";

function rootCauseLines(failure: Failure, verdict: Verdict, layout: Layout): string[] {
  const { facts, explanation } = failure;
  const ran = `${
    durationText(Math.max(0, failure.failedAt - facts.startedAt))
  }, in attempt ${verdict.attempt.attempt}`;
  return [
    ROOT_CAUSE,
    ...fieldLines(0, failure, layout),
    ...(explanation.advice === null ? [] : layout.field("advice", explanation.advice)),
    ...layout.field("ran", ran),
    ...whyLines(verdict, layout),
    ...facts.logFiles.flatMap((path) => layout.field("log file", path)),
    ...textLines(failure),
  ];
}

function lostFirstLines(node: LostNode, verdict: Verdict, layout: Layout): string[] {
  return [
    ROOT_CAUSE,
    "[0]:",
    `  time      : ${layout.time(node.noticedAt)}`,
    `  host      : ${node.host}`,
    ...layout.field("cause", `the node was lost with ${ranksText(node.ranks)}: ${plainLine(node.reason)}`),
    ...layout.field(
      "advice",
      "Look at that machine: its power, its kernel's log, its network, and whether somebody killed muster there.",
    ),
    ...whyLines(verdict, layout),
  ];
}

function whyLines({ reasons, doubts }: Verdict, layout: Layout): string[] {
  return [
    ...(reasons.length === 0 ? [] : layout.field("why", plainLine(reasons.join("; ")))),
    ...doubts.flatMap((doubt) => layout.field("but", plainLine(doubt))),
  ];
}

/** torchrun's fields, and in words what happened. */
function fieldLines(index: number, failure: Failure, layout: Layout): string[] {
  const { facts, explanation, errorFileProblem, record } = failure;
  const exitCode = pythonExitCode(facts.status);
  // Of a worker that had failed already when it was stopped, the exit code is our doing.
  const sender = facts.stoppedByUs ? " from muster, afterwards" : "";
  const signal = facts.status.kind === "signalled" ? ` (${facts.status.signal})${sender}` : "";
  const path = record === null && errorFileProblem === null ? "<N/A>" : facts.errorFile!.path;
  const problem = errorFileProblem === null ? "" : ` (the file ${errorFileProblem})`;
  // Fields that programs look for stay on one line, whatever their length.
  return [
    `[${index}]:`,
    `  time      : ${layout.time(failure.failedAt)}`,
    `  host      : ${failure.host}`,
    `  rank      : ${facts.rank} (local_rank: ${facts.localRank})`,
    `  exitcode  : ${exitCode} (pid: ${facts.pid})${signal}`,
    `  error_file: ${path}${problem}`,
    ...layout.field("cause", plainLine(explanation.summary)),
  ];
}

/** The traceback, else the end of what the worker printed. */
function textLines({ traceback, facts }: Failure): string[] {
  if (traceback !== null) {
    const [first, ...rest] = cutMiddle(traceback.lines, FIELD_LIMITS.tracebackLines);
    return [`  traceback : ${first}`, ...rest.map((line) => `  ${line}`.trimEnd())];
  }
  if (facts.tail === null) return ["  traceback : <N/A>, the worker's output did not pass through muster"];
  const tail = facts.tail.map(plainLine).filter((line) => line.trim() !== "").slice(-TAIL_LINES_MAX);
  if (tail.length === 0) return ["  traceback : <N/A>, nothing was printed"];
  return ["  traceback : <N/A>, the last that was printed:", ...tail.map((line) => `  | ${line}`)];
}

function otherLines({ others, groups }: Verdict, layout: Layout): string[] {
  const [left] = mergeGroups([
    ...(others.length > FAILURES_MAX ? [groupOf("other", "", others.slice(FAILURES_MAX))] : []),
    ...groups.filter(({ part }) => part === "other"),
  ]);
  if (others.length === 0 && left === undefined) return ["Failures:", "  <NO_OTHER_FAILURES>"];
  const shown = others.slice(0, FAILURES_MAX).flatMap((failure, index) =>
    fieldLines(index + 1, failure, layout)
  );
  return [
    "Failures:",
    ...shown,
    ...(left === undefined ? [] : layout.item(`and ${ranksText(left.ranks, left.unnamed)}`)),
  ];
}

function consequenceLines({ consequences, stopped, groups, lost }: Verdict, layout: Layout): string[] {
  const told = (
    part: FailureGroup["part"],
    failures: readonly Failure[],
    textOf: (failure: Failure) => string,
  ) =>
    mergeGroups([
      ...failures.map((failure) => groupOf(part, textOf(failure), [failure])),
      ...groups.filter((group) => group.part === part),
    ]);
  const lines = [
    ...told("consequence", consequences, ({ explanation }) => explanation.summary).map((
      { text, ranks, unnamed },
    ) => `${ranksText(ranks, unnamed)} failed as a consequence: ${text}`),
    ...told("stopped", stopped, ({ facts }) => endingName(facts.status)).map(({ text, ranks, unnamed }) =>
      `${ranksWere(ranks, unnamed)} stopped by muster (${text})`
    ),
    ...lost.map(({ host, ranks, reason }) => `${ranksWere(ranks)} lost with node ${host}: ${reason}`),
  ];
  const shown = lines.slice(0, FOLLOWED_MAX).map(plainLine);
  const left = lines.length - shown.length;
  if (left > 0) shown.push(`and ${left} more lines like these, which --report FILE has`);
  return lines.length === 0 ? [] : ["What followed:", ...shown.flatMap((line) => layout.item(line))];
}

/** A restart must not hide how it came to that. */
function earlierLines(earlier: readonly Verdict[], layout: Layout): string[] {
  if (earlier.length === 0) return [];
  const shown = earlier.slice(0, EARLIER_MAX).flatMap(({ attempt, rootCause, lostFirst }) => {
    const cause = rootCause === null
      ? lostFirst === null
        ? "no worker failed by itself"
        : `node ${lostFirst.host}, ${layout.time(lostFirst.noticedAt)}: lost`
      : `rank ${rootCause.facts.rank}, ${layout.time(rootCause.failedAt)}: ${
        plainLine(rootCause.explanation.summary)
      }`;
    return layout.item(`attempt ${attempt.attempt}: ${cause}`);
  });
  const left = earlier.length - EARLIER_MAX;
  return ["Earlier attempts:", ...shown, ...(left > 0 ? [`  and ${left} more`] : [])];
}

function groupOf(part: FailureGroup["part"], text: string, failures: readonly Failure[]): FailureGroup {
  return { part, text, ranks: rangesOf(failures.map(({ facts }) => facts.rank)), unnamed: 0 };
}

/** "ranks 0-2, 5 were". */
function ranksWere(ranks: Ranges, unnamed = 0): string {
  return `${ranksText(ranks, unnamed)} ${sizeOfRanges(ranks) + unnamed === 1 ? "was" : "were"}`;
}

const WRAP_WIDTH_MIN = 40;
const WRAP_LINES_MAX = 12;

/** Breaks at blanks; a word that is longer than a line, a path most likely, stays whole to be copied. */
function wrap(text: string, width: number): string[] {
  const limit = Math.max(width, WRAP_WIDTH_MIN);
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= limit) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines.length <= WRAP_LINES_MAX ? lines : [...lines.slice(0, WRAP_LINES_MAX - 1), "…"];
}
