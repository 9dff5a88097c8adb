/** How a meeting among our own agents lets know that torchrun's take part. */

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
  /** The host can't be talked to as one of ours, for now: perhaps it is none. */
  readonly onStrangeHost: (host: string, port: number) => void;
}
