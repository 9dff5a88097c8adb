/** The launcher's vocabulary: how workers, processes and endings are named in messages. */

import { SIGNAL_NUMBERS } from "../core/errors.ts";
import type { ExitStatus } from "../supervise/exit_status.ts";
import type { Leftover, WorkerRecord } from "../supervise/group.ts";

/** A list longer than this is cut: a message is read, not searched. */
const NAMED_MAX = 5;

/** "1 worker", "4 workers". */
export function workersText(count: number): string {
  return count === 1 ? "1 worker" : `${count} workers`;
}

/** "Worker 1 (pid 4711)". */
export function workerName(worker: WorkerRecord): string {
  return `Worker ${worker.localRank} (pid ${worker.pid ?? "none"})`;
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
export function processNames(processes: readonly Leftover[]): string {
  const named = processes.slice(0, NAMED_MAX).map(({ pid, command }) => `${pid} ${command}`).join(", ");
  const more = processes.length > NAMED_MAX ? ` and ${processes.length - NAMED_MAX} more` : "";
  return `${processes.length === 1 ? "1 process" : `${processes.length} processes`}: ${named}${more}`;
}
