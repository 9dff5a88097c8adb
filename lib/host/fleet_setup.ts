/** What a node brings to its meeting with the others: settings, what it says of itself, the secret; and how it words things. */

import { unreachable } from "../core/assert.ts";
import { SystemError } from "../core/errors.ts";
import type { LaunchPlan, MeetingPlan } from "../options/launch_plan.ts";
import type { LinkEnd } from "../rendezvous/fleet_events.ts";
import type { NodeInfo } from "../rendezvous/ranks.ts";
import type { JobSettings } from "../rendezvous/settings.ts";
import type { HeartbeatSettings } from "../store/control_heartbeat.ts";
import { ControlSecret } from "../store/control_secret.ts";
import { GROUP_GRACE_MS, KILL_WAIT_MS } from "../supervise/stop_steps.ts";
import type { ControlLinkEvent, ControlServerEvent } from "./control_link.ts";
import { interfaceAddresses } from "./local_addresses.ts";
import { SECRET_VARIABLE } from "./meeting.ts";

/** How a session ended: a clause without subject. */
export function endText(
  end:
    | Extract<ControlServerEvent, { kind: "ended" }>["end"]
    | Extract<ControlLinkEvent, { kind: "ended" }>["end"],
): string {
  switch (end.kind) {
    case "finished":
    case "goodbye":
      return "it said goodbye";
    case "notResumed":
      return "its connection broke and did not come back";
    case "hostIsGone":
      return "its connection broke, and nobody listens there any more";
    case "silent":
      return "nothing was heard of it any more";
    case "backlogged":
      return "it does not take what it is sent";
    case "broken":
      return `it ${end.problem}`;
    case "refused":
      return `it ${end.refusal.detail}`;
    case "unreachable":
      return end.problem;
    default:
      return unreachable(end);
  }
}

/** The same for a guest's rendezvous. */
export function linkEnd(end: Extract<ControlLinkEvent, { kind: "ended" }>["end"]): LinkEnd {
  switch (end.kind) {
    case "hostIsGone":
      return { kind: "dead", text: endText(end) };
    case "goodbye":
      return { kind: "left", text: endText(end) };
    case "refused":
      return { kind: "refused", text: end.refusal.detail };
    case "unreachable":
      return { kind: "unreachable", text: endText(end) };
    default:
      return { kind: "lost", text: endText(end) };
  }
}

/** What torchrun's keep-alive settings say of silence, for the control channel. */
export function heartbeatOf({ keepAliveMs, keepAliveAttempts }: MeetingPlan): HeartbeatSettings {
  const silenceMs = Math.max(1_000, keepAliveMs * keepAliveAttempts);
  return { intervalMs: Math.max(250, Math.min(keepAliveMs, silenceMs / 2)), silenceMs };
}

/** How long a node takes to notice that it has lost its host, and to end its workers then. */
export function patience(
  plan: LaunchPlan,
  meeting: MeetingPlan,
): { readonly silenceMs: number; readonly stopMs: number } {
  const stopMs = plan.shutdownTimeoutMs + GROUP_GRACE_MS + KILL_WAIT_MS;
  return { silenceMs: heartbeatOf(meeting).silenceMs, stopMs };
}

export function jobSettings(plan: LaunchPlan, meeting: MeetingPlan): JobSettings {
  const { jobId, nodesMin, nodesMax, maxRestarts } = plan;
  const { nodesStep, joinMs, lastCallMs, exitBarrierMs, onNodeLoss } = meeting;
  const failover = meeting.failover && meeting.backend === "etcd-v3" ? "elected" : meeting.failover;
  // Static rendezvous has one size, whatever MIN says (torchrun.md 4.6).
  const min = meeting.backend === "static" ? nodesMax : nodesMin;
  return {
    ...{ jobId, nodesMin: min, nodesMax, nodesStep, maxRestarts },
    ...{ joinMs, lastCallMs, exitBarrierMs, onNodeLoss, failover },
  };
}

export function nodeInfo(
  plan: LaunchPlan,
  meeting: MeetingPlan,
  { hostName, standbyPort }: { readonly hostName: string; readonly standbyPort: number | null },
): NodeInfo {
  const suffix = crypto.randomUUID().slice(0, 8);
  return {
    nodeId: meeting.nodeId ?? `${hostName}-${suffix}`,
    hostName,
    address: meeting.localAddress,
    workerCount: plan.workerCount,
    role: plan.role,
    nodeRank: meeting.backend === "static" ? plan.nodeRank : meeting.nodeRank,
    schedulerRank: meeting.schedulerRank,
    topologyKey: meeting.topologyKey,
    standbyPort,
    interfaces: interfaceAddresses(),
  };
}

/** @throws {SystemError} The file can't be read, or is empty. */
export async function readSecret({ secretPath }: MeetingPlan): Promise<ControlSecret | null> {
  const given = Deno.env.get(SECRET_VARIABLE);
  // The workers have no use for it.
  Deno.env.delete(SECRET_VARIABLE);
  if (secretPath === null) return ControlSecret.of(given ?? "");
  try {
    const secret = ControlSecret.of(await Deno.readTextFile(secretPath));
    if (secret !== null) return secret;
  } catch (error) {
    throw new SystemError(`Cannot read the job's secret from ${secretPath}: ${(error as Error).message}`);
  }
  throw new SystemError(`The file with the job's secret, ${secretPath}, is empty`);
}

export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(address.slice(colon + 1)) };
}
