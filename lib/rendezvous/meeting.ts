/**
 * What a node's agent and its rendezvous say to each other, whatever the rendezvous is made of: alone on one machine,
 * among our own agents, or with torchrun's through a shared record.
 *
 * The agent owns this node's workers, the rendezvous owns the job: who takes part, with which ranks, how often it is
 * started again, and how it ends. One round on a node is
 *
 *     join -> (serve-store -> store-served) -> round -> running -> …
 *       … -> succeeded                              all local workers ended with 0
 *       … -> failed                                 a local worker failed: the others are being stopped already
 *       … <- round-over                             the round is over elsewhere: stop
 *     cleared                                       nothing of the round is alive on this node any more
 *     … <- go-on | job-over                         what comes next: `join` again, or the end
 */

import type { SignalName } from "../core/errors.ts";

/** A node's place in a round. */
export interface Seat {
  /** Counts the job's rounds, from 0; unlike the restart count, membership changes count too. */
  readonly round: number;
  /** TORCHELASTIC_RESTART_COUNT of this round's workers. */
  readonly restartCount: number;
  readonly groupRank: number;
  readonly groupWorldSize: number;
  /** Rank of this node's first worker. */
  readonly baseRank: number;
  readonly worldSize: number;
  /** The same among the workers of this node's role. */
  readonly baseRoleRank: number;
  readonly roleWorldSize: number;
  /** MASTER_ADDR and MASTER_PORT. */
  readonly store: StorePlace;
}

export interface StorePlace {
  readonly address: string;
  readonly port: number;
  /** TORCHELASTIC_USE_AGENT_STORE: an agent serves it; false: worker rank 0 does, on a port kept for it. */
  readonly hostedByLauncher: boolean;
}

/** From the agent to its rendezvous. */
export type MeetingRequest =
  /** This node is ready to take part: no process of an earlier round is alive. */
  | { readonly kind: "join" }
  /** Answer to `serve-store`. */
  | { readonly kind: "store-served"; readonly round: number; readonly store: StorePlace }
  /** All local workers have been started. */
  | { readonly kind: "running"; readonly round: number }
  | { readonly kind: "failed"; readonly round: number; readonly failure: LocalFailure }
  /** All local workers ended with 0, and what they left is gone. */
  | { readonly kind: "succeeded"; readonly round: number }
  /** Nothing of the round is alive here. `report`: the node's facts for the judge; null: nothing failed here. */
  | { readonly kind: "cleared"; readonly round: number; readonly report: Uint8Array | null }
  /** A signal ends this node's part (`job`: everybody's). Sent at once; `cleared` follows if a round was on. */
  | { readonly kind: "leave"; readonly signal: SignalName; readonly scope: "node" | "job" };

export interface LocalFailure {
  /**
   * `worker`: it ended by itself. `start`: it could not be started, and no restart will help. `unrestartable`: it can't
   * be ended or trusted, so that nothing may be started again.
   */
  readonly kind: "worker" | "start" | "unrestartable";
  /** A clause for the others' logs, whose subject is this node: "lost rank 3 (exit code 1)". */
  readonly text: string;
  /** Exit code in a shell's terms of the first worker that failed. */
  readonly exitCode: number;
}

/** From the rendezvous to the agent. */
export type MeetingNews =
  /**
   * This node has group rank 0 in the round: an empty workers' store is to be served; answered by `store-served`.
   * `peers`: addresses from which the round's nodes may connect; empty: not known.
   */
  | { readonly kind: "serve-store"; readonly round: number; readonly peers: readonly string[] }
  /** Start the workers. */
  | { readonly kind: "round"; readonly seat: Seat }
  /**
   * The round is over elsewhere: end the workers; answered by `cleared`. `text`: why, for the log; `needsReport`: the
   * judge of a failure wants this node's facts too; `withinMs`: what is left of the workers then is killed, since the next
   * round may begin without this node. It may be said again, with less time.
   */
  | {
    readonly kind: "round-over";
    readonly round: number;
    readonly text: string;
    readonly needsReport: boolean;
    readonly withinMs?: number;
  }
  /**
   * After `cleared` or before a first round: take part in what comes next; answered by `join`. `verdict`: on the round
   * that is over, encoded; null: nothing failed in it, or this node knows best.
   */
  | { readonly kind: "go-on"; readonly text: string | null; readonly verdict: Uint8Array | null }
  /** Who is here and who is missing, kept up to date while this node waits; null: the wait is over. */
  | { readonly kind: "waiting"; readonly waiting: Waiting | null }
  /** The job is over for this node: end what runs, then leave with the outcome. */
  | { readonly kind: "job-over"; readonly outcome: JobOutcome };

export interface Waiting {
  /** One clause of why: "for nodes: 1 of 2 is here (a)", "for a free seat". */
  readonly text: string;
  readonly present: number;
  readonly min: number;
  readonly max: number;
  /** Milliseconds until the wait ends by itself, when that was said; null: it has no end. */
  readonly leftMs: number | null;
}

export interface JobOutcome {
  readonly code: number;
  /** How loud `text` is. */
  readonly level: "info" | "notice" | "error";
  /** What to say last; null: nothing. */
  readonly text: string | null;
  /** The job's verdict, encoded; null: judge from this node's facts, or nothing failed. */
  readonly verdict: Uint8Array | null;
}
