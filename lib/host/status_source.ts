/** This launcher's answer to how its part of the job stands. */

import type { JobProgress } from "../agent/job_progress.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import { type JobStatus, LAST_LINE_LENGTH_MAX, type RankStatus, type StatusRequest } from "../view/status.ts";
import { monotonicNow, wallNow } from "./clock.ts";
import type { JobSources } from "./job_watch.ts";

export interface StatusParts {
  readonly plan: LaunchPlan;
  readonly hostName: string;
  readonly progress: JobProgress;
  readonly sources: JobSources | undefined;
}

/** Answers one request; looks at files only of workers that write theirs alone. */
export function statusOf(
  { plan, hostName, progress, sources }: StatusParts,
  request: StatusRequest,
): JobStatus {
  const now = wallNow();
  const output = sources?.output();
  const wanted = request.lastLines === "all" ? null : new Set(request.lastLines);
  const workers = progress.workers.map((worker): RankStatus => {
    const { rank, localRank, pid, stage, startedAt, endedAt, ending } = worker;
    // Before it was started, what there is to see is of the attempt before.
    const activity = pid === null ? null : output?.activity(localRank) ?? null;
    const since = endedAt ?? startedAt;
    const lastOutputAt = activity?.lastOutputAt ?? null;
    const isWanted = wanted === null || wanted.has(rank);
    return {
      rank,
      localRank,
      pid,
      state: stage,
      sinceMs: since === null ? null : Math.max(0, now - since),
      ending,
      outputBytes: activity?.bytes ?? 0,
      silentMs: lastOutputAt === null ? null : Math.max(0, now - lastOutputAt),
      lastLine: isWanted ? activity?.lines(1)[0]?.slice(0, LAST_LINE_LENGTH_MAX) ?? null : null,
    };
  });
  const store = sources?.store();
  const stats = store?.stats ?? null;
  const own = progress.nodes.find(({ host }) => host === hostName);
  return {
    version: 1,
    job: plan.jobId,
    program: progress.program,
    role: progress.role,
    phase: progress.phase,
    elapsedMs: monotonicNow(),
    attempt: progress.attempt,
    maxRestarts: progress.maxRestarts,
    round: progress.round,
    worldSize: progress.worldSize,
    nodeCount: progress.nodeCount,
    waiting: progress.waiting,
    rendezvousMs: progress.rendezvousMs,
    firstWorkerMs: progress.firstWorkerMs,
    lostMs: progress.lostMs,
    cause: progress.cause,
    store: progress.store === null ? null : {
      ...progress.store,
      counters: stats === null ? null : {
        requests: stats.requests,
        connections: stats.connections,
        keys: stats.keys,
        bytes: stats.storedBytes,
      },
    },
    nodes: [{ host: hostName, nodeRank: own?.nodeRank ?? null, launcherPid: Deno.pid, workers }],
    output: outputOf(request, workers, output),
  };
}

function outputOf(
  { output: wanted }: StatusRequest,
  workers: readonly RankStatus[],
  output: ReturnType<JobSources["output"]>,
): JobStatus["output"] {
  const worker = workers.find(({ rank }) => rank === wanted?.rank);
  if (wanted === null || worker === undefined) return null;
  const lines = output?.activity(worker.localRank)?.lines(wanted.lines) ?? [];
  return { rank: wanted.rank, lines };
}
