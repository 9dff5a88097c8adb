/** What a node hears and has done where somebody outside the job elects its host: `FleetEvent` and `FleetEffect`, and that. */

import type { FleetEffect, FleetEvent, FleetOptions } from "./fleet_events.ts";
import type { JobRecord } from "./job_record.ts";

export type ElectedOptions = Omit<FleetOptions, "candidates" | "begun"> & {
  /** Where the election is held, for messages: "etcd at a:2379, b:2379". */
  readonly electorate: string;
};

export type ElectedEvent =
  | Exclude<FleetEvent, { readonly kind: "start" | "outranked" | "port-opened" | "strayed" }>
  | { readonly kind: "start" }
  /** This node is the host. `previous`: what the hosts before it saved. */
  | { readonly kind: "appointed"; readonly epoch: number; readonly previous: JobRecord | null }
  /** Another node is. `orphanMs`: how long a node that has lost it may have workers of which no host knows. */
  | {
    readonly kind: "host-named";
    readonly epoch: number;
    readonly address: string;
    readonly orphanMs: number;
  }
  /** This node is the host no longer: its workers may live for `lifeMs`, and then another may begin a round. */
  | { readonly kind: "deposed"; readonly text: string; readonly lifeMs: number }
  /** The job has ended, at most `knownMs` ago: it is not begun anew. */
  | { readonly kind: "job-ended"; readonly exitCode: number; readonly knownMs: number }
  /** Records up to this one are kept. */
  | { readonly kind: "saved"; readonly id: number }
  /** Why nothing is heard of the election, a clause; for the message when the time is over. */
  | { readonly kind: "election-trouble"; readonly text: string };

export type ElectedEffect =
  | Exclude<FleetEffect, { readonly kind: "herald" | "open-port" | "step-down" | "redirect" | "census" }>
  /** End all sessions at once, and listen no more at that port. */
  | { readonly kind: "stop-serving" }
  /** Stand for election. */
  | { readonly kind: "stand" }
  /** Keep this for the next host; answered by `saved`, or never if this node is deposed. */
  | { readonly kind: "save"; readonly id: number; readonly record: JobRecord }
  /** The host of this epoch was lost; `isDead`: its machine says that nobody listens there any more. */
  | { readonly kind: "host-lost"; readonly epoch: number; readonly isDead: boolean }
  /**
   * Be host no more; `over`: the job has ended, and what was saved of it means nothing any more; `succeeded`: well, so that
   * nodes that come late are to be told.
   */
  | { readonly kind: "resign"; readonly over: boolean; readonly succeeded: boolean };
