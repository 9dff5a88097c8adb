/** The seam between a fleet and whoever outside of the job decides which node is its host. */

import type { ElectedEffect } from "../rendezvous/elected_events.ts";

export interface FleetElection {
  /** For messages: "etcd at a:2379". */
  readonly electorate: string;
  /** Where the others reach this node. */
  readonly selfAddress: string;
  carryOut(effect: ElectionEffect): void;
  close(): Promise<void>;
}

export type ElectionEffect = Extract<
  ElectedEffect,
  { readonly kind: "stand" | "save" | "host-lost" | "resign" }
>;
