/** The launcher's vocabulary: how workers, processes and endings are named in messages. */

import { SIGNAL_NUMBERS } from "../core/errors.ts";
import { type Ranges, rangesText, sizeOfRanges } from "../core/ranges.ts";
import { durationText } from "../core/time.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import type { Seat } from "../rendezvous/meeting.ts";
import type { ExitStatus } from "../supervise/exit_status.ts";
import type { GroupEffect, Leftover, WorkerRecord } from "../supervise/group.ts";

/** A list longer than this is cut: a message is read, not searched. */
const NAMED_MAX = 5;

/** "1 worker", "4 workers". */
export function workersText(count: number): string {
  return count === 1 ? "1 worker" : `${count} workers`;
}

/** More ranges than this are counted. */
const RANGES_NAMED_MAX = 32;

/** "rank 3", "ranks 0-2, 5". `unnamed`: workers beside those. */
export function ranksText(ranges: Ranges, unnamed = 0): string {
  const left = sizeOfRanges(ranges.slice(RANGES_NAMED_MAX)) + unnamed;
  const more = left === 0 ? "" : ` and ${left} more`;
  const named = rangesText(ranges.slice(0, RANGES_NAMED_MAX), ", ");
  return `${sizeOfRanges(ranges) + unnamed === 1 ? "rank" : "ranks"} ${named}${more}`;
}

/** "Worker 1 (pid 4711)"; `rank` is the one in the whole job. */
export function workerName(worker: WorkerRecord, rank: number): string {
  return `Worker ${rank} (pid ${worker.pid ?? "none"})`;
}

/** What is said of the first worker of this node that fails; `left` others are stopped within `limitMs`. */
export function failureText(
  worker: WorkerRecord,
  rank: number,
  { ending, left, limitMs }: { readonly ending: string; readonly left: number; readonly limitMs: number },
): string {
  const others = left === 1 ? "one" : left;
  const stopping = left === 0 ? "" : `; stopping the other ${others} (up to ${durationText(limitMs)})`;
  return `${workerName(worker, rank)} failed: ${ending}${stopping}`;
}

/** What is said when a signal stops this node's `left` workers. */
export function stopText(signal: string, left: number, limitMs: number): string {
  const limit = durationText(limitMs);
  return `${signal} received: waiting up to ${limit} for ${
    workersText(left)
  } to end (once more to stop at once)`;
}

/** What follows the reason for which this node's `left` workers are stopped. */
export function stoppingText(left: number, limitMs: number): string {
  if (left === 0) return "";
  if (limitMs === 0) return `; killing ${workersText(left)}`;
  return `; stopping ${workersText(left)} (up to ${durationText(limitMs)})`;
}

/** What is said when all workers of this node have been started, for the first time or again. */
export function startedText(plan: LaunchPlan, seat: Seat, isFirst: boolean): string {
  const { restartCount, store, baseRank, worldSize, groupRank, groupWorldSize } = seat;
  const ranks = ranksText([[baseRank, baseRank + plan.workerCount - 1]]);
  const again = isFirst ? "" : " again";
  const why = restartCount > 0
    ? ` (restart ${restartCount} of ${plan.maxRestarts})`
    : isFirst
    ? ""
    : " (the membership changed)";
  const place = groupWorldSize === 1
    ? ""
    : ` as ${ranks} of ${worldSize} (node ${groupRank} of ${groupWorldSize})`;
  const threads = plan.environment["OMP_NUM_THREADS"];
  // Set only where the user has not: torchrun's number is small, and worth knowing of.
  const omp = threads === undefined ? "" : `, OMP_NUM_THREADS=${threads} each`;
  const job = `job ${plan.jobId}, store ${store.address}:${store.port}`;
  return `${workersText(plan.workerCount)} started${again}${why}${place}: ${job}${omp}`;
}

/** What is said of processes that the workers left behind. */
export function leftoversText(found: Extract<GroupEffect, { kind: "leftovers-found" }>): string {
  const { leftovers, graceMs, kept } = found;
  const what = `The workers ended but left ${processNames(leftovers)}`;
  return kept
    ? `${what}; left running, as asked`
    : `${what}; ending them within ${durationText(graceMs)} (--keep-daemons leaves them)`;
}

/** How a stopped worker ended: "SIGTERM", "exit code 0". */
export function endingName(status: ExitStatus): string {
  return status.kind === "signalled" ? status.signal : `exit code ${status.code}`;
}

/** "exit code 1", "SIGSEGV (signal 11)". */
export function endingText(status: ExitStatus): string {
  if (status.kind === "exited") return `exit code ${status.code}`;
  const number = SIGNAL_NUMBERS[status.signal as keyof typeof SIGNAL_NUMBERS];
  return number === undefined ? status.signal : `${status.signal} (signal ${number})`;
}

/** "2 processes: 812 sleep 100, 813 python x.py". */
function processNames(processes: readonly Leftover[]): string {
  const named = processes.slice(0, NAMED_MAX).map(({ pid, command }) => `${pid} ${command}`).join(", ");
  const more = processes.length > NAMED_MAX ? ` and ${processes.length - NAMED_MAX} more` : "";
  return `${processes.length === 1 ? "1 process" : `${processes.length} processes`}: ${named}${more}`;
}
