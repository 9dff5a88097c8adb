/** What a node brings to a meeting with torchrun's agents: settings from the plan, and its place in their record. */

import { VERSION } from "../core/version.ts";
import type { LaunchPlan, MeetingPlan } from "../options/launch_plan.ts";
import type { TorchStaticOptions } from "../rendezvous/torch_static_meeting.ts";
import type { TorchMeetingOptions } from "../rendezvous/torch_meeting_events.ts";

/** torchrun's defaults, in seconds (torchrun.md 4.1). */
const READ_SECONDS = 60;
const CLOSE_SECONDS = 30;

const KEEP_ALIVE_MS_MIN = 1000;
const KEEP_ALIVE_ATTEMPTS_MIN = 2;

/** How long a record that nobody has written yet is left to torchrun's agents, whose release then decides on its form. */
export const CLAIM_MS = 10_000;

export function readTimeoutMs({ conf }: MeetingPlan): number {
  return secondsOf(conf.get("read_timeout"), READ_SECONDS);
}

/**
 * `address`: where the others reach this node. `restarts`: how many the job has had before torchrun's agents came;
 * `claimMs`: see `RecordLoopOptions`.
 */
export function torchMeetingOptions(
  plan: LaunchPlan,
  meeting: MeetingPlan,
  own: { readonly address: string; readonly restarts: number; readonly claimMs: number },
): TorchMeetingOptions {
  const { jobId, role, workerCount, nodesMin, nodesMax, maxRestarts } = plan;
  const { conf, joinMs, lastCallMs, keepAliveMs, keepAliveAttempts, exitBarrierMs } = meeting;
  return {
    ...{ jobId, role, workerCount, joinMs, exitBarrierMs },
    // Less than that is within what a beat may come late by.
    keepAliveMs: Math.max(KEEP_ALIVE_MS_MIN, keepAliveMs),
    keepAliveAttempts: Math.max(KEEP_ALIVE_ATTEMPTS_MIN, keepAliveAttempts),
    maxRestarts: Math.max(0, maxRestarts - own.restarts),
    rules: { nodesMin, nodesMax, lastCallMs },
    me: { address: own.address, pid: Deno.pid, localId: 0 },
    backoffMsMax: secondsOf(conf.get("cas_backoff_max_seconds"), 0),
    claimMs: own.claimMs,
    closeMs: secondsOf(conf.get("close_timeout"), CLOSE_SECONDS),
    readMs: readTimeoutMs(meeting),
    isIdentical: meeting.areWorkersIdentical,
    sharesStore: plan.store.hostedByLauncher,
    version: VERSION,
    seed: crypto.getRandomValues(new Uint32Array(1))[0]!,
  };
}

/** For a static job, whose endpoint is everybody's store. */
export function torchStaticOptions(
  plan: LaunchPlan,
  meeting: MeetingPlan,
  restarts: number,
): TorchStaticOptions {
  const { jobId, role, workerCount, nodesMax: nodes, nodeRank: groupRank, maxRestarts } = plan;
  const { joinMs, exitBarrierMs, areWorkersIdentical: isIdentical } = meeting;
  const { host, port } = meeting.endpoints[0]!;
  return {
    ...{ jobId, nodes, groupRank, role, workerCount, joinMs, exitBarrierMs, isIdentical },
    maxRestarts: Math.max(0, maxRestarts - restarts),
    place: { address: host, port, hostedByLauncher: true },
  };
}

/** Milliseconds of a value that was checked with the command line. */
function secondsOf(value: string | undefined, byDefault: number): number {
  return 1000 * (value === undefined ? byDefault : Number(value));
}
