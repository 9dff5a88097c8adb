/** Opens a meeting over torchrun's legacy etcd rendezvous (`--rdzv-backend etcd`), for jobs in which torchrun's agents have it. */

import { unreachable } from "../core/assert.ts";
import { Prng } from "../core/prng.ts";
import type { LaunchPlan, MeetingPlan } from "../options/launch_plan.ts";
import { LegacyMeeting } from "../rendezvous/legacy_meeting.ts";
import type {
  LegacyMeetingEffect,
  LegacyMeetingEvent,
  LegacyMeetingOptions,
} from "../rendezvous/legacy_meeting_events.ts";
import { EtcdLegacyStore } from "./etcd_legacy_store.ts";
import { accessEtcd, startEtcdV2 } from "./etcd_setup.ts";
import { Loop } from "./loop.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";
import { readTimeoutMs } from "./torch_setup.ts";

/** torchrun's folder for all jobs. */
const PREFIX = "/torchelastic/p2p";

/** @throws {SystemError} The settings for etcd can't be used. */
export async function openLegacyMeeting(parts: MeetingParts, meeting: MeetingPlan): Promise<Meeting> {
  const { plan, onNews, say } = parts;
  const etcd = await accessEtcd(plan.rendezvousEndpoint, meeting);
  const options = legacyOptions(plan, meeting);
  const client = startEtcdV2(etcd, meeting, say);
  const store = new EtcdLegacyStore(client, options.folder, (answer) => loop.post(answer));
  const machine = new LegacyMeeting(options, new Prng(crypto.getRandomValues(new Uint32Array(1))[0]!));
  const perform = (effect: LegacyMeetingEffect) => {
    switch (effect.kind) {
      case "news":
        return onNews(effect.news);
      case "ask":
        return store.perform(effect.operation);
      default:
        return unreachable(effect);
    }
  };
  const loop = new Loop<LegacyMeetingEvent, LegacyMeetingEffect>(machine, { kind: "wakeup" }, perform);
  return {
    workerStore: null,
    request(request) {
      if (request.kind !== "store-served" || request.store.address !== "") return loop.post(request);
      loop.post({ ...request, store: { ...request.store, address: etcd.selfAddress } });
    },
    async close() {
      loop.close();
      await store.settled();
      store.close();
      etcd.cluster.close();
    },
  };
}

function legacyOptions(plan: LaunchPlan, meeting: MeetingPlan): LegacyMeetingOptions {
  const { jobId, role, workerCount, nodesMin, nodesMax, maxRestarts } = plan;
  const { conf, joinMs, lastCallMs, exitBarrierMs, areWorkersIdentical: isIdentical } = meeting;
  const prefix = `/${conf.get("etcd_prefix") ?? PREFIX}`.replace(/^\/+/, "/").replace(/\/$/, "");
  return {
    ...{
      jobId,
      role,
      workerCount,
      nodesMin,
      nodesMax,
      maxRestarts,
      joinMs,
      lastCallMs,
      exitBarrierMs,
      isIdentical,
    },
    folder: `${prefix}/run_${jobId}`,
    readMs: readTimeoutMs(meeting),
  };
}
