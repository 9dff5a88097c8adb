/**
 * What happened to a job, as data: the lines of `--events FILE`, and what metrics, status and reports are made from.
 *
 * Rules of the format (version 1): one JSON object a line; fields and kinds of events are only ever added; a value that
 * isn't known is null, never left out; times of day are UTC, durations milliseconds. Every line stands for itself: it
 * names the job, the host that saw it, the attempt and the round.
 */

import type { SignalName } from "../core/errors.ts";
import type { WallMs } from "../core/time.ts";
import { fromLocalTime, localTime } from "./local_time.ts";

export const EVENTS_VERSION = 1;

/** How a worker or an attempt ended. `stopped`: it ended because it was asked to. */
export type Outcome = "succeeded" | "failed" | "stopped";

/** One machine's place in a round. */
export interface NodePlace {
  readonly host: string;
  readonly nodeRank: number;
  /** The global rank of its first worker. */
  readonly firstRank: number;
  readonly workers: number;
}

interface WorkerName {
  readonly rank: number;
  readonly localRank: number;
}

/** Who failed first in an attempt, in the verdict's words. */
export interface RootCause extends WorkerName {
  readonly host: string;
  readonly pid: number;
  /** Python's convention: −n for signal n. */
  readonly exitCode: number;
  readonly signal: string | null;
  readonly kind: string;
  readonly summary: string;
}

export type JobEventBody =
  | {
    readonly event: "job-started";
    /** Of this format. */
    readonly version: typeof EVENTS_VERSION;
    readonly program: string;
    readonly role: string;
    /** Workers of this node. */
    readonly workers: number;
    readonly nodesMin: number;
    readonly nodesMax: number;
    readonly maxRestarts: number;
  }
  | {
    readonly event: "store-opened";
    readonly address: string;
    readonly port: number;
    /** "worker": rank 0 opens it, the launcher keeps the port for it. */
    readonly hostedBy: "launcher" | "worker";
    readonly durationMs: number;
  }
  /** Who takes part in the coming attempt, and with which ranks. `durationMs`: what it took to find out. */
  | {
    readonly event: "round-formed";
    readonly worldSize: number;
    readonly nodeCount: number;
    /** MASTER_ADDR and MASTER_PORT of its workers. */
    readonly store: { readonly address: string; readonly port: number };
    /** Those that the launcher knows: itself; together the launchers of a job know all. */
    readonly nodes: readonly NodePlace[];
    readonly durationMs: number;
  }
  /** The round ended on another node: a failure there, a node that was lost, or one that wants to take part. */
  | { readonly event: "round-over"; readonly cause: string }
  /** The launcher waits for other nodes. `leftMs`: until it gives up; null: never. */
  | {
    readonly event: "waiting";
    readonly text: string;
    readonly present: number;
    readonly min: number;
    readonly max: number;
    readonly leftMs: number | null;
  }
  /** Seen by the job's host: a node came, went by its own will, or was lost. `silentMs`: since it was heard last. */
  | { readonly event: "node-joined"; readonly node: string; readonly address: string }
  | { readonly event: "node-left"; readonly node: string }
  | { readonly event: "node-lost"; readonly node: string; readonly cause: string; readonly silentMs: number }
  /** Who hosts the job from now on. `epoch`: counts its hosts, from 1; more than that: another one took over. */
  | { readonly event: "host-known"; readonly node: string; readonly epoch: number; readonly isSelf: boolean }
  /** The session with the host ended otherwise than by agreement. */
  | { readonly event: "host-lost"; readonly cause: string }
  | {
    readonly event: "worker-started";
    readonly rank: number;
    readonly localRank: number;
    readonly pid: number;
  }
  | { readonly event: "worker-not-started"; readonly localRank: number; readonly reason: string }
  /** All workers of this node run. `lostMs`: since the failure that made this attempt necessary; null: there was none. */
  | {
    readonly event: "workers-running";
    readonly workers: number;
    /** Since the round was formed. */
    readonly durationMs: number;
    readonly lostMs: number | null;
  }
  | {
    readonly event: "worker-ended";
    readonly rank: number;
    readonly localRank: number;
    readonly pid: number;
    readonly outcome: Outcome;
    /** Null: a signal ended it. */
    readonly exitCode: number | null;
    readonly signal: string | null;
    readonly durationMs: number;
    /** Why it was stopped; null: it ended by itself. */
    readonly cause: string | null;
  }
  /** The launcher was signalled. `again`: it was stopping already. */
  | {
    readonly event: "signal-received";
    readonly signal: SignalName;
    readonly action: "stop" | "again" | "forward";
  }
  /** Workers were signalled, each alone or with its process group. `ranks`: as "0-3,7". */
  | {
    readonly event: "signal-sent";
    readonly signal: string;
    readonly target: "worker" | "group";
    readonly ranks: string;
    readonly cause: string;
  }
  /** Processes that workers left behind were signalled. */
  | {
    readonly event: "leftovers-signalled";
    readonly signal: string;
    readonly processes: readonly { readonly pid: number; readonly command: string }[];
  }
  /** A watchdog acts on a process; `rank` is null where it is no worker itself. */
  | {
    readonly event: "watchdog-expired";
    readonly pid: number | null;
    readonly rank: number | null;
    readonly reason: string;
  }
  /** The launcher's own warnings and errors. */
  | { readonly event: "message"; readonly level: "warning" | "error"; readonly text: string }
  | {
    readonly event: "attempt-ended";
    readonly outcome: Outcome;
    /** Since its round was formed. */
    readonly durationMs: number;
    readonly cause: string | null;
  }
  /** The judge's verdict on the attempt that failed. */
  | { readonly event: "verdict"; readonly rootCause: RootCause | null }
  /** All workers will be started again, as attempt `nextAttempt`. */
  | {
    readonly event: "restart";
    readonly nextAttempt: number;
    readonly maxRestarts: number;
    readonly cause: string;
  }
  | {
    readonly event: "job-ended";
    readonly outcome: Outcome;
    readonly exitCode: number;
    readonly durationMs: number;
    readonly attempts: number;
    /** From each failure until all workers ran again, or until the end. */
    readonly lostMs: number;
    /** From the launcher's start to the first worker's; null: none was started. */
    readonly firstWorkerMs: number | null;
    readonly cause: string | null;
  };

