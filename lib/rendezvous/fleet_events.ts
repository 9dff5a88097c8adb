/** What a node of a fleet hears and what it has done: the seam to its agent, its sessions and its port. */

import type { Begun, KnownNode } from "./census.ts";
import type { CoordinatorEvent } from "./coordinator_events.ts";
import type { HostingEffect } from "./hosting.ts";
import type { MeetingNews, MeetingRequest } from "./meeting.ts";
import type { HostMessage, NodeMessage } from "./message_codec.ts";
import type { NodeInfo } from "./ranks.ts";
import type { JobSettings } from "./settings.ts";

export interface FleetOptions {
  readonly settings: JobSettings;
  /** After so long without an answer a node gives its host up. */
  readonly silenceMs: number;
  /** So long a node takes at most to end its workers. */
  readonly stopMs: number;
  readonly info: NodeInfo;
  /** Where the host may be, HOST:PORT each. */
  readonly candidates: readonly string[];
  /** Where the others reach this node as a host (`CoordinatorOptions`). */
  readonly selfAddress: string | null;
  readonly fallbackAddress: string;
  /** As far as it is known where the job may be begun. */
  readonly begun: Begun;
}

/** How a session with the host ended. */
export interface LinkEnd {
  /**
   * `lost`: nobody knows. `left`: it said goodbye. `dead`: its machine says that nobody listens there any more. `refused`:
   * it does not want this node. `unreachable`: there never was a session.
   */
  readonly kind: "lost" | "left" | "dead" | "refused" | "unreachable";
  /** A clause without subject. */
  readonly text: string;
}

export type FleetEvent =
  | { readonly kind: "start"; readonly role: "host" | "guest" }
  /** From this node's agent. */
  | { readonly kind: "request"; readonly request: MeetingRequest }
  /** As the host, of its guests. */
  | Exclude<CoordinatorEvent, { kind: "start" | "wakeup" | "held" }>
  /**
   * Somebody has a session at a port where this node hosted before (`step-down`). `address`: where it could host itself;
   * null: nowhere, or it has not said so yet. `isFresh`: it was started since it was here before.
   */
  | ({ readonly kind: "strayed"; readonly isFresh: boolean } & KnownNode)
  /** Somebody knows a later host of the job. */
  | { readonly kind: "outranked"; readonly epoch: number; readonly hostAddress: string }
  /** As a guest, of its host; `epoch` 0: it hosts the job no more, and can only say who does (`standbys`). */
  | { readonly kind: "linked"; readonly epoch: number; readonly hostId: string }
  | { readonly kind: "heard"; readonly message: HostMessage }
  /** An attempt to reach the host came to nothing; the next follows. */
  | { readonly kind: "link-failed"; readonly problem: string }
  | { readonly kind: "link-ended"; readonly end: LinkEnd }
  /** Answer to `open-port`. */
  | { readonly kind: "port-opened"; readonly port: number }
  | { readonly kind: "wakeup" };

export type FleetEffect =
  | { readonly kind: "news"; readonly news: MeetingNews }
  | Exclude<HostingEffect, { kind: "formed" | "recorded" | "retire" }>
  /** Take sessions, as host number `epoch` until a round is formed (`FleetNode.epoch`). */
  | { readonly kind: "serve"; readonly epoch: number }
  /** Host no more, and listen at that port for those who come there nevertheless (`strayed`). */
  | { readonly kind: "step-down" }
  /** Send one who has strayed to the host at `address`; null: that is not known, and it is only sent away. */
  | { readonly kind: "redirect"; readonly nodeId: string; readonly address: string | null }
  /** Open another port at which this node could host the job later, if that is possible. */
  | { readonly kind: "open-port" }
  /** Tell whoever hosts at these addresses that this node does, at `ownAddress`, until it stops serving. */
  | { readonly kind: "herald"; readonly addresses: readonly string[]; readonly ownAddress: string }
  /** Begin a session with the host at `address`, and try so for `connectMs`. */
  | { readonly kind: "connect"; readonly address: string; readonly connectMs: number }
  | { readonly kind: "send"; readonly message: NodeMessage }
  /** End the session, once all that was sent has arrived. */
  | { readonly kind: "hang-up" }
  | { readonly kind: "drop-link" };
