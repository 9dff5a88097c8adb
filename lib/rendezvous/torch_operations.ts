/**
 * What a meeting with torchrun's agents asks of the store that they share, and hears from it. The record is under
 * compare-and-set; keys are only ever set, added to and waited for. A TCPStore, a file and etcd's v2 API carry both.
 *
 * The record has no events in a PyTorch store: it must be read again and again, as torchrun does. Waiting for keys is
 * an event everywhere but in a file.
 */

import type { WallUs } from "./torch_record.ts";

export type StoreOperation =
  /** Reads the record: at once, or when it may differ from the one of `token`, after `afterMs` at the latest. */
  | {
    readonly kind: "read-record";
    readonly ticket: number;
    readonly token: string | null;
    readonly afterMs: number;
  }
  /** Replaces the record of `token`; null: only if there is none. */
  | {
    readonly kind: "write-record";
    readonly ticket: number;
    readonly bytes: Uint8Array;
    readonly token: string | null;
  }
  /** Has no answer. */
  | { readonly kind: "set-keys"; readonly entries: readonly (readonly [string, string])[] }
  /** The values once all are there, or that they are not after `limitMs`. */
  | {
    readonly kind: "get-keys";
    readonly ticket: number;
    readonly keys: readonly string[];
    readonly limitMs: number;
  }
  /** The values that are there now. */
  | { readonly kind: "look-keys"; readonly ticket: number; readonly keys: readonly string[] }
  | { readonly kind: "add-key"; readonly ticket: number; readonly key: string; readonly amount: number };

export type StoreAnswer =
  /** Answers `read-record` and `write-record`: the record as it stands. */
  | {
    readonly kind: "record";
    readonly ticket: number;
    /** Null: nobody has written one. */
    readonly state: { readonly bytes: Uint8Array; readonly token: string } | null;
    /** Null: nothing was to be written. */
    readonly written: boolean | null;
    /** This machine's clock at the answer. */
    readonly wall: WallUs;
  }
  /** Answers `get-keys` (null: some are missing) and `look-keys` (null for each that is missing). */
  | {
    readonly kind: "values";
    readonly ticket: number;
    readonly values: readonly (Uint8Array | null)[] | null;
  }
  /** Answers `add-key`. */
  | { readonly kind: "sum"; readonly ticket: number; readonly sum: number }
  /** The store can't be reached any more. `text`: what was tried and why it failed. */
  | { readonly kind: "store-lost"; readonly text: string };
