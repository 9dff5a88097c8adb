/**
 * What a meeting over torchrun's legacy etcd rendezvous asks of etcd's v2 API and hears from it. Paths are those of etcd;
 * keys of a round's store begin with its version: "3/MASTER_ADDR".
 */

import type { StoreAnswer, StoreOperation } from "./torch_operations.ts";

type KeyOperation = Exclude<StoreOperation, { readonly kind: "read-record" | "write-record" }>;
type KeyAnswer = Exclude<StoreAnswer, { readonly kind: "record" }>;

export type LegacyOperation =
  | KeyOperation
  /** Makes the job's folder, and lets it live for two hours more. */
  | { readonly kind: "keep-job" }
  /**
   * Reads the state: at once, or when it may differ from `known`, after `afterMs` at the latest. `members`: comes back when
   * a node's sign of life ends, too. A later one takes the place of an earlier one.
   */
  | {
    readonly kind: "read-state";
    readonly ticket: number;
    readonly known: string | null;
    readonly afterMs: number;
    readonly members: boolean;
  }
  /** Replaces the state `from`; null: only if there is none. */
  | {
    readonly kind: "swap-state";
    readonly ticket: number;
    readonly from: string | null;
    readonly to: string;
    readonly ttlSeconds: number | null;
  }
  /** Deletes the state, if it is still `from`. */
  | { readonly kind: "delete-state"; readonly ticket: number; readonly from: string }
  /** Counts the job's rounds on, and makes the folder of the next. */
  | { readonly kind: "next-version"; readonly ticket: number }
  /** Which of a round's nodes are alive: the paths of their keys. */
  | { readonly kind: "list-alive"; readonly ticket: number; readonly version: string }
  /** Says that this node is alive, for ten seconds. */
  | { readonly kind: "set-alive"; readonly ticket: number; readonly path: string }
  | { readonly kind: "drop-alive"; readonly path: string };

export type LegacyAnswer =
  | KeyAnswer
  /**
   * Answers `read-state`, `swap-state` and `delete-state`: the state as it stands; null: there is none. `done`: it is what
   * was to be written.
   */
  | { readonly kind: "state"; readonly ticket: number; readonly text: string | null; readonly done: boolean }
  | { readonly kind: "version"; readonly ticket: number; readonly version: string }
  | { readonly kind: "alive"; readonly ticket: number; readonly paths: readonly string[] }
  | { readonly kind: "set"; readonly ticket: number };
