/** The launcher's exit code for the outcome of a job. */

import type { LaunchPlan } from "../options/launch_plan.ts";
import type { JobOutcome } from "../rendezvous/meeting.ts";
import { shellExitCode } from "../supervise/exit_status.ts";
import type { Verdict } from "./report.ts";

/** That of the outcome or, with `--exit-code worker`, of the worker that `verdict` names. */
export function exitCodeOf(
  { code }: JobOutcome,
  verdict: Verdict | undefined,
  plan: Pick<LaunchPlan, "exitCode">,
): number {
  const root = verdict?.rootCause ?? null;
  // Of a worker that we stopped, the code is our doing.
  if (plan.exitCode !== "worker" || root === null || root.facts.stoppedByUs) return code;
  return shellExitCode(root.facts.status) || code;
}
