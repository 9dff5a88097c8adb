/** Opens the meeting of a job's nodes at its endpoint: who hosts, at which port. */

import { SystemError } from "../core/errors.ts";
import type { MeetingPlan } from "../options/launch_plan.ts";
import { Fleet } from "./fleet.ts";
import type { FleetHooks } from "./fleet_hooks.ts";
import { FleetPort } from "./fleet_port.ts";
import { nodeInfo, readSecret } from "./fleet_setup.ts";
import { isThisMachine, meansThisMachineOnly } from "./local_addresses.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";

export async function openFleetMeeting(
  parts: MeetingParts,
  meeting: MeetingPlan,
  hooks: FleetHooks,
): Promise<Meeting> {
  const { plan, hostName } = parts;
  const endpoint = meeting.endpoints[0]!;
  const isLocal = meansThisMachineOnly(endpoint.host);
  const secret = await readSecret(meeting);
  const isHost = meeting.isHost ?? await isThisMachine(endpoint.host, hostName);
  let port: FleetPort | null = null;
  if (isHost) {
    port = FleetPort.tryListen({ isLocal, port: endpoint.port });
    // Another agent of this machine is the host, unless it was said that this one is.
    if (port === null && meeting.isHost === true) {
      throw new SystemError(
        `Cannot host the job at port ${endpoint.port}: the port is in use; stop what holds it or choose another port`,
      );
    }
  }
  const role = port === null ? "guest" : "host";
  if (port === null && meeting.failover) port = FleetPort.tryListen({ isLocal, port: 0 });
  const fleet = new Fleet({ ...parts, meeting, secret, port, isLocal, hooks });
  fleet.start(role, nodeInfo(plan, meeting, { hostName, standbyPort: port?.port ?? null }));
  return fleet;
}
