/** A job of one node, played to the agent by a host that does everything at once and finds no leftovers. */

import { Agent } from "../../lib/agent/agent.ts";
import type { AgentEffect } from "../../lib/agent/effect.ts";
import type { AgentEvent } from "../../lib/agent/event.ts";
import type { FailedAttempt } from "../../lib/agent/facts.ts";
import { judge } from "../../lib/agent/report.ts";
import type { InstantMs } from "../../lib/core/time.ts";
import type { LaunchPlan } from "../../lib/options/launch_plan.ts";
import { LoneNode } from "../../lib/rendezvous/lone_node.ts";
import type { ExitStatus } from "../../lib/supervise/exit_status.ts";
import { PLAN } from "../sim/plan.ts";
import { UNKNOWN_MACHINE } from "./attempts.ts";

export const OK: ExitStatus = { kind: "exited", code: 0 };
export const failedWith = (code: number): ExitStatus => ({ kind: "exited", code });
export const killedBy = (signal: "SIGTERM" | "SIGINT" | "SIGKILL"): ExitStatus => ({
  kind: "signalled",
  signal,
});

export interface PlayOptions {
  readonly storeOpens?: boolean;
  /** Content by local rank, as it is when the attempt has failed. */
  readonly errorFiles?: Readonly<Record<number, string>>;
  /** Sees each event with what the agent made of it. */
  readonly onStep?: (event: AgentEvent, effects: readonly AgentEffect[], now: InstantMs) => void;
}

export function playedJob(
  changes: Partial<LaunchPlan>,
  { storeOpens = true, errorFiles = {}, onStep = () => {} }: PlayOptions,
) {
  const plan = { ...PLAN, ...changes };
  const agent = new Agent(plan, "0123456789abcdef");
  const node = new LoneNode(plan);
  const queue: AgentEvent[] = [];
  let pid = 100;
  const answer = (effect: AgentEffect, now: InstantMs): AgentEvent[] => {
    switch (effect.kind) {
      case "request":
        return node.request(effect.request, now).map((news) => ({ kind: "news", news, verdict: null }));
      case "open-store":
        return storeOpens ? [{ kind: "store-ready", address: "127.0.0.1", port: 4321 }] : [];
      case "prepare-attempt":
        return [{ kind: "attempt-ready", errorFiles: ["/e/0", "/e/1"] }];
      case "spawn":
        return [{ kind: "worker-started", localRank: effect.localRank, pid: pid++ }];
      case "sweep":
        return [{ kind: "swept", leftovers: [] }];
      case "judge":
        return [{ kind: "judged", verdict: judge(factsOf(agent, plan, errorFiles)), report: null }];
      default:
        return [];
    }
  };
  return {
    plan,
    agent,
    /** Tells the agent, and all that follows from it. */
    tell: (event: AgentEvent, now: InstantMs) => {
      queue.push(event);
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const effects = agent.step(next, now);
        onStep(next, effects, now);
        queue.push(...effects.flatMap((effect) => answer(effect, now)));
      }
    },
  };
}

function factsOf(
  agent: Agent,
  plan: LaunchPlan,
  errorFiles: Readonly<Record<number, string>>,
): FailedAttempt {
  return {
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
    machine: UNKNOWN_MACHINE,
  };
}
