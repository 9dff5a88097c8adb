/** How a launch meets the other nodes of its job: one interface, and the choice of who implements it. */

import type { SayLevel } from "../agent/effect.ts";
import type { LaunchPlan, MeetingPlan } from "../options/launch_plan.ts";
import type { MeetingNews, MeetingRequest } from "../rendezvous/meeting.ts";
import type { NodesEffect, NodesEvent } from "../agent/fleet_recorder.ts";
import type { JobStatus, StatusRequest } from "../view/status.ts";
import type { Observe } from "./loop.ts";
import { openLoneMeeting } from "./lone_meeting.ts";
import type { WorkerStore } from "./worker_store.ts";

export interface Meeting {
  request(request: MeetingRequest): void;
  /** The workers' store, where the meeting point serves it itself; null: the launch opens one. */
  readonly workerStore: WorkerStore | null;
  /** How the whole job stands; undefined: this node is all of it. */
  status?(request: StatusRequest): Promise<JobStatus | null>;
  /** Leaves everything as it is and frees what is open. */
  close(): Promise<void>;
}

export interface MeetingParts {
  readonly plan: LaunchPlan;
  readonly hostName: string;
  readonly onNews: (news: MeetingNews) => void;
  readonly say: (level: SayLevel, text: string) => void;
  /** Told of all that happens among the nodes. */
  readonly observe: Observe<NodesEvent, NodesEffect> | undefined;
  /** How this node stands, for the others; null: it can't be told yet. */
  readonly ownStatus: (request: StatusRequest) => JobStatus | null;
}

/** Opens what `plan` asks for. @throws {SystemError} A port can't be had. */
export async function openMeeting(parts: MeetingParts): Promise<Meeting> {
  if (parts.plan.meeting === null) return openLoneMeeting(parts);
  if (parts.plan.meeting.backend === "etcd-v3") {
    const { openElectedMeeting } = await import("./elected_meeting.ts");
    return await openElectedMeeting(parts, parts.plan.meeting);
  }
  if (parts.plan.meeting.filePath !== null) {
    const { openFileMeeting } = await import("./open_shared.ts");
    return await openFileMeeting(parts, parts.plan.meeting, parts.plan.meeting.filePath);
  }
  if (parts.plan.meeting.backend === "etcd-v2") {
    const { openEtcdV2Meeting } = await import("./open_shared.ts");
    return await openEtcdV2Meeting(parts, parts.plan.meeting);
  }
  if (parts.plan.meeting.backend === "etcd") {
    const { openLegacyMeeting } = await import("./open_legacy.ts");
    return await openLegacyMeeting(parts, parts.plan.meeting);
  }
  if (isSecret(parts.plan.meeting)) {
    const { openSecretMeeting } = await import("./secret_meeting.ts");
    return await openSecretMeeting(parts, parts.plan.meeting);
  }
  const { openSwitchingMeeting } = await import("./switching_meeting.ts");
  return await openSwitchingMeeting(parts, parts.plan.meeting);
}

/** Variable with the job's secret, for those who have no file. */
export const SECRET_VARIABLE = "MUSTER_JOB_SECRET";

function isSecret({ secretPath }: MeetingPlan): boolean {
  return secretPath !== null || (Deno.env.get(SECRET_VARIABLE) ?? "").trim() !== "";
}
