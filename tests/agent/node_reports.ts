/** Reports of nodes for the tests of what happens between nodes. */

import type { FailedAttempt, WorkerFacts } from "../../lib/agent/facts.ts";
import { examineAttempt, type NodeReport } from "../../lib/agent/finding.ts";
import type { LostNode, ReportedNode } from "../../lib/agent/job_facts.ts";
import { failedAttempt, STARTED_AT, workerFacts } from "./attempts.ts";

/** What node `groupRank` ("node-1" is rank 1) reports of `workers`, whose ranks say who they are. */
export function nodeReport(
  groupRank: number,
  workers: readonly WorkerFacts[],
  attempt: Partial<FailedAttempt> = {},
): NodeReport {
  return examineAttempt(
    failedAttempt(workers, { host: `node-${groupRank}`, groupRank, worldSize: 4, ...attempt }),
  );
}

/** A node whose clock is known to `errorMs`. */
export function reported(report: NodeReport, errorMs = 0): ReportedNode {
  return { report, clock: { offsetMs: 0, errorMs } };
}

/** A worker that ended with code 1 so many milliseconds after the start. */
export function endedAfter(rank: number, afterMs: number, facts: Partial<WorkerFacts> = {}): WorkerFacts {
  return workerFacts(rank, { endedAt: STARTED_AT + afterMs, ...facts });
}

export function lostNode(groupRank: number, node: Partial<LostNode> = {}): LostNode {
  return {
    host: `node-${groupRank}`,
    groupRank,
    ranks: [[groupRank * 2, groupRank * 2 + 1]],
    lastHeard: 3000,
    noticed: 3010,
    noticedAt: STARTED_AT + 2010,
    reason: "its connection was reset, and it did not come back",
    ...node,
  };
}
