/**
 * The verdict as people read it at the end of a failed job.
 *
 * The layout is torchrun's (torchrun.md 3.6), so that eyes, documentation and scripts find what they know: the
 * borders, `Root Cause (first observed failure):`, `Failures:`, one aligned field a line. Different on purpose: the
 * root cause comes first and is the only one with a long text; what followed from it is told in a line each.
 */

import type { WallMs } from "../core/time.ts";
import { type ExitStatus, pythonExitCode } from "../supervise/exit_status.ts";
import { localTime } from "./local_time.ts";
import type { Failure, Verdict } from "./report.ts";
import { plainLine } from "./traceback.ts";

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
    rootCause === null
      ? ["Root Cause: no worker failed by itself"]
      : rootCauseLines(rootCause, verdict, layout),
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
const TRACEBACK_LINES_MAX = 60;
const TAIL_LINES_MAX = 15;
const EARLIER_MAX = 10;
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

function rootCauseLines(failure: Failure, verdict: Verdict, layout: Layout): string[] {
  return [
    "Root Cause (first observed failure):",
    ...fieldLines(0, failure, verdict, layout),
    ...(failure.explanation.advice === null ? [] : layout.field("advice", failure.explanation.advice)),
    ...verdict.doubts.flatMap((doubt) => layout.field("but", doubt)),
    ...failure.facts.logFiles.flatMap((path) => layout.field("log file", path)),
    ...textLines(failure),
  ];
}

/** torchrun's fields, and in words what happened. */
function fieldLines(index: number, failure: Failure, verdict: Verdict, layout: Layout): string[] {
  const { facts, explanation, errorFileProblem } = failure;
  const exitCode = pythonExitCode(facts.status);
  // Of a worker that had failed already when it was stopped, the exit code is our doing.
  const sender = facts.stoppedByUs ? " from muster, afterwards" : "";
  const signal = facts.status.kind === "signalled" ? ` (${facts.status.signal})${sender}` : "";
  const path = facts.errorFile?.text == null && errorFileProblem === null ? "<N/A>" : facts.errorFile!.path;
  const problem = errorFileProblem === null ? "" : ` (the file ${errorFileProblem})`;
  // Fields that programs look for stay on one line, whatever their length.
  return [
    `[${index}]:`,
    `  time      : ${layout.time(failure.failedAt)}`,
    `  host      : ${verdict.attempt.host}`,
    `  rank      : ${facts.rank} (local_rank: ${facts.localRank})`,
    `  exitcode  : ${exitCode} (pid: ${facts.pid})${signal}`,
    `  error_file: ${path}${problem}`,
    ...layout.field("cause", plainLine(explanation.summary)),
  ];
}

/** The traceback, else the end of what the worker printed. */
function textLines({ traceback, facts }: Failure): string[] {
  if (traceback !== null) {
    const [first, ...rest] = cutMiddle(traceback.lines, TRACEBACK_LINES_MAX);
    return [`  traceback : ${first}`, ...rest.map((line) => `  ${line}`.trimEnd())];
  }
  if (facts.tail === null) return ["  traceback : <N/A>, the worker's output did not pass through muster"];
  const tail = facts.tail.map(plainLine).filter((line) => line.trim() !== "").slice(-TAIL_LINES_MAX);
  if (tail.length === 0) return ["  traceback : <N/A>, nothing was printed"];
  return ["  traceback : <N/A>, the last that was printed:", ...tail.map((line) => `  | ${line}`)];
}

function otherLines(verdict: Verdict, layout: Layout): string[] {
  const { others } = verdict;
  if (others.length === 0) return ["Failures:", "  <NO_OTHER_FAILURES>"];
  const shown = others.slice(0, FAILURES_MAX).flatMap((failure, index) =>
    fieldLines(index + 1, failure, verdict, layout)
  );
  const left = others.slice(FAILURES_MAX);
  return ["Failures:", ...shown, ...(left.length === 0 ? [] : layout.item(`and ${ranksText(left)}`))];
}

function consequenceLines({ consequences, stopped }: Verdict, layout: Layout): string[] {
  const lines = [
    ...groupBy(consequences, ({ explanation }) => explanation.summary).map(([summary, failures]) =>
      `${ranksText(failures)} failed as a consequence: ${summary}`
    ),
    ...groupBy(stopped, ({ facts }) => endingName(facts.status)).map(([ending, failures]) =>
      `${ranksText(failures)} ${failures.length === 1 ? "was" : "were"} stopped by muster (${ending})`
    ),
  ];
  return lines.length === 0 ? [] : ["What followed:", ...lines.flatMap((line) => layout.item(line))];
}

/** A restart must not hide how it came to that. */
function earlierLines(earlier: readonly Verdict[], layout: Layout): string[] {
  if (earlier.length === 0) return [];
  const shown = earlier.slice(0, EARLIER_MAX).flatMap(({ attempt, rootCause }) => {
    const cause = rootCause === null
      ? "no worker failed by itself"
      : `rank ${rootCause.facts.rank}, ${layout.time(rootCause.failedAt)}: ${
        plainLine(rootCause.explanation.summary)
      }`;
    return layout.item(`attempt ${attempt.attempt}: ${cause}`);
  });
  const left = earlier.length - EARLIER_MAX;
  return ["Earlier attempts:", ...shown, ...(left > 0 ? [`  and ${left} more`] : [])];
}

function endingName(status: ExitStatus): string {
  return status.kind === "signalled" ? status.signal : `exit code ${status.code}`;
}

/** "rank 3", "ranks 0-2, 5". */
function ranksText(failures: readonly Failure[]): string {
  const ranks = failures.map(({ facts }) => facts.rank).sort((a, b) => a - b);
  const runs: [number, number][] = [];
  for (const rank of ranks) {
    const last = runs.at(-1);
    if (last !== undefined && rank === last[1] + 1) last[1] = rank;
    else runs.push([rank, rank]);
  }
  const text = runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ");
  return `${ranks.length === 1 ? "rank" : "ranks"} ${text}`;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...groups.get(key) ?? [], item]);
  }
  return [...groups];
}

function cutMiddle(lines: readonly string[], linesMax: number): string[] {
  if (lines.length <= linesMax) return [...lines];
  const head = Math.floor(linesMax / 3);
  const tail = linesMax - head - 1;
  return [
    ...lines.slice(0, head),
    `… ${lines.length - head - tail} lines left out …`,
    ...lines.slice(-tail),
  ];
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
