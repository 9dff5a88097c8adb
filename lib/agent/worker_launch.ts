/** What one worker is started with: the plan's command and variables, filled in for its place in the job. */

import type { LaunchPlan, WorkerCommand } from "../options/launch_plan.ts";
import type { Seat } from "../rendezvous/meeting.ts";
import { substituteLocalRank } from "../options/worker_command.ts";
import { deviceEnvironment, workerEnvironment } from "../supervise/worker_env.ts";

/** The arguments of the worker with `localRank`; only the script's own see `${local_rank}` replaced. */
export function workerArguments(command: WorkerCommand, localRank: number): string[] {
  return [
    ...command.fixedArguments,
    ...command.scriptArguments.map((argument) => substituteLocalRank(argument, localRank)),
  ];
}

/** The variables of one worker, laid over the launcher's own environment. */
export function workerVariables(
  plan: LaunchPlan,
  worker: {
    readonly localRank: number;
    readonly seat: Seat;
    readonly errorFile: string;
    readonly mark: string;
  },
): Record<string, string> {
  const { localRank, seat } = worker;
  return {
    ...plan.environment,
    ...workerEnvironment({
      localRank,
      localWorldSize: plan.workerCount,
      rank: seat.baseRank + localRank,
      worldSize: seat.worldSize,
      groupRank: seat.groupRank,
      groupWorldSize: seat.groupWorldSize,
      role: plan.role,
      roleRank: seat.baseRoleRank + localRank,
      roleWorldSize: seat.roleWorldSize,
      masterAddress: seat.store.address,
      masterPort: seat.store.port,
      restartCount: seat.restartCount,
      maxRestarts: plan.maxRestarts,
      jobId: plan.jobId,
      storeHostedByLauncher: seat.store.hostedByLauncher,
      errorFile: worker.errorFile,
      mark: worker.mark,
    }),
    ...deviceEnvironment(localRank, {
      chosen: plan.devices,
      virtualLocalRank: plan.virtualLocalRank,
      inheritedCuda: plan.inheritedCudaVisibleDevices,
      inheritedHip: plan.inheritedHipVisibleDevices,
    }),
  };
}
