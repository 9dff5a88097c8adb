/** Who failed first, as events tell it: what is left of a verdict where it must be short. */

import { pythonExitCode } from "../supervise/exit_status.ts";
import type { RootCause } from "./job_event.ts";
import type { Verdict } from "./report.ts";

/** Null: no worker failed by itself. */
export function rootCauseOf({ rootCause }: Verdict): RootCause | null {
  if (rootCause === null) return null;
  const { facts, explanation } = rootCause;
  return {
    host: rootCause.host,
    rank: facts.rank,
    localRank: facts.localRank,
    pid: facts.pid,
    exitCode: pythonExitCode(facts.status),
    signal: facts.status.kind === "signalled" ? facts.status.signal : null,
    kind: explanation.kind,
    summary: explanation.summary,
  };
}
