/** The ways in which a job ends, as every node is told. */

import { EXIT_CODES, exitCodeOfSignal, type SignalName } from "../core/errors.ts";
import { durationText } from "../core/time.ts";
import type { JobOutcome, LocalFailure } from "./meeting.ts";
import type { JobSettings } from "./settings.ts";
import { clip, restartsText } from "./texts.ts";

export function succeededAfter(restarts: number): JobOutcome {
  const text = restarts === 0 ? null : `Succeeded after ${restartsText(restarts)}`;
  return { code: EXIT_CODES.success, level: "notice", text, verdict: null };
}

/** `by`: "Node a", for a job that ends on all nodes for a signal to one of them; null: this node got it. */
export function stoppedBy(signal: SignalName, by: string | null = null): JobOutcome {
  const text = by === null ? `Stopped by ${signal}` : `Stopped by ${signal} (${by})`;
  return { code: exitCodeOfSignal(signal), level: "notice", text, verdict: null };
}

/** `text` is null where it has been said. */
export function failedWith(code: number, text: string | null): JobOutcome {
  return { code, level: "error", text: text === null ? null : clip(text), verdict: null };
}

/** A job whose workers' store can't be served; with one node its agent has said why. */
export function notServed({ exitCode, text }: LocalFailure, { nodesMax }: JobSettings): JobOutcome {
  return failedWith(exitCode, nodesMax === 1 ? null : text);
}

/** For a node that comes after the job's end, which is remembered for `knownMs`. */
export function endedBefore(code: number, knownMs: number): JobOutcome {
  const text =
    `The job has ended already, with exit code ${code}, so nothing is started. A new job can have its ` +
    `--rdzv-id ${durationText(knownMs)} after that end, and another id now`;
  return { code, level: "notice", text, verdict: null };
}

/** For a node that took part and missed the end. */
export function endedWithout(code: number): JobOutcome {
  const text = `The job has ended with exit code ${code} while this node was cut off from it`;
  return { code, level: "notice", text, verdict: null };
}

/** For a node whose workers are done, when others have not come to an end for so long. */
export function leftBehind(barrierMs: number): JobOutcome {
  const text = `Others are still running after ${durationText(barrierMs)}; leaving`;
  return { code: EXIT_CODES.success, level: "notice", text, verdict: null };
}
