/** One failure as JSON that travels between nodes: strictly read, with a limit to every field. */

import { JsonFields, MessageError, readCount } from "../core/json_fields.ts";
import type { Ranges } from "../core/ranges.ts";
import { SIGNAL_NUMBERS, type SignalName } from "../core/errors.ts";
import type { ExitStatus } from "../supervise/exit_status.ts";
import { cut, cutMiddle, FIELD_LIMITS } from "./condense.ts";
import { type ErrorRecord, parseErrorFile } from "./error_file.ts";
import type { Explanation, FailureKind } from "./explain.ts";
import type { Failure, FailureGroup, Moment } from "./finding.ts";

/** A failure that `condense()` has made fit. */
export function failureToJson(failure: Failure): unknown {
  const { facts, record, traceback } = failure;
  const { errorFile, status, ...plain } = facts;
  return {
    host: cut(failure.host, FIELD_LIMITS.path),
    groupRank: failure.groupRank,
    facts: {
      ...plain,
      signal: status.kind === "signalled" ? status.signal : null,
      code: status.kind === "exited" ? status.code : 0,
      coreDumped: status.kind === "signalled" && status.coreDumped === true,
      errorFile: errorFile?.path ?? null,
    },
    failedAt: failure.failedAt,
    moment: momentToJson(failure.moment),
    // Only those with a traceback have room for the whole record.
    record: record === null ? null : recordText(record, { isWhole: traceback !== null, failure }),
    errorFileProblem: failure.errorFileProblem,
    traceback,
    explanation: failure.explanation,
    told: failure.told,
    toldFirst: failure.toldFirst,
  };
}

/** @throws {MessageError} It is no failure. */
export function failureFromJson(value: unknown, place: string): Failure {
  const fields = new JsonFields(value, place);
  const facts = fields.object("facts");
  const { summary, path, line, logFiles } = FIELD_LIMITS;
  const record = fields.nullable("record", (name) => fields.text(name, FIELD_LIMITS.record));
  const content = record === null ? null : parseErrorFile(record);
  if (content?.kind === "unusable") {
    throw new MessageError(`sent a ${place}.record that ${content.problem}`);
  }
  const errorFile = facts.nullable("errorFile", (name) => facts.text(name, path));
  return {
    host: fields.text("host", path),
    groupRank: fields.count("groupRank"),
    facts: {
      localRank: facts.count("localRank"),
      rank: facts.count("rank"),
      pid: facts.count("pid"),
      status: statusFrom(facts, place),
      startedAt: facts.number("startedAt"),
      endedAt: facts.number("endedAt"),
      endedInstant: facts.number("endedInstant"),
      endOrder: facts.count("endOrder"),
      stoppedByUs: facts.flag("stoppedByUs"),
      errorFile: errorFile === null ? null : { path: errorFile, text: null, writtenAt: null, problem: null },
      tail: facts.nullable("tail", (name) => facts.texts(name, FIELD_LIMITS.tailLines, line)),
      linesAfterFailure: facts.count("linesAfterFailure"),
      logFiles: facts.texts("logFiles", logFiles, path),
      endedByWatchdog: facts.nullable("endedByWatchdog", (name) => facts.text(name, summary)),
    },
    failedAt: fields.number("failedAt"),
    moment: momentFrom(fields.object("moment")),
    record: content === null ? null : content.record,
    errorFileProblem: fields.nullable("errorFileProblem", (name) => fields.text(name, summary)),
    traceback: fields.nullable("traceback", (name) => {
      const traceback = fields.object(name);
      return {
        lines: traceback.texts("lines", FIELD_LIMITS.tracebackLines, line),
        source: traceback.oneOf("source", ["error file", "stderr"]),
      };
    }),
    explanation: explanationFrom(fields.object("explanation")),
    told: fields.nullable("told", (name) => explanationFrom(fields.object(name))),
    toldFirst: fields.flag("toldFirst"),
  };
}

function explanationFrom(fields: JsonFields): Explanation {
  return {
    // A newer node may know more kinds: the word is only passed on.
    kind: fields.text("kind", 40) as FailureKind,
    summary: fields.text("summary", FIELD_LIMITS.summary),
    advice: fields.nullable("advice", (name) => fields.text(name, FIELD_LIMITS.summary)),
    isConsequence: fields.flag("isConsequence"),
  };
}

const REAL_TIME_SIGNAL = /^signal [1-9]\d{0,2}$/;

function statusFrom(facts: JsonFields, place: string): ExitStatus {
  const signal = facts.nullable("signal", (name) => facts.text(name, 20));
  if (signal === null) return { kind: "exited", code: facts.count("code") };
  if (!Object.hasOwn(SIGNAL_NUMBERS, signal) && !REAL_TIME_SIGNAL.test(signal)) {
    throw new MessageError(`sent a ${place}.facts.signal that names no signal`);
  }
  const status = { kind: "signalled", signal: signal as SignalName } as const;
  return facts.flag("coreDumped") ? { ...status, coreDumped: true } : status;
}

/** The error file as it was where it is small, else its essence in the same form. */
function recordText(
  record: ErrorRecord,
  { isWhole, failure }: { isWhole: boolean; failure: Failure },
): string {
  const text = isWhole ? JSON.stringify(record.document) : "";
  if (isWhole && text.length <= FIELD_LIMITS.record) return text;
  const message = cut(record.message ?? failure.explanation.summary, FIELD_LIMITS.shortRecord);
  const timestamp = record.failedAt === null ? null : record.failedAt / 1000;
  const callstack = isWhole && record.callstack !== null ? condensedCallstack(record.callstack) : null;
  return JSON.stringify({ message: { message, extraInfo: { py_callstack: callstack, timestamp } } });
}

/** Fits a record's limit whatever escapes JSON makes of it. */
function condensedCallstack(callstack: readonly string[]): string {
  const lines = cutMiddle(callstack, FIELD_LIMITS.tracebackLines);
  return `${lines.map((line) => cut(line, FIELD_LIMITS.recordLine)).join("\n")}\n`;
}

/** JSON has no infinity: null stands for it. */
function momentToJson({ earliest, latest }: Moment): unknown {
  return {
    earliest: Number.isFinite(earliest) ? earliest : null,
    latest: Number.isFinite(latest) ? latest : null,
  };
}

function momentFrom(fields: JsonFields): Moment {
  return {
    earliest: fields.nullable("earliest", (name) => fields.number(name)) ?? -Infinity,
    latest: fields.nullable("latest", (name) => fields.number(name)) ?? Infinity,
  };
}

export function groupFromJson(value: unknown, place: string): FailureGroup {
  const fields = new JsonFields(value, place);
  return {
    part: fields.oneOf("part", ["other", "consequence", "stopped"]),
    text: fields.text("text", FIELD_LIMITS.summary),
    ranks: rangesFrom(fields, "ranks"),
    unnamed: fields.count("unnamed"),
  };
}

export function rangesFrom(fields: JsonFields, name: string): Ranges {
  let last = -1;
  return fields.list(name, FIELD_LIMITS.rangesOfGroup, (value, place) => {
    const [from, to, ...more] = Array.isArray(value) ? value : [];
    const range = [readCount(from, place), readCount(to, place)] as const;
    if (more.length > 0 || range[0] <= last || range[1] < range[0]) {
      throw new MessageError(`sent a ${place} that is not the next range of ranks`);
    }
    last = range[1];
    return range;
  });
}
