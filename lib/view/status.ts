/**
 * How a running job stands, as a launcher tells it: what `muster status` and `--json` show, and what metrics are made
 * from. One request, one answer, both a line of JSON, over the launcher's socket or the control channel.
 *
 * Rules of the format (version 1): fields are only ever added, readers ignore what they do not know, a value that isn't
 * known is null, and durations are milliseconds. No clock of another machine is compared: ages are taken where they
 * arise. Each launcher tells of its own node; whoever has several answers joins them (`joinStatuses`).
 */

import type { JobPhase, WorkerStage } from "../agent/job_progress.ts";

export interface RankStatus {
  readonly rank: number;
  readonly localRank: number;
  /** Null: not started yet. */
  readonly pid: number | null;
  readonly state: WorkerStage;
  /** For how long it has been running, or since it ended; null: not started yet. */
  readonly sinceMs: number | null;
  /** "exit code 3", "SIGKILL"; null: it has not ended. */
  readonly ending: string | null;
  readonly outputBytes: number;
  /** Since its last output; null: it printed nothing. */
  readonly silentMs: number | null;
  /** The last line that it printed, where the request asked for it and there is one. */
  readonly lastLine: string | null;
}

export interface NodeStatus {
  readonly host: string;
  readonly nodeRank: number | null;
  readonly launcherPid: number;
  readonly workers: readonly RankStatus[];
}

export interface StoreStatus {
  readonly address: string;
  readonly port: number;
  /** Null where a worker or another node has the store. */
  readonly counters: {
    readonly requests: number;
    readonly connections: number;
    readonly keys: number;
    readonly bytes: number;
  } | null;
}

export interface JobStatus {
  readonly version: 1;
  readonly job: string;
  readonly program: string;
  readonly role: string;
  readonly phase: JobPhase;
  /** Since the launcher's start. */
  readonly elapsedMs: number;
  /** 0 for the first. */
  readonly attempt: number;
  readonly maxRestarts: number;
  readonly round: number | null;
  readonly worldSize: number;
  /** Of the whole job; `nodes` has those of which the launcher that was asked knows. */
  readonly nodeCount: number;
  /** What the launcher waits for: "for nodes: 1 of 2 is here (a)"; null: it does not. */
  readonly waiting: string | null;
  readonly rendezvousMs: number | null;
  readonly firstWorkerMs: number | null;
  readonly lostMs: number;
  /** Why something was stopped or started again last; null: nothing was. */
  readonly cause: string | null;
  readonly store: StoreStatus | null;
  readonly nodes: readonly NodeStatus[];
  /** The last lines of the rank that was asked about, oldest first; null: no such rank here, or not asked. */
  readonly output: { readonly rank: number; readonly lines: readonly string[] } | null;
}

export interface StatusRequest {
  /** Whose last line to tell: of all ranks, or of these. */
  readonly lastLines: "all" | readonly number[];
  /** Whose output to tell, with how many lines at most. */
  readonly output: { readonly rank: number; readonly lines: number } | null;
}

/** A request is shorter than this, or it is no request. */
export const STATUS_REQUEST_BYTES_MAX = 64 * 1024;
export const OUTPUT_LINES_MAX = 200;
/** Of a line that is one among many. */
export const LAST_LINE_LENGTH_MAX = 200;

export function encodeStatusRequest({ lastLines, output }: StatusRequest): string {
  return JSON.stringify({ ask: "status", version: 1, lastLines, output });
}

/** Null: it is not a request for the status, or not one of ours. */
export function decodeStatusRequest(text: string): StatusRequest | null {
  const value = objectOf(text);
  if (value?.["ask"] !== "status") return null;
  const { lastLines, output } = value;
  const wanted = output as { rank?: unknown; lines?: unknown } | null | undefined;
  return {
    lastLines: lastLines === "all"
      ? "all"
      : Array.isArray(lastLines)
      ? lastLines.filter(Number.isInteger)
      : [],
    output: typeof wanted?.rank === "number" && typeof wanted.lines === "number"
      ? { rank: wanted.rank, lines: Math.min(Math.max(1, Math.floor(wanted.lines)), OUTPUT_LINES_MAX) }
      : null,
  };
}

export function encodeStatus(status: JobStatus): string {
  return JSON.stringify(
    status,
    (_, value) => typeof value === "number" && !Number.isInteger(value) ? Math.round(value) : value,
  );
}

/** Null: it is no status, or one whose version this reader does not know. */
export function decodeStatus(text: string): JobStatus | null {
  const value = objectOf(text);
  if (value?.["version"] !== 1 || typeof value["job"] !== "string") return null;
  const nodes = value["nodes"];
  if (!Array.isArray(nodes)) return null;
  if (!nodes.every((node) => typeof node === "object" && node !== null && Array.isArray(node.workers))) {
    return null;
  }
  return value as unknown as JobStatus;
}

/** `own`, with the nodes of `others` added: what the host of a job of several nodes answers. */
export function joinStatuses(own: JobStatus, others: readonly JobStatus[]): JobStatus {
  const all = [own, ...others];
  const nodes = all.flatMap((status) => status.nodes);
  const output = all.find((status) => status.output !== null)?.output ?? null;
  return { ...own, output, nodes: nodes.sort((a, b) => (a.nodeRank ?? Infinity) - (b.nodeRank ?? Infinity)) };
}

/** All ranks of all nodes, ascending. */
export function allRanks(status: JobStatus): RankStatus[] {
  return status.nodes.flatMap(({ workers }) => workers).sort((a, b) => a.rank - b.rank);
}

function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
