/** How a meeting among our own agents lets know that torchrun's take part. */

import { byteString, utf8 } from "../core/bytes.ts";
import type { Key } from "../store/wire.ts";
import type { StoreStats } from "./store_service.ts";

/** Where torchrun's agents and ours share a store, once it is known that there are any. */
export interface SharedPlace {
  readonly host: string;
  readonly port: number;
  /** This node serves it, and ends that when the last client has gone, or at once. */
  readonly service: { readonly stats: StoreStats } | null;
}

export interface FleetHooks {
  /** torchrun's agents take part. A host says nothing more, but serves its store until it is closed; a guest is to be closed. */
  readonly onShared: (place: SharedPlace) => void;
  /** There is a host of ours: this node, or another that has answered. */
  readonly onHost: () => void;
}

/**
 * Whether a key that was written shows that an agent of torchrun's takes part: the record of the job, and with static
 * rendezvous, where the workers write to the same store, what an agent says of its role.
 */
export function torchrunSign(jobId: string, isStatic: boolean): (key: Key) => boolean {
  const sign = byteString(utf8(isStatic ? `/${jobId}/torchelastic/role_info` : `/torch.rendezvous.${jobId}`));
  return isStatic ? (key) => key.startsWith(sign) : (key) => key === sign;
}
