/**
 * The meeting of a job with a secret, which stays among our own agents: torchrun's can't prove anything, and who writes a
 * record as they do may be anybody. Since such an agent waits in vain and is not told why, this node's people are.
 */

import type { MeetingPlan } from "../options/launch_plan.ts";
import { addressText } from "../rendezvous/standby.ts";
import { torchrunSign } from "./fleet_hooks.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";
import { closingWith, openFleetMeeting } from "./open_fleet.ts";
import { StoreWatch } from "./store_watch.ts";

const IN_VAIN = "An agent of torchrun's has come, or somebody who writes as they do, and waits in vain: " +
  "it can't prove that it knows the job's secret, without which it could take part";
const isTorchrunsText = (address: string) =>
  `torchrun's agents have begun the job at ${address}, and can't prove that they know the job's secret: ` +
  "this node waits for a host that can; without the secret it would take part with them";

/** Opens it. @throws {SystemError} A port can't be had, or the secret can't be read. */
export async function openSecretMeeting(parts: MeetingParts, meeting: MeetingPlan): Promise<Meeting> {
  let haveWorkersBegun = false, wasSaid = false;
  const { host, port } = meeting.endpoints[0]!;
  const watch = new StoreWatch(parts.plan.jobId, meeting, ({ isTorchruns }) => {
    if (!isTorchruns) return;
    watch.close();
    parts.say("warning", isTorchrunsText(addressText(host, port)));
  });
  const isSign = torchrunSign(parts.plan.jobId, meeting, () => haveWorkersBegun);
  const onNews: MeetingParts["onNews"] = (news) => {
    haveWorkersBegun ||= news.kind === "serve-store" || news.kind === "round";
    parts.onNews(news);
  };
  const fleet = await openFleetMeeting({ ...parts, onNews }, meeting, {
    isSign(key) {
      if (!wasSaid && isSign(key)) {
        wasSaid = true;
        parts.say("notice", IN_VAIN);
      }
      return false;
    },
    onShared: () => {},
    onHost: () => watch.close(),
  });
  watch.start();
  return closingWith(fleet, () => watch.close());
}
