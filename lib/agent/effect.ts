/** Everything an agent can ask of the world: one closed union, carried out by `lib/host`. */

import type { SignalName } from "../core/errors.ts";
import type { MeetingRequest, Waiting } from "../rendezvous/meeting.ts";
import type { GroupEffect } from "../supervise/group.ts";
import type { Verdict } from "./report.ts";

/** How loud a message is: `detail` only with more verbosity, `info` on a terminal, the others always. */
export type SayLevel = "detail" | "info" | "notice" | "warning" | "error";

export type AgentEffect =
  | Exclude<GroupEffect, { kind: "spawn" | "gone" | "leftovers-found" | "unkillable" }>
  /** To the rendezvous. */
  | { readonly kind: "request"; readonly request: MeetingRequest }
  /**
   * Listen for the workers, who come from `peers`, or reserve the port for worker rank 0; empty what was there; answered
   * by `store-ready`.
   */
  | { readonly kind: "open-store"; readonly peers: readonly string[] }
  /**
   * Make the attempt's directories, note the machine's counters; answered by `attempt-ready`. `round`: 0 for the first
   * incarnation of this attempt.
   */
  | { readonly kind: "prepare-attempt"; readonly attempt: number; readonly round: number }
  /** What to show while this node waits; null: the wait is over. */
  | { readonly kind: "waiting"; readonly waiting: Waiting | null }
  /** Start one worker; answered by `worker-started` or `worker-not-started`. */
  | {
    readonly kind: "spawn";
    readonly localRank: number;
    readonly arguments: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
  }
  /** A signal for one process that was checked to be of this attempt (file timer). */
  | { readonly kind: "signal-pid"; readonly pid: number; readonly signal: SignalName }
  /**
   * Drain the output, read error files and counters, and have `report.ts` judge them; answered by `judged`. The
   * judge is called by the host, which loads it only for jobs that fail.
   */
  | { readonly kind: "judge" }
  | { readonly kind: "say"; readonly level: SayLevel; readonly text: string }
  /** The job failed: show the verdict and write its copies. `attempts` has every failed attempt's verdict. */
  | { readonly kind: "report"; readonly verdict: Verdict; readonly attempts: readonly Verdict[] }
  /** The last effect: let the output drain, clean up, leave with `code`. */
  | { readonly kind: "exit"; readonly code: number };
