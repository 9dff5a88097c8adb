/**
 * `--logs-specs PATH`: a TypeScript or JavaScript module that says where each worker's output goes, in place of
 * torchrun's Python entry point. This file is the interface; the module's default export is a `LogsSpecs`:
 *
 * ```ts
 * import type { LogsSpecs } from "@muster/muster/logs-specs"; // or the path of this file
 *
 * const specs: LogsSpecs = ({ jobId, attempt, workers }) => ({
 *   workers: workers.map(({ rank }) => ({
 *     stdout: { file: `/logs/${jobId}/${attempt}/rank${rank}.out`, console: rank === 0 },
 *     stderr: { file: `/logs/${jobId}/${attempt}/rank${rank}.err`, console: true },
 *   })),
 * });
 * export default specs;
 * ```
 */

import type { StreamName } from "./routing.ts";

/** Called before the workers of each attempt start; it must answer at once, so not with a promise. */
export type LogsSpecs = (attempt: LogsAttempt) => LogsPlan;

/** What the workers that are about to start are. */
export interface LogsAttempt {
  readonly jobId: string;
  readonly role: string;
  readonly hostName: string;
  /** Counts restarts, from 0. */
  readonly attempt: number;
  /** Tells incarnations of one attempt apart: 0 for the first. */
  readonly round: number;
  /** The attempt's own new directory, with one for each local rank; null with `--log-dir=/dev/null`. */
  readonly directory: string | null;
  /** Of this machine, by local rank. */
  readonly workers: readonly LogsWorker[];
}

export interface LogsWorker {
  readonly localRank: number;
  /** The global rank. */
  readonly rank: number;
  /** Where the streams would go without a module, as `-r`, `-t` and the filters say. */
  readonly stdout: StreamLogs;
  readonly stderr: StreamLogs;
}

export interface LogsPlan {
  /** By local rank, one for each worker. */
  readonly workers: readonly WorkerLogs[];
}

export interface WorkerLogs {
  readonly stdout: StreamLogs;
  readonly stderr: StreamLogs;
  /** Where the worker may leave its error (TORCHELASTIC_ERROR_FILE). @default {in the attempt's directory} */
  readonly errorFile?: string | null;
}

/** Where one stream goes; nowhere with null and false. */
export interface StreamLogs {
  /** An absolute path of a file that is not there yet; folders above it are made. Null: none. */
  readonly file: string | null;
  /** Also, or only, to the launcher's console. */
  readonly console: boolean;
}

/** Finds what is wrong with what a module returned; null: nothing. */
export function problemOfLogsPlan(plan: unknown, workerCount: number): string | null {
  const workers = (plan as LogsPlan | null | undefined)?.workers;
  if (!Array.isArray(workers)) return "it must return an object with the list 'workers', and at once";
  if (workers.length !== workerCount) {
    return `its list 'workers' must have ${workerCount}, one for each local rank: it has ${workers.length}`;
  }
  const files = new Set<string>();
  for (const [localRank, worker] of workers.entries()) {
    for (const stream of ["stdout", "stderr"] satisfies StreamName[]) {
      const where = `workers[${localRank}].${stream}`;
      const logs = (worker as Partial<WorkerLogs> | null)?.[stream];
      if (typeof logs?.console !== "boolean") return `${where}.console must be true or false`;
      if (logs.file === null) continue;
      if (!isPath(logs.file)) return `${where}.file must be null or an absolute path`;
      if (files.has(logs.file)) return `${where}.file is another stream's, too: "${logs.file}"`;
      files.add(logs.file);
    }
    const { errorFile = null } = worker as WorkerLogs;
    if (errorFile !== null && !isPath(errorFile)) {
      return `workers[${localRank}].errorFile must be null or an absolute path`;
    }
  }
  return null;
}

function isPath(value: unknown): value is string {
  return typeof value === "string" && value.startsWith("/") && !value.includes("\0");
}
