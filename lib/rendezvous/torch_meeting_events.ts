/** What a meeting with torchrun's agents is told, hears, and wants done. */

import type { MeetingNews, MeetingRequest } from "./meeting.ts";
import type { RecordLoopOptions } from "./record_loop.ts";
import type { StoreAnswer, StoreOperation } from "./torch_operations.ts";

export interface TorchMeetingOptions extends Omit<RecordLoopOptions, "prng"> {
  readonly jobId: string;
  readonly role: string;
  readonly workerCount: number;
  readonly maxRestarts: number;
  readonly joinMs: number;
  readonly closeMs: number;
  /** For what the others answer with keys (rdzv-conf `read_timeout`). */
  readonly readMs: number;
  readonly exitBarrierMs: number;
  readonly isIdentical: boolean;
  readonly sharesStore: boolean;
  /** This agent's version, for who looks into the store. */
  readonly version: string;
  readonly seed: number;
}

export type TorchMeetingEvent = MeetingRequest | StoreAnswer | { readonly kind: "wakeup" };

export type TorchMeetingEffect =
  | { readonly kind: "news"; readonly news: MeetingNews }
  | { readonly kind: "ask"; readonly operation: StoreOperation }
  | { readonly kind: "say"; readonly level: "notice" | "warning"; readonly text: string };

/** Where the meeting stands. */
export type TorchPhase =
  /** Before a first `join`, and between `go-on` and the next. */
  | "idle"
  | "joining"
  | "assembling"
  | "running"
  /** The round is over here; the workers are being ended. */
  | "ending"
  /** The workers have succeeded, and others may not have. */
  | "finishing"
  /** On the way out: the outcome is decided. */
  | "leaving"
  | "over";
