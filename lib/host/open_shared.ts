/** Opens meetings that are torchrun's from the start, because what carries them knows no others: a file, and etcd's v2 API. */

import { SystemError } from "../core/errors.ts";
import type { MeetingPlan } from "../options/launch_plan.ts";
import { accessEtcd, startEtcdV2 } from "./etcd_setup.ts";
import { EtcdV2Error } from "./etcd_v2.ts";
import { EtcdV2Keys } from "./etcd_v2_keys.ts";
import { EtcdV2Record } from "./etcd_v2_record.ts";
import { FileStore, FileStoreError } from "./file_store.ts";
import { fallbackAddress } from "./local_addresses.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";
import { SharedMeeting } from "./shared_meeting.ts";
import type { SharedStore } from "./shared_store.ts";

/** Nobody hosts these, so nobody is sure to write the record soon; torchrun's agents still get the first word. */
const CLAIM_MS = 1_000;
const NOTHING_BEFORE = { rounds: 0, restarts: 0 };
/** Where torchrun's agents keep their keys (`etcd_rendezvous_backend.py`). */
const ETCD_KEYS = "/torch/elastic/store";

/** @throws {SystemError} The file can't be used. */
export async function openFileMeeting(
  parts: MeetingParts,
  meeting: MeetingPlan,
  path: string,
): Promise<Meeting> {
  const store = await usable(FileStore.open(path, parts.plan.jobId));
  const address = meeting.localAddress ?? fallbackAddress("");
  return new SharedMeeting({ ...parts, meeting, store, address, claimMs: CLAIM_MS, before: NOTHING_BEFORE });
}

/** @throws {SystemError} The settings for etcd can't be used. */
export async function openEtcdV2Meeting(parts: MeetingParts, meeting: MeetingPlan): Promise<Meeting> {
  const etcd = await accessEtcd(parts.plan.rendezvousEndpoint, meeting);
  const client = startEtcdV2(etcd, meeting, parts.say);
  const store: SharedStore = {
    record: new EtcdV2Record(client, parts.plan.jobId),
    keys: new EtcdV2Keys(client, ETCD_KEYS),
    lossText: (error) => error instanceof EtcdV2Error ? error.message : null,
    close: () => {
      client.close();
      etcd.cluster.close();
    },
  };
  const address = meeting.localAddress ?? etcd.selfAddress;
  return new SharedMeeting({ ...parts, meeting, store, address, claimMs: CLAIM_MS, before: NOTHING_BEFORE });
}

async function usable<T>(opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (error instanceof FileStoreError) throw new SystemError(error.message);
    throw error;
  }
}
