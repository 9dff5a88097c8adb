/** What one worker is started with: the plan's command and variables, filled in for its place in the job. */

import type { LaunchPlan, WorkerCommand } from "../options/launch_plan.ts";
import { substituteLocalRank } from "../options/worker_command.ts";
import { deviceEnvironment, workerEnvironment } from "../supervise/worker_env.ts";

/** The arguments of the worker with `localRank`; only the script's own see `${local_rank}` replaced. */
export function workerArguments(command: WorkerCommand, localRank: number): string[] {
  return [
    ...command.fixedArguments,
    ...command.scriptArguments.map((argument) => substituteLocalRank(argument, localRank)),
  ];
}

/** The variables of one worker, laid over the launcher's own environment. One node: ranks are local ranks. */
export function workerVariables(
  plan: LaunchPlan,
  worker: {
    readonly localRank: number;
    readonly store: { readonly address: string; readonly port: number };
    readonly attempt: number;
    readonly errorFile: string;
    readonly mark: string;
  },
): Record<string, string> {
  const { localRank } = worker;
  return {
    ...plan.environment,
    ...workerEnvironment({
      localRank,
      localWorldSize: plan.workerCount,
      rank: localRank,
      worldSize: plan.workerCount,
      groupRank: 0,
      groupWorldSize: 1,
      role: plan.role,
      roleRank: localRank,
      roleWorldSize: plan.workerCount,
      masterAddress: worker.store.address,
      masterPort: worker.store.port,
      restartCount: worker.attempt,
      maxRestarts: plan.maxRestarts,
      jobId: plan.jobId,
      storeHostedByLauncher: plan.store.hostedByLauncher,
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
