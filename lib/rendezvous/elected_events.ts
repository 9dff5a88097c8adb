/** What a node hears and has done where somebody outside the job elects its host: `FleetEvent` and `FleetEffect`, and that. */

import type { FleetEffect, FleetEvent } from "./fleet_events.ts";
import type { JobRecord } from "./job_record.ts";

export type ElectedEvent =
  | Exclude<FleetEvent, { readonly kind: "start" | "outranked" }>
  | { readonly kind: "start" }
  /** This node is the host. `previous`: what the hosts before it saved. */
  | { readonly kind: "appointed"; readonly epoch: number; readonly previous: JobRecord | null }
  /** Another node is. */
  | { readonly kind: "host-named"; readonly epoch: number; readonly address: string }
  /** This node is the host no longer, and has a short time to end its world. */
  | { readonly kind: "deposed"; readonly text: string }
  /** Records up to this one are kept. */
  | { readonly kind: "saved"; readonly id: number }
  /** Why nothing is heard of the election, a clause; for the message when the time is over. */
  | { readonly kind: "election-trouble"; readonly text: string };

export type ElectedEffect =
  | Exclude<FleetEffect, { readonly kind: "herald" }>
  /** Stand for election. */
  | { readonly kind: "stand" }
  /** Keep this for the next host; answered by `saved`, or never if this node is deposed. */
  | { readonly kind: "save"; readonly id: number; readonly record: JobRecord }
  /** The host of this epoch was lost; `isDead`: its machine says that nobody listens there any more. */
  | { readonly kind: "host-lost"; readonly epoch: number; readonly isDead: boolean }
  /** Be host no more; `over`: the job has ended, and what was saved of it means nothing any more. */
  | { readonly kind: "resign"; readonly over: boolean };
