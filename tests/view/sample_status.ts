/** A status that tests change to their needs. */

import type { JobStatus, RankStatus } from "../../lib/view/status.ts";

export function rankStatus(rank: number, changes: Partial<RankStatus> = {}): RankStatus {
  return {
    rank,
    localRank: rank,
    pid: 1000 + rank,
    state: "running",
    sinceMs: 61_000,
    ending: null,
    outputBytes: 12_345 + rank,
    silentMs: 1_500,
    lastLine: `step ${100 + rank} loss 0.25`,
    ...changes,
  };
}

/** A job of `count` ranks on `hosts` machines, all of them well. */
export function jobStatus(count: number, changes: Partial<JobStatus> = {}, hosts = 1): JobStatus {
  const perNode = Math.ceil(count / hosts);
  const nodes = Array.from({ length: hosts }, (_, nodeRank) => ({
    host: hosts === 1 ? "trainer" : `gpu-${String(nodeRank).padStart(2, "0")}`,
    nodeRank,
    launcherPid: 900 + nodeRank,
    workers: Array.from(
      { length: Math.max(0, Math.min(perNode, count - nodeRank * perNode)) },
      (_, localRank) => rankStatus(nodeRank * perNode + localRank, { localRank }),
    ),
  }));
  return {
    version: 1,
    job: "llm-7b",
    program: "train.py",
    role: "default",
    phase: "running",
    elapsedMs: 3_723_000,
    attempt: 0,
    maxRestarts: 3,
    round: 0,
    worldSize: count,
    nodeCount: hosts,
    waiting: null,
    rendezvousMs: 12,
    firstWorkerMs: 80,
    lostMs: 0,
    cause: null,
    store: {
      address: "10.0.0.1",
      port: 29500,
      counters: { requests: 12_000, connections: count, keys: 37, bytes: 4096 },
    },
    nodes,
    output: null,
    ...changes,
  };
}