export interface JobEventHead {
  readonly time: WallMs;
  /** Since the launcher's start, by a clock that never jumps. */
  readonly elapsedMs: number;
  readonly job: string;
  /** The machine whose launcher saw it. */
  readonly host: string;
  /** Null: before the first. */
  readonly attempt: number | null;
  /** Null: before the first. */
  readonly round: number | null;
}

export type JobEvent = JobEventHead & JobEventBody;
export type JobEventKind = JobEventBody["event"];

/** One line of an events file, with its newline. */
export function eventLine({ time, elapsedMs, event, job, host, attempt, round, ...rest }: JobEvent): string {
  const head = { time: utcTime(time), elapsedMs: rounded(elapsedMs), event, job, host, attempt, round };
  return `${
    JSON.stringify({ ...head, ...rest }, (_, value) => typeof value === "number" ? rounded(value) : value)
  }\n`;
}

/**
 * The event on one line; null where it is none: a line that was cut when a launcher was killed, or a stranger's. Kinds
 * that a later version added are returned as they are, so readers must ignore what they do not know.
 */
export function parseEventLine(line: string): JobEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const { time, elapsedMs, event, job, host } = value as Record<string, unknown>;
  const at = typeof time === "string" ? fromLocalTime(time.replace("T", "_")) : null;
  if (at === null || typeof elapsedMs !== "number") return null;
  if (typeof event !== "string" || typeof job !== "string" || typeof host !== "string") return null;
  return { attempt: null, round: null, ...value, time: at } as JobEvent;
}

/** "2026-11-23T22:50:42.120Z". */
export function utcTime(at: WallMs): string {
  const milliseconds = String(Math.floor(at) % 1000).padStart(3, "0");
  return `${localTime(at, 0).replace("_", "T")}.${milliseconds}Z`;
}

/** Thousandths are more than the clocks are worth. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
