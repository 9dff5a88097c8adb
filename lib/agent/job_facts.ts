/** What is known of a failed attempt on all nodes, ready to be judged: reports, and nodes that will never report. */

import type { Ranges } from "../core/ranges.ts";
import type { InstantMs, WallMs } from "../core/time.ts";
import type { ClockEstimate } from "../store/control_heartbeat.ts";
import type { NodeReport } from "./finding.ts";

/** One node's report with its clock against that of the node that judges. */
export interface ReportedNode {
  readonly report: NodeReport;
  /** As the heartbeat to that node estimates it; null: it was never measured, so its times order nothing. */
  readonly clock: ClockEstimate | null;
}

/** A node that went away without a word of how its workers ended. */
export interface LostNode {
  readonly host: string;
  readonly groupRank: number;
  /** Global ranks of its workers. */
  readonly ranks: Ranges;
  /** Its last sign of life, on the clock of the node that judges. */
  readonly lastHeard: InstantMs;
  /** When it was given up, on the same clock. */
  readonly noticed: InstantMs;
  readonly noticedAt: WallMs;
  /** How that was noticed: completes "the node was lost: …", without full stop. */
  readonly reason: string;
}

export interface JobFacts {
  /** At least one. */
  readonly nodes: readonly ReportedNode[];
  readonly lost: readonly LostNode[];
}

/** The clock of the node that judges, by itself. */
export const OWN_CLOCK: ClockEstimate = { offsetMs: 0, errorMs: 0 };
