/** How a node's part in a job of torchrun's can end. */

import { EXIT_CODES, exitCodeOfSignal, type SignalName } from "../core/errors.ts";
import type { JobOutcome, LocalFailure } from "./meeting.ts";
import type { KeyTalk } from "./key_talk.ts";
import { countExits } from "./torch_exit.ts";
import { exchangeOf, formText, type RecordForm, type TorchRecord } from "./torch_record.ts";
import type { WaitCause } from "./torch_rules.ts";

export function failed(text: string): JobOutcome {
  return { code: EXIT_CODES.workerFailed, level: "error", text, verdict: null };
}

export function failedFor(failure: LocalFailure): JobOutcome {
  // Of a worker that failed the report says more.
  const text = failure.kind === "worker" ? null : `This node ${failure.text}`;
  const code = failure.kind === "start" ? failure.exitCode : EXIT_CODES.workerFailed;
  return { code, level: "error", text, verdict: null };
}

export function succeeded(restarts: number, text: string | null): JobOutcome {
  const again = restarts === 0
    ? null
    : `Succeeded after ${restarts} ${restarts === 1 ? "restart" : "restarts"} of this node`;
  return { code: EXIT_CODES.success, level: "notice", text: text ?? again, verdict: null };
}

export function stoppedBy(signal: SignalName): JobOutcome {
  return { code: exitCodeOfSignal(signal), level: "notice", text: `Stopped by ${signal}`, verdict: null };
}

export function refused(jobId: string, form: RecordForm): JobOutcome {
  const text = `Job ${jobId} is torchrun's of ${formText(form)}, which muster can't join: ` +
    "it knows the agents of 2.2 and older, and of 2.6 and newer";
  return { code: EXIT_CODES.usage, level: "error", text, verdict: null };
}

/** `text`: a clause whose subject is the record. */
export function unreadable(jobId: string, text: string): string {
  return `The record of job ${jobId} in the store can't be used: it ${text}`;
}

/** For a node that had no seat when the job was closed: a spare of a job that came to its end is not a failure. */
export function whenClosed(
  record: TorchRecord,
  { me, cause }: { readonly me: string; readonly cause: WaitCause | null },
  keyBase: string,
  talk: KeyTalk,
  then: (outcome: JobOutcome) => void,
): void {
  const exchange = exchangeOf(record.form);
  if (record.spares.has(me) || cause === "free-seat") return then(NOT_NEEDED);
  const prefix = `${keyBase}.${record.round}/`, groupWorldSize = record.participants.size;
  countExits({ prefix, exchange: exchange ?? "assigned", groupWorldSize }, talk, (count) => {
    then(count > 0 ? NOT_NEEDED : failed("The job is over: another node has closed it"));
  });
}

export const NOT_NEEDED = succeeded(0, "The job ended without need of this node");
export const FAILED_AFTER_END =
  "Workers failed after others' had succeeded, and torchrun's agents do not start those again";
export const FAILED_ELSEWHERE = "The job failed or was stopped on another node, which closed it";
export const HOST_LEFT = "The store's host left first; this node's workers had succeeded";
export const CLOSED = "The others did not wait for this node's workers any longer; they go on";
export const TAKEN_FOR_DEAD =
  "Another node took this one for dead and out of the record; torchrun compares clocks: do they agree?";
