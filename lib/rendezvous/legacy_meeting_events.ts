/** What a meeting over torchrun's legacy etcd rendezvous is told, hears, and wants done. */

import type { EntryOptions } from "./legacy_entry.ts";
import type { LegacyAnswer, LegacyOperation } from "./legacy_operations.ts";
import type { MeetingNews, MeetingRequest } from "./meeting.ts";

export interface LegacyMeetingOptions extends EntryOptions {
  readonly jobId: string;
  /** The job's folder in etcd: "/torchelastic/p2p/run_ID". */
  readonly folder: string;
  readonly role: string;
  readonly workerCount: number;
  readonly isIdentical: boolean;
  readonly maxRestarts: number;
  /** rdzv-conf `timeout`. */
  readonly joinMs: number;
  /** For what the others answer with keys. */
  readonly readMs: number;
  readonly exitBarrierMs: number;
}

export type LegacyMeetingEvent = MeetingRequest | LegacyAnswer | { readonly kind: "wakeup" };

export type LegacyMeetingEffect =
  | { readonly kind: "news"; readonly news: MeetingNews }
  | { readonly kind: "ask"; readonly operation: LegacyOperation };
