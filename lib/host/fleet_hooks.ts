/** How a meeting among our own agents lets know that torchrun's take part. */

import { byteString, utf8 } from "../core/bytes.ts";
import type { MeetingPlan } from "../options/launch_plan.ts";
import type { Key } from "../store/wire.ts";
import type { StoreStats } from "./store_service.ts";
import { NODES_KEY } from "./torch_store.ts";

/** Where torchrun's agents and ours share a store, once it is known that there are any. */
export interface SharedPlace {
  readonly host: string;
  readonly port: number;
  /** This node serves it, and ends that when the last client has gone, or at once. */
  readonly service: { readonly stats: StoreStats } | null;
}

export interface FleetHooks {
  /** A key was written in the store of this host: whether that shows that torchrun's agents take part, so that all go over. */
  readonly isSign: (key: Key) => boolean;
  /** torchrun's agents take part. A host says nothing more, but serves its store until it is closed; a guest is to be closed. */
  readonly onShared: (place: SharedPlace) => void;
  /** There is a host of ours: this node, or another that has answered. */
  readonly onHost: () => void;
}

/**
 * Whether a key that was written shows that an agent of torchrun's takes part: the record of the job, and with static
 * rendezvous, where the workers write to the same store, what an agent says of its role. With
 * TORCH_ELASTIC_WORKER_IDENTICAL=1 it says nothing, but counts itself as workers do too: that is a sign while there are none.
 */
export function torchrunSign(
  jobId: string,
  { backend, areWorkersIdentical }: MeetingPlan,
  haveWorkersBegun: () => boolean,
): (key: Key) => boolean {
  const record = byteString(utf8(`/torch.rendezvous.${jobId}`));
  if (backend !== "static") return (key) => key === record;
  const role = byteString(utf8(`/${jobId}/torchelastic/role_info`));
  return (key) => key.startsWith(role) || areWorkersIdentical && key === NODES_KEY && !haveWorkersBegun();
}
