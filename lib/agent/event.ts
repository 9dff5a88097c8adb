/** Everything that can happen to an agent: one closed union, so that nothing causes work unseen. */

import type { SignalName } from "../core/errors.ts";
import type { MeetingNews } from "../rendezvous/meeting.ts";
import type { GroupEvent } from "../supervise/group.ts";
import type { Verdict } from "./report.ts";

/** What the host reports of workers and their processes goes to the group as it is. */
export type WorkerEvent = Exclude<GroupEvent, { kind: "start" | "stop" | "stop-now" | "wakeup" }>;

export type AgentEvent =
  | WorkerEvent
  /** Begin. */
  | { readonly kind: "start" }
  /** What the rendezvous says, with the verdict that came with it. */
  | { readonly kind: "news"; readonly news: MeetingNews; readonly verdict: Verdict | null }
  /** The workers' store listens (or its port is reserved for worker rank 0), and is empty. */
  | { readonly kind: "store-ready"; readonly address: string; readonly port: number }
  /** The attempt's directories are there; one error file path a worker, or empty. */
  | { readonly kind: "attempt-ready"; readonly errorFiles: readonly string[] }
  /** The system refused something that no attempt can do without: a port, a directory. */
  | { readonly kind: "not-possible"; readonly reason: string }
  /** Answer to `judge`. `report`: the same facts for the judge of the whole job; null: the job has one node. */
  | { readonly kind: "judged"; readonly verdict: Verdict; readonly report: Uint8Array | null }
  /** The launcher received a signal that it handles or forwards. */
  | { readonly kind: "signal"; readonly signal: SignalName }
  /** A worker's own deadline passed (file timer): it is to get `signal`. */
  | {
    readonly kind: "watchdog-expired";
    readonly pid: number;
    readonly signal: SignalName;
    readonly reason: string;
  }
  /** A worker has been in uninterruptible sleep for longer than allowed: it can't be trusted or restarted. */
  | { readonly kind: "uninterruptible"; readonly localRank: number; readonly reason: string }
  | { readonly kind: "wakeup" };
