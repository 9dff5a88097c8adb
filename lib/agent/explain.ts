/** What a worker's end means, in words, and what to do about it. */

import { signalName } from "../core/errors.ts";
import type { ExitStatus } from "../supervise/exit_status.ts";
import { explainSignal, type SignalExplanation } from "./explain_signal.ts";
import type { MachineFacts } from "./facts.ts";
import { deviceError, isDeviceLost } from "./kernel_log.ts";
import { type KnownCause, knownCause, type KnownKind } from "./known_causes.ts";

export type FailureKind =
  | KnownKind
  | SignalExplanation["kind"]
  | "exception"
  | "exit-code"
  | "watchdog"
  | "device-lost"
  /** All others timed out waiting for this worker. */
  | "missing-from-collective"
  | "stopped";

export interface Explanation {
  /** Stable, for programs. */
  readonly kind: FailureKind;
  /** What happened: one sentence without full stop. */
  readonly summary: string;
  /** What to do, in whole sentences; null: the summary says it all. */
  readonly advice: string | null;
  /** This worker failed because another one did. */
  readonly isConsequence: boolean;
}

/** What is known of one end. */
export interface Ending {
  readonly pid: number;
  readonly status: ExitStatus;
  /** The end, signal or not, was asked for by us: only exceptions that are given say something of the worker. */
  readonly stoppedByUs: boolean;
  /** Why a watchdog ended the worker, if one did. */
  readonly watchdog: string | null;
  /** The exceptions that ended the program, the last one last; empty: none was seen. */
  readonly exceptions: readonly string[];
  /** The last lines that it printed, without colours; null: not known. */
  readonly lastLines: readonly string[] | null;
}

/** First cause wins: our own watchdog, the kernel's word, then the program's. */
export function explain(ending: Ending, machine: MachineFacts): Explanation {
  const { status, stoppedByUs, watchdog, exceptions } = ending;
  if (watchdog !== null) return { kind: "watchdog", summary: watchdog, advice: null, isConsequence: false };
  if (stoppedByUs && exceptions.length === 0) {
    return { kind: "stopped", summary: "stopped by muster", advice: null, isConsequence: true };
  }
  const exception = exceptions.length === 0 ? null : headline(exceptions.at(-1)!);
  // SIGABRT is how programs end themselves: what they printed says more than the signal.
  const isOwnEnd = stoppedByUs || status.kind === "exited" || status.signal === "SIGABRT";
  const known = isOwnEnd ? findKnown(ending) : null;
  if (known !== null) {
    const { kind, advice, isConsequence } = known;
    const summary = known.summary ?? exception ?? firstMatch(ending.lastLines ?? [], known.pattern);
    return withDeviceError({ kind, summary, advice, isConsequence }, machine);
  }
  if (exception !== null && (stoppedByUs || status.kind === "exited")) {
    return { kind: "exception", summary: exception, advice: null, isConsequence: false };
  }
  if (status.kind === "signalled") {
    return { ...explainSignal(status.signal, { machine, exception, pid: ending.pid }), isConsequence: false };
  }
  return explainCode(status.code, machine, { isSilent: ending.lastLines?.length === 0 });
}

/** What a program sees of a broken device is vague; the driver's own words are not. */
function withDeviceError(explanation: Explanation, { kernelLog }: MachineFacts): Explanation {
  const error = explanation.kind === "device-failed" ? deviceError(kernelLog ?? []) : null;
  if (error === null) return explanation;
  const summary = `${explanation.summary}; the driver reported ${error}`;
  if (!isDeviceLost(error)) return { ...explanation, summary };
  return {
    ...explanation,
    kind: "device-lost",
    summary,
    advice:
      "The GPU does not answer any more: take the node out of use; a reset of the GPU or of the machine may " +
      "bring it back.",
  };
}

/** In a chain the last exception says what ended the program, the earlier ones why. */
function findKnown({ exceptions, lastLines }: Ending): KnownCause | null {
  if (exceptions.length === 0) return knownCause(lastLines?.join("\n") ?? "");
  for (const exception of exceptions.toReversed()) {
    const known = knownCause(exception);
    if (known !== null) return known;
  }
  return null;
}

/** An exception with a longer message is told by its first line. */
const HEADLINE_LINES_MAX = 3;

function headline(exception: string): string {
  const lines = exception.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  if (lines.length <= HEADLINE_LINES_MAX) return lines.join(" ");
  // What PyTorch relays from a data loader's process has the exception itself in the last line.
  const isRelayed = lines.some((line) => line.startsWith("Original Traceback"));
  return isRelayed ? `${lines[0]} ${lines.at(-1)}` : lines[0]!;
}

function firstMatch(lines: readonly string[], pattern: RegExp): string {
  return lines.find((line) => pattern.test(line))?.trim() ?? "";
}

function explainCode(
  code: number,
  machine: MachineFacts,
  { isSilent }: { isSilent: boolean },
): Explanation {
  // Shells pass the end of their child on as 128 + n.
  const passedOn = code > 128 ? signalName(code - 128) : undefined;
  if (passedOn !== undefined) {
    const { kind, summary, advice } = explainSignal(passedOn, { machine, exception: null, pid: null });
    const wrapped = `exit code ${code}, which is how a shell reports ${passedOn} of its child: ${summary}`;
    return { kind, summary: wrapped, advice, isConsequence: false };
  }
  const [summary, advice] = code === 127
    ? ["exit code 127: a program that the script calls was not found", "Look at PATH."]
    : code === 126
    ? ["exit code 126: a program that the script calls can't be executed", null]
    : [`ended itself with exit code ${code}${isSilent ? " and printed nothing on stderr" : ""}`, null];
  return { kind: "exit-code", summary, advice, isConsequence: false };
}
