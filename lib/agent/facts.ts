/**
 * What is known about workers that failed, collected by the host and judged by `report.ts`. Facts only: who is
 * to blame is decided in one place, from these.
 */

import type { InstantMs, WallMs } from "../core/time.ts";
import type { ExitStatus } from "../supervise/exit_status.ts";

/** TORCHELASTIC_ERROR_FILE of a worker, as it was found after the worker's end. */
export interface ErrorFileFacts {
  readonly path: string;
  /** Null: never written, or it can't be read; `problem` says what was in the way. */
  readonly text: string | null;
  /** When it was last written, by the file system's clock; null: never, or unknown. */
  readonly writtenAt: WallMs | null;
  /** Why a file that is there can't be used, without full stop: "is larger than 4 MiB"; null: no trouble. */
  readonly problem: string | null;
}

/** Everything known about one worker of a failed attempt. */
export interface WorkerFacts {
  readonly localRank: number;
  readonly rank: number;
  readonly pid: number;
  readonly status: ExitStatus;
  readonly startedAt: WallMs;
  readonly endedAt: WallMs;
  /** The same moment on the launcher's monotonic clock, by which ends on several nodes are put in order. */
  readonly endedInstant: InstantMs;
  /** Position in the order in which the launcher saw workers end in this attempt, from 0. */
  readonly endOrder: number;
  /** The launcher asked this worker to stop while it was alive. */
  readonly stoppedByUs: boolean;
  /** Null: this worker was given no error file. */
  readonly errorFile: ErrorFileFacts | null;
  /**
   * The last lines of the worker's stderr (of its terminal where it had one), oldest first, without newlines; null:
   * the launcher didn't see them (`--console inherit`, a rank that is filtered out).
   */
  readonly tail: readonly string[] | null;
  /** How many of the last lines in `tail` were read after the node's first failure was seen: mostly noise of it. */
  readonly linesAfterFailure: number;
  /** Log files of this worker that exist, to be named in the report. */
  readonly logFiles: readonly string[];
  /** Why a watchdog (file timer, D-state guard) ended this worker or gave it up, when one did. */
  readonly endedByWatchdog: string | null;
}

/** What the machine says about the moment of the failure. */
export interface MachineFacts {
  /** Out-of-memory kills that the cgroup counted since the attempt began; null: no counter can be read. */
  readonly outOfMemoryKills: number | null;
  /** Out-of-memory kills on the whole machine in the same time, other containers included; null: unknown. */
  readonly machineOutOfMemoryKills: number | null;
  /** The cgroup's memory limit in bytes; null: none or unknown. */
  readonly memoryLimitBytes: number | null;
  /** Free and total bytes of /dev/shm; null: unknown. */
  readonly sharedMemory: { readonly freeBytes: number; readonly totalBytes: number } | null;
  /** What the kernel logged since the attempt began of processes and devices (kernel_log.ts); null: not known. */
  readonly kernelLog: readonly string[] | null;
}

/** Which attempt of which job: the same on every node. */
export interface AttemptName {
  readonly jobId: string;
  readonly role: string;
  readonly displayName: string;
  /** The attempt's number, 0 for the first. */
  readonly attempt: number;
  readonly maxRestarts: number;
  readonly worldSize: number;
}

/** One node's part in a failed attempt, ready to be judged. */
export interface FailedAttempt extends AttemptName {
  readonly host: string;
  /** The node's rank among the nodes of the round. */
  readonly groupRank: number;
  readonly workers: readonly WorkerFacts[];
  readonly machine: MachineFacts;
}
