/** A job played to the agent by a host that does everything at once, seen by the recorder. */

import { Agent } from "../../lib/agent/agent.ts";
import type { AgentEvent } from "../../lib/agent/event.ts";
import type { JobEvent } from "../../lib/agent/job_event.ts";
import { JobRecorder } from "../../lib/agent/job_recorder.ts";
import { judge } from "../../lib/agent/report.ts";
import { TorchEvents } from "../../lib/agent/torch_events.ts";
import type { LaunchPlan } from "../../lib/options/launch_plan.ts";
import { LoneNode } from "../../lib/rendezvous/lone_node.ts";
import type { ExitStatus } from "../../lib/supervise/exit_status.ts";
import { PLAN } from "../sim/plan.ts";

/** 2026-11-23 22:50:42 UTC. */
export const WALL_AT_ZERO = Date.UTC(2026, 10, 23, 22, 50, 42);

export const OK: ExitStatus = { kind: "exited", code: 0 };
export const failedWith = (code: number): ExitStatus => ({ kind: "exited", code });
export const TERMINATED: ExitStatus = { kind: "signalled", signal: "SIGTERM" };

export function recordedJob(
  changes: Partial<LaunchPlan> = {},
  errorFiles: Record<number, string> = {},
  { storeOpens = true } = {},
) {
  const plan = { ...PLAN, ...changes };
  const agent = new Agent(plan, "0123456789abcdef");
  const node = new LoneNode(plan);
  const recorder = new JobRecorder({ plan, hostName: "here", wallAtZero: WALL_AT_ZERO });
  const torchEvents = new TorchEvents(plan, "here");
  const events: JobEvent[] = [];
  const torchLines: string[] = [];
  const queue: AgentEvent[] = [];
  let now = 0;
  let pid = 100;
  const step = (event: AgentEvent): void => {
    const effects = agent.step(event, now);
    const found = recorder.observe(event, effects, now);
    events.push(...found);
    torchLines.push(...torchEvents.observe(event, found, now));
    for (const effect of effects) {
      if (effect.kind === "request") {
        for (const news of node.request(effect.request, now)) {
          queue.push({ kind: "news", news, verdict: null });
        }
      }
      if (effect.kind === "open-store" && storeOpens) {
        queue.push({ kind: "store-ready", address: "127.0.0.1", port: 4321 });
      }
      if (effect.kind === "prepare-attempt") queue.push({ kind: "attempt-ready", errorFiles: [] });
      if (effect.kind === "spawn") {
        queue.push({ kind: "worker-started", localRank: effect.localRank, pid: pid++ });
      }
      if (effect.kind === "sweep") queue.push({ kind: "swept", leftovers: [] });
      if (effect.kind === "judge") {
        queue.push({ kind: "judged", verdict: judge(facts()), report: null });
      }
    }
  };
  const facts = () => ({
    jobId: plan.jobId,
    host: "here",
    groupRank: 0,
    role: plan.role,
    displayName: "train.py",
    attempt: agent.attempt,
    maxRestarts: plan.maxRestarts,
    worldSize: plan.workerCount,
    workers: agent.workers.map(({ localRank, pid, status, endOrder, stopRequested }) => ({
      localRank,
      rank: localRank,
      pid: pid!,
      status: status!,
      startedAt: 0,
      endedAt: endOrder!,
      endedInstant: endOrder!,
      endOrder: endOrder!,
      stoppedByUs: stopRequested,
      errorFile: errorFiles[localRank] === undefined
        ? null
        : { path: "/error.json", text: errorFiles[localRank], writtenAt: null, problem: null },
      tail: [],
      linesAfterFailure: 0,
      logFiles: [],
      endedByWatchdog: agent.watchdogReason(localRank),
    })),
    machine: {
      outOfMemoryKills: null,
      machineOutOfMemoryKills: null,
      memoryLimitBytes: null,
      sharedMemory: null,
      kernelLog: null,
    },
  });
  return {
    events,
    torchLines,
    progress: recorder.progress,
    /** Tells the agent at `at` milliseconds after the start. */
    tell: (at: number, event: AgentEvent) => {
      now = at;
      queue.push(event);
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) step(next);
    },
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
  job.end(2_500, 0, TERMINATED);
  return job;
}
