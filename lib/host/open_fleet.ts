/** Opens the meeting of a job's nodes at its endpoint: who hosts, at which port. */

import { EXIT_CODES, SystemError } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import type { MeetingPlan } from "../options/launch_plan.ts";
import { failedWith } from "../rendezvous/outcomes.ts";
import { settingsText } from "../rendezvous/settings.ts";
import { addressText } from "../rendezvous/standby.ts";
import type { ControlSecret } from "../store/control_secret.ts";
import { CensusFile } from "./census_file.ts";
import { Fleet } from "./fleet.ts";
import type { FleetHooks } from "./fleet_hooks.ts";
import { FleetPort } from "./fleet_port.ts";
import { heartbeatOf, jobSettings, nodeInfo, readSecret } from "./fleet_setup.ts";
import { isThisMachine, meansThisMachineOnly } from "./local_addresses.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";
import { watchForOtherHost } from "./other_host.ts";

export async function openFleetMeeting(
  parts: MeetingParts,
  meeting: MeetingPlan,
  hooks: FleetHooks | null,
): Promise<Meeting> {
  const { plan, hostName } = parts;
  const endpoint = meeting.endpoints[0]!;
  const isLocal = meansThisMachineOnly(endpoint.host);
  const secret = await readSecret(meeting);
  const isHost = meeting.isHost ?? await isThisMachine(endpoint.host, hostName);
  let port: FleetPort | null = null;
  if (isHost) {
    port = FleetPort.tryListen({ isLocal, port: endpoint.port, host: endpoint.host });
    // Another agent of this machine is the host, unless it was said that this one is.
    if (port === null && meeting.isHost === true) {
      throw new SystemError(
        `Cannot host the job at port ${endpoint.port}: the port is in use; stop what holds it or choose another port`,
      );
    }
  }
  const role = port === null ? "guest" : "host";
  if (port === null && meeting.failover) port = await standbyPort(meeting, { isLocal, hostName });
  const census = role === "host" && meeting.backend === "c10d" && plan.nodesMax > 1
    ? new CensusFile(
      { jobId: plan.jobId, endpoint: addressText(endpoint.host, endpoint.port) },
      (text) => parts.say("warning", text),
    )
    : null;
  const fleet = new Fleet({ ...parts, meeting, secret, port, isLocal, hooks, census });
  const info = nodeInfo(plan, meeting, { hostName, standbyPort: port?.port ?? null });
  fleet.start(role, info);
  if (meeting.isHost !== true) return fleet;
  // Where the endpoint is this machine's, nobody else can host there. The start does not wait for its name.
  const watch = isThisMachine(endpoint.host, hostName).then((isHere) =>
    isHere ? null : lookForOtherHost(parts, meeting, { nodeId: info.nodeId, secret })
  );
  return closingWith(fleet, () => void watch.then((end) => end?.()));
}

/** Where this node could take over: where newcomers look for it, if it is among the places that are named, else anywhere. */
async function standbyPort(
  { endpoints }: MeetingPlan,
  { isLocal, hostName }: { readonly isLocal: boolean; readonly hostName: string },
): Promise<FleetPort | null> {
  for (const { host, port } of endpoints.slice(1)) {
    const found = await isThisMachine(host, hostName) ? FleetPort.tryListen({ isLocal, port }) : null;
    if (found !== null) return found;
  }
  return FleetPort.tryListen({ isLocal, port: 0 });
}

function lookForOtherHost(
  { plan, onNews }: MeetingParts,
  meeting: MeetingPlan,
  { nodeId, secret }: { readonly nodeId: string; readonly secret: ControlSecret | null },
): () => void {
  const endpoint = meeting.endpoints[0]!;
  const address = addressText(endpoint.host, endpoint.port);
  const settings = settingsText(jobSettings(plan, meeting));
  return watchForOtherHost({
    address,
    self: {
      ...{ version: VERSION, jobId: plan.jobId, nodeId, epoch: 0, hostAddress: "" },
      ...{ settingsHash: settings, settingsText: settings },
    },
    secret,
    heartbeat: heartbeatOf(meeting),
    limitMs: meeting.joinMs,
    onFound: (other) => {
      const told = meeting.backend === "static" ? "--node-rank=0" : "rdzv-conf is_host=1";
      const text =
        `This node was told to host the job (${told}), but node ${other} hosts it at ${address}: ` +
        "only one can, or each would have a world of its own";
      onNews({ kind: "job-over", outcome: failedWith(EXIT_CODES.workerFailed, text) });
    },
  });
}

/** The meeting, which ends something else with it. */
export function closingWith(meeting: Meeting, onClose: () => void): Meeting {
  return {
    request: (request) => meeting.request(request),
    get workerStore() {
      return meeting.workerStore;
    },
    status: (request) => meeting.status?.(request) ?? Promise.resolve(null),
    close: async () => {
      onClose();
      await meeting.close();
    },
  };
}
