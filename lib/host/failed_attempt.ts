/** The facts of an attempt that failed on this node, put together for the judge. */

import type { Agent } from "../agent/agent.ts";
import type { FailedAttempt, WorkerFacts } from "../agent/facts.ts";
import { assertDefined } from "../core/assert.ts";
import type { InstantMs, WallMs } from "../core/time.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import type { ExitStatus } from "../supervise/exit_status.ts";
import { monotonicNow, wallNow } from "./clock.ts";
import type { Evidence } from "./evidence.ts";
import type { AttemptOutput } from "./output.ts";

const KILLED: ExitStatus = { kind: "signalled", signal: "SIGKILL" };

export interface AttemptParts {
  readonly agent: Agent;
  readonly plan: LaunchPlan;
  readonly hostName: string;
  readonly evidence: Evidence;
  readonly output: AttemptOutput;
  /** By local rank. */
  readonly startedAt: readonly WallMs[];
  readonly endedAt: readonly WallMs[];
  readonly endedInstant: readonly InstantMs[];
  /** Workers that were running when they were sent a stop signal. */
  readonly stoppedPids: ReadonlySet<number>;
}

export function failedAttempt(parts: AttemptParts): FailedAttempt {
  const { agent, plan, hostName, evidence, output, startedAt, endedAt, endedInstant, stoppedPids } = parts;
  const { jobId, role, command, maxRestarts, workerCount } = plan;
  const baseRank = agent.seat?.baseRank ?? 0;
  const workers = agent.workers.flatMap((worker): WorkerFacts[] => {
    const { localRank, pid, endOrder } = worker;
    const endedByWatchdog = agent.watchdogReason(localRank);
    // SIGKILL did not end a worker without a status; it counts as killed when a watchdog knows why.
    const status = worker.status ?? (endedByWatchdog === null ? undefined : KILLED);
    if (pid === undefined || status === undefined) return [];
    return [{
      localRank,
      rank: baseRank + localRank,
      pid,
      status,
      startedAt: assertDefined(startedAt[localRank]),
      endedAt: worker.status === undefined ? wallNow() : assertDefined(endedAt[localRank]),
      endedInstant: worker.status === undefined ? monotonicNow() : assertDefined(endedInstant[localRank]),
      endOrder: endOrder ?? workerCount,
      stoppedByUs: stoppedPids.has(pid),
      errorFile: evidence.errorFiles[localRank] ?? null,
      tail: output.tail(localRank),
      linesAfterFailure: output.linesAfterFailure(localRank),
      logFiles: output.logFiles(localRank),
      endedByWatchdog,
    }];
  });
  return {
    jobId,
    host: hostName,
    groupRank: agent.seat?.groupRank ?? 0,
    role,
    displayName: command.displayName,
    attempt: agent.attempt,
    maxRestarts,
    worldSize: agent.seat?.worldSize ?? workerCount,
    workers,
    machine: evidence.machine,
  };
}
