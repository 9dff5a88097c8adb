/**
 * What the launcher leaves in its own TORCHELASTIC_ERROR_FILE: where a scheduler, or a launcher above this one,
 * looks for the reason (a container's termination message, for one). Form and content are torchrun's
 * (torchrun.md 5.5), whose launcher hands on the root cause's file with the exit code added.
 */

import { pythonExitCode } from "../supervise/exit_status.ts";
import type { JsonObject } from "./error_file.ts";
import type { Failure, Verdict } from "./report.ts";
import { plainLine } from "./traceback.ts";

/**
 * The file's text; null when no worker failed by itself. Where the worker recorded nothing, torchrun writes
 * nothing; here the verdict takes the record's place.
 */
export function ownErrorFile(verdict: Verdict): string | null {
  const failure = verdict.rootCause;
  if (failure === null) return null;
  return JSON.stringify(
    failure.record === null ? newRecord(failure) : handedOn(failure, failure.record.document),
  );
}

function handedOn(failure: Failure, document: JsonObject): JsonObject {
  const { message } = document;
  // Plain text has no place for the code; torchrun leaves it out as well.
  if (typeof message !== "object" || message === null) return document;
  return { ...document, message: { ...message, errorCode: pythonExitCode(failure.facts.status) } };
}

function newRecord({ explanation, traceback, failedAt, facts }: Failure): JsonObject {
  const printed = traceback?.lines ?? facts.tail?.map(plainLine) ?? [];
  return {
    message: {
      message: explanation.summary,
      extraInfo: {
        py_callstack: printed.length === 0 ? explanation.summary : `${printed.join("\n")}\n`,
        timestamp: String(Math.floor(failedAt / 1000)),
      },
      errorCode: pythonExitCode(facts.status),
    },
  };
}
