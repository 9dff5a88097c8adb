/**
 * The meeting of a job with a secret, which stays among our own agents: torchrun's can't prove anything, and who writes a
 * record as they do may be anybody. Since such an agent waits in vain and is not told why, this node's people are.
 */

import type { MeetingPlan } from "../options/launch_plan.ts";
import { torchrunSign } from "./fleet_hooks.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";
import { openFleetMeeting } from "./open_fleet.ts";

const IN_VAIN = "An agent of torchrun's has come, or somebody who writes as they do, and waits in vain: " +
  "it can't prove that it knows the job's secret, without which it could take part";

/** Opens it. @throws {SystemError} A port can't be had, or the secret can't be read. */
export function openSecretMeeting(parts: MeetingParts, meeting: MeetingPlan): Promise<Meeting> {
  let haveWorkersBegun = false, wasSaid = false;
  const isTorchruns = torchrunSign(parts.plan.jobId, meeting, () => haveWorkersBegun);
  const onNews: MeetingParts["onNews"] = (news) => {
    haveWorkersBegun ||= news.kind === "serve-store" || news.kind === "round";
    parts.onNews(news);
  };
  return openFleetMeeting({ ...parts, onNews }, meeting, {
    isSign(key) {
      if (!wasSaid && isTorchruns(key)) {
        wasSaid = true;
        parts.say("notice", IN_VAIN);
      }
      return false;
    },
    onShared: () => {},
    onHost: () => {},
  });
}
