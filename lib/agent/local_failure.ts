/** What the others are told of a failure on this node: clauses whose subject is the node. */

import { EXIT_CODES } from "../core/errors.ts";
import type { LocalFailure } from "../rendezvous/meeting.ts";
import { type ExitStatus, shellExitCode } from "../supervise/exit_status.ts";
import { endingText } from "./words.ts";

export function workerFailure(rank: number, status: ExitStatus): LocalFailure {
  const exitCode = shellExitCode(status) || EXIT_CODES.workerFailed;
  return { kind: "worker", text: `lost rank ${rank} (${endingText(status)})`, exitCode };
}

/** The system refused what no attempt can do without: a program, a port, a directory. */
export function startFailure(reason: string): LocalFailure {
  return { kind: "start", text: `could not start its workers: ${reason}`, exitCode: EXIT_CODES.system };
}

/** Processes stay that nobody can end: nothing may be started beside them. */
export function unrestartable(reason: string): LocalFailure {
  const text = `has a worker that can't be ended: ${reason}`;
  return { kind: "unrestartable", text, exitCode: EXIT_CODES.workerFailed };
}
