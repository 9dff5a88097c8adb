/** What a `HostElection` is told and what it says: etcd's answers and the owner's wishes in, requests and news out. */

import type { Host } from "./host_keys.ts";
import type { Change } from "./v3_watch.ts";
import type { V3Answer, V3Request } from "./v3_wire.ts";

export interface ElectionSettings {
  readonly jobId: string;
  readonly nodeId: string;
  /** keep_alive_interval × keep_alive_max_attempt. */
  readonly ttlMs: number;
}

export type ElectionEvent =
  /**
   * Take part; also after `deposed`, once nothing of this node's world is alive. `address`: where the others would reach
   * this node, "host:port".
   */
  | { readonly kind: "stand"; readonly address: string }
  | { readonly kind: "answered"; readonly id: number; readonly answer: V3Answer }
  /** No member answered in time: it may have happened all the same. `refused`: etcd said no, so it has not. */
  | { readonly kind: "unanswered"; readonly id: number; readonly text: string; readonly refused: boolean }
  | { readonly kind: "changed"; readonly changes: readonly Change[] }
  /** Changes have been forgotten before they were told. */
  | { readonly kind: "watch-broken" }
  /** Look now: the host seems to be gone, or to have moved. */
  | { readonly kind: "look" }
  /** The host of this epoch is proved dead (its own port refuses): there is no need to wait for its lease. */
  | { readonly kind: "host-died"; readonly epoch: number }
  /** Keep this as the job's record; answered by `saved` or `deposed`. A later one replaces those still unsent. */
  | { readonly kind: "save"; readonly id: number; readonly job: Uint8Array }
  /**
   * Stand no more; `over`: the job has ended, and its record goes too; `exitCode`: what nodes that come late are told for a
   * while; null: they may begin it anew. Answered by `left`.
   */
  | { readonly kind: "leave"; readonly over: boolean; readonly exitCode: number | null }
  | { readonly kind: "wakeup" };

export type ElectionEffect =
  /** Answered by `answered` or `unanswered`; `attemptMs`: how long one member may take. */
  | { readonly kind: "request"; readonly id: number; readonly request: V3Request; readonly attemptMs: number }
  /** Tell of every change of `key` from this revision on, instead of what was watched before. */
  | { readonly kind: "watch"; readonly key: string; readonly fromRevision: number }
  /** This node is the host; `job`: the record that an earlier host saved. */
  | { readonly kind: "elected"; readonly epoch: number; readonly job: Uint8Array | null }
  /** Another node is. */
  | { readonly kind: "host-is"; readonly host: Host }
  | { readonly kind: "no-host" }
  /** The job has ended a while ago: nobody may be its host before `ENDED_TTL_SECONDS` are over. */
  | { readonly kind: "ended"; readonly exitCode: number }
  /** This node is the host no longer: nothing of its world may be alive when `lifeMs` are over. */
  | { readonly kind: "deposed"; readonly text: string; readonly lifeMs: number }
  /** All records up to this one are kept. */
  | { readonly kind: "saved"; readonly id: number }
  /** etcd does not answer, for the log, once until `recovered`. */
  | { readonly kind: "trouble"; readonly text: string }
  | { readonly kind: "recovered" }
  | { readonly kind: "left" };
