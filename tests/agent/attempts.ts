/** Failed attempts for the report's tests, with everything that a test doesn't care for filled in. */

import type { FailedAttempt, MachineFacts, WorkerFacts } from "../../lib/agent/facts.ts";

/** 2026-11-23 21:49:20 UTC. */
export const STARTED_AT = 1_795_470_560_000;

export const UNKNOWN_MACHINE: MachineFacts = {
  outOfMemoryKills: null,
  machineOutOfMemoryKills: null,
  memoryLimitBytes: null,
  sharedMemory: null,
  kernelLog: null,
};

/** A worker that ended with code 1 as the `rank`-th, two seconds after its start. */
export function workerFacts(rank: number, facts: Partial<WorkerFacts> = {}): WorkerFacts {
  const endOrder = facts.endOrder ?? rank;
  const endedAt = facts.endedAt ?? STARTED_AT + 2000 + endOrder * 10;
  return {
    localRank: rank,
    rank,
    pid: 4000 + rank,
    status: { kind: "exited", code: 1 },
    startedAt: STARTED_AT,
    endedAt,
    // The launcher had started a second before its workers.
    endedInstant: endedAt - STARTED_AT + 1000,
    endOrder,
    stoppedByUs: false,
    errorFile: null,
    tail: [],
    linesAfterFailure: 0,
    logFiles: [],
    endedByWatchdog: null,
    ...facts,
  };
}

/** A worker that muster ended with SIGTERM. */
export function stoppedWorker(rank: number, facts: Partial<WorkerFacts> = {}): WorkerFacts {
  return workerFacts(rank, {
    status: { kind: "signalled", signal: "SIGTERM" },
    stoppedByUs: true,
    ...facts,
  });
}

export function failedAttempt(
  workers: readonly WorkerFacts[],
  attempt: Partial<FailedAttempt> = {},
): FailedAttempt {
  return {
    jobId: "job-1",
    host: "node-a",
    groupRank: 0,
    role: "default",
    displayName: "train.py",
    attempt: 0,
    maxRestarts: 0,
    worldSize: workers.length,
    workers,
    machine: UNKNOWN_MACHINE,
    ...attempt,
  };
}

/** The text that PyTorch's `@record` writes. */
export function recordText(exception: string, timestampSeconds: number): string {
  const callstack = `Traceback (most recent call last):\n  File "train.py", line 3, in main\n${exception}\n`;
  return JSON.stringify({
    message: {
      message: exception,
      extraInfo: { py_callstack: callstack, timestamp: String(timestampSeconds) },
    },
  });
}
