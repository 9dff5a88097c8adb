/** A job played to the agent, seen by the recorder. */

import type { AgentEvent } from "../../lib/agent/event.ts";
import type { JobEvent } from "../../lib/agent/job_event.ts";
import { JobRecorder } from "../../lib/agent/job_recorder.ts";
import { TorchEvents } from "../../lib/agent/torch_events.ts";
import type { LaunchPlan } from "../../lib/options/launch_plan.ts";
import type { ExitStatus } from "../../lib/supervise/exit_status.ts";
import { PLAN } from "../sim/plan.ts";
import { failedWith, killedBy, playedJob } from "./played_job.ts";

/** 2026-11-23 22:50:42 UTC. */
export const WALL_AT_ZERO = Date.UTC(2026, 10, 23, 22, 50, 42);

export function recordedJob(
  changes: Partial<LaunchPlan> = {},
  errorFiles: Record<number, string> = {},
  { storeOpens = true } = {},
) {
  const plan = { ...PLAN, ...changes };
  const recorder = new JobRecorder({ plan, hostName: "here", wallAtZero: WALL_AT_ZERO });
  const torchEvents = new TorchEvents(plan, "here");
  const events: JobEvent[] = [];
  const torchLines: string[] = [];
  const job = playedJob(changes, {
    storeOpens,
    errorFiles,
    onStep: (event, effects, now) => {
      const found = recorder.observe(event, effects, now);
      events.push(...found);
      torchLines.push(...torchEvents.observe(event, found, now));
    },
  });
  return {
    events,
    torchLines,
    progress: recorder.progress,
    /** Tells the agent at `at` milliseconds after the start. */
    tell: (at: number, event: AgentEvent) => job.tell(event, at),
    end(at: number, localRank: number, status: ExitStatus): void {
      this.tell(at, { kind: "worker-ended", localRank, status });
    },
    of: <Kind extends JobEvent["event"]>(kind: Kind) =>
      events.filter((event): event is JobEvent & { event: Kind } => event.event === kind),
  };
}

/** A job of two workers that is restarted once: rank 1 fails at 2 s, rank 0 takes half a second to go. */
export function restartedJob(errorFiles: Record<number, string> = {}) {
  const job = recordedJob({ maxRestarts: 1 }, errorFiles);
  job.tell(50, { kind: "start" });
  job.end(2_000, 1, failedWith(3));
  job.end(2_500, 0, killedBy("SIGTERM"));
  return job;
}
