/** The workers of a plan as `--dry-run` shows them: with what they would be started with, as far as it is known. */

import type { DryRunWorker } from "../options/dry_run.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import { MARK_VARIABLE } from "../supervise/worker_env.ts";
import { workerArguments, workerVariables } from "./worker_launch.ts";

/** What only the meeting of several nodes decides. */
const DECIDED_BY_MEETING = {
  RANK: null,
  GROUP_RANK: null,
  ROLE_RANK: null,
  WORLD_SIZE: null,
  GROUP_WORLD_SIZE: null,
  ROLE_WORLD_SIZE: null,
  MASTER_ADDR: null,
  MASTER_PORT: null,
};

/** All workers of the first attempt. */
export function dryRunWorkers(plan: LaunchPlan): DryRunWorker[] {
  const { port } = plan.store;
  return Array.from({ length: plan.workerCount }, (_, localRank) => ({
    localRank,
    rank: localRank,
    command: [plan.command.executable, ...workerArguments(plan.command, localRank)],
    environment: {
      ...workerVariables(plan, {
        localRank,
        seat: {
          round: 0,
          restartCount: 0,
          groupRank: 0,
          groupWorldSize: 1,
          baseRank: 0,
          worldSize: plan.workerCount,
          baseRoleRank: 0,
          roleWorldSize: plan.workerCount,
          store: { address: "127.0.0.1", port, hostedByLauncher: plan.store.hostedByLauncher },
        },
        errorFile: "",
        mark: "",
      }),
      ...(plan.meeting === null ? {} : DECIDED_BY_MEETING),
      ...(port === 0 ? { MASTER_PORT: null } : {}),
      ...(plan.logs.baseDirectory === "/dev/null" ? {} : { TORCHELASTIC_ERROR_FILE: null }),
      ...(plan.fileTimer?.path === null ? { TORCHELASTIC_TIMER_FILE: null } : {}),
      [MARK_VARIABLE]: null,
    },
  }));
}
