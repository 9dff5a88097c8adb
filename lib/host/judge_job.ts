/**
 * Judging failed attempts: of this node by itself, and of a whole job by the reports of its nodes. Loaded only by jobs
 * that fail.
 */

import type { SayLevel } from "../agent/effect.ts";
import { examineAttempt } from "../agent/finding.ts";
import { OWN_CLOCK, type ReportedNode } from "../agent/job_facts.ts";
import { judgeJob, type Verdict } from "../agent/report.ts";
import { decodeNodeReport, decodeVerdict, encodeNodeReport, encodeVerdict } from "../agent/report_codec.ts";
import type { CoordinatorEffect } from "../rendezvous/coordinator_events.ts";
import type { ClockEstimate } from "../store/control_heartbeat.ts";
import { MessageError } from "../core/json_fields.ts";
import { monotonicNow, wallNow } from "./clock.ts";
import { type AttemptParts, failedAttempt } from "./failed_attempt.ts";

/** This node's verdict on itself, and its report for the judge of the whole job where there are other nodes. */
export function judgeHere(parts: AttemptParts): { verdict: Verdict; report: Uint8Array | null } {
  const report = examineAttempt(failedAttempt(parts));
  return {
    verdict: judgeJob({ nodes: [{ report, clock: OWN_CLOCK }], lost: [] }),
    report: parts.plan.meeting === null ? null : encodeNodeReport(report),
  };
}

/** The verdict on a round by all its nodes' reports, encoded for them; null: nobody has reported anything of use. */
export function judgeRound(
  round: Extract<CoordinatorEffect, { kind: "judge-job" }>,
  { selfId, clockOf, say }: {
    readonly selfId: string;
    readonly clockOf: (nodeId: string) => ClockEstimate | null;
    readonly say: (level: SayLevel, text: string) => void;
  },
): Uint8Array | null {
  const nodes = round.reports.flatMap(({ nodeId, report }): ReportedNode[] => {
    try {
      const clock = nodeId === selfId ? OWN_CLOCK : clockOf(nodeId);
      return [{ report: decodeNodeReport(report), clock }];
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      say("warning", `The report of node ${nodeId} does not count: it ${error.message}`);
      return [];
    }
  });
  if (nodes.length === 0) return null;
  const lost = round.lost.map(({ host, groupRank, baseRank, workerCount, lastHeard, noticed, reason }) => ({
    host,
    groupRank,
    ranks: [[baseRank, baseRank + workerCount - 1]] as const,
    lastHeard,
    noticed,
    noticedAt: wallNow() - (monotonicNow() - noticed),
    reason,
  }));
  return encodeVerdict(judgeJob({ nodes, lost }));
}

/** The verdict that the job's host sent; null: it can't be read. */
export function readVerdict(bytes: Uint8Array, say: (level: SayLevel, text: string) => void): Verdict | null {
  try {
    return decodeVerdict(bytes);
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    say("warning", `The verdict of the job's host can't be shown: it ${error.message}`);
    return null;
  }
}
