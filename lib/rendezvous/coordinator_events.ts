/** What a coordinator hears and what it has done: its side of the host's sessions. */

import type { KnownNode } from "./census.ts";
import type { JobRecord, Standing } from "./job_record.ts";
import type { HostMessage, NodeMessage, Standby } from "./message_codec.ts";
import type { LostSeat } from "./round.ts";
import type { JobSettings } from "./settings.ts";

export interface CoordinatorOptions {
  readonly settings: JobSettings;
  /** Node id of the host itself, which is a node like the others. */
  readonly selfId: string;
  /** Where the others reach the host, where that is known from the start; null: as their connections show. */
  readonly selfAddress: string | null;
  /** Where to be reached when no connection shows it. */
  readonly fallbackAddress: string;
  /** Counts the job's hosts, from 1. */
  readonly epoch: number;
  /** How often the job was begun before, if it is begun here. */
  readonly begun: number;
  /** What the job has come to under other hosts (`BallotOptions`); empty: this is the first. */
  readonly chain: readonly JobRecord[];
  /** The last of those hosts, if it is proved dead. */
  readonly deadHost: string | null;
  /** It did not hand the job over. */
  readonly wasHostLost: boolean;
  /** What is known of the job elsewhere, whenever a round could be formed; null: nothing. */
  readonly elsewhere: (() => Elsewhere) | null;
  /** After so long without an answer every node gives its host up. */
  readonly silenceMs: number;
  /** So long a node takes at most to end its workers. */
  readonly stopMs: number;
}

export interface Elsewhere {
  /** How often the job was begun. */
  readonly begun: number;
  /** All who took part, but for those who left in order; null: there may be others. */
  readonly everybody: readonly KnownNode[] | null;
  /** Nodes of an earlier host here that may run it; empty: that is no matter any more. */
  readonly earlier: readonly string[];
}

export type CoordinatorEvent =
  | { readonly kind: "start" }
  /** A node has a session. `address`: where it comes from; `hostAddress`: where it reached this host. */
  | {
    readonly kind: "arrived";
    readonly nodeId: string;
    readonly address: string;
    readonly hostAddress: string;
  }
  | { readonly kind: "said"; readonly nodeId: string; readonly message: NodeMessage }
  /**
   * Its session is over. `inOrder`: one of both ended it, and the other knows; `text`: how, a clause: "its connection
   * broke"; `quietMs`: so long ago it was heard last.
   */
  | {
    readonly kind: "gone";
    readonly nodeId: string;
    readonly inOrder: boolean;
    readonly text: string;
    readonly quietMs: number;
  }
  /** Answer to `probe`: nobody listens there any more. */
  | { readonly kind: "proved-dead"; readonly nodeId: string }
  /** Answer to `judge-job`. */
  | { readonly kind: "judged-job"; readonly verdict: Uint8Array | null }
  | { readonly kind: "wakeup" };

export type CoordinatorEffect =
  | { readonly kind: "tell"; readonly nodeId: string; readonly message: HostMessage }
  /** Ends a node's session, once all that it was told has arrived. */
  | { readonly kind: "dismiss"; readonly nodeId: string }
  /** A round's members are known, and who of them could take over. */
  | {
    readonly kind: "formed";
    readonly record: JobRecord;
    readonly standbys: readonly Standby[];
    /** The host and all who have a session, with a seat or without. */
    readonly present: readonly string[];
  }
  /** What the job has come to since its last round was formed. */
  | { readonly kind: "recorded"; readonly record: JobRecord; readonly standing: Exclude<Standing, "running"> }
  /** A node's session broke: does anybody still listen at `address`, which it had? */
  | { readonly kind: "probe"; readonly nodeId: string; readonly address: string }
  /** Who is to blame for a round's end, from all nodes' reports? Answered by `judged-job`. */
  | {
    readonly kind: "judge-job";
    readonly restartCount: number;
    readonly reports: readonly { readonly nodeId: string; readonly report: Uint8Array }[];
    readonly lost: readonly LostSeat[];
  }
  /** The host leaves and another takes over. */
  | { readonly kind: "retire" }
  | { readonly kind: "say"; readonly level: "notice" | "warning"; readonly text: string };
