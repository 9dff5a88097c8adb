/**
 * Gathers what the nodes report of a failed attempt, on the node that judges, and says when there is a verdict.
 *
 * Rules: causes are put in order, not arrivals, so the first report waits a moment for those of other nodes, which
 * may tell of something earlier. A node that has said that it is failing is waited for longer: it reports when its
 * workers are gone. Reports that come late still count: the verdict is complete when every node has reported or
 * is lost, and until then what changes its root cause is told at once.
 */

import { unreachable } from "../core/assert.ts";
import { Deadlines, type InstantMs } from "../core/time.ts";
import type { ClockEstimate } from "../store/control_heartbeat.ts";
import { PeerError } from "../store/wire.ts";
import type { NodeReport } from "./finding.ts";
import { type LostNode, OWN_CLOCK, type ReportedNode } from "./job_facts.ts";
import { decodeNodeReport, decodeVerdict, encodeVerdict } from "./report_codec.ts";
import { judgeJob, type Verdict } from "./report.ts";

export { examineAttempt } from "./finding.ts";

export interface VerdictWaitSettings {
  /** Ranks of the round's nodes. */
  readonly groupRanks: readonly number[];
  /** Which attempt is gathered: reports of another one are left out. */
  readonly attempt: number;
  /** From the first report to the first verdict. */
  readonly settleMs: number;
  /** From the first news of a failure to the last verdict, whoever is missing. */
  readonly limitMs: number;
}

/** What the verdict waits for other nodes' reports at least: more than any report's way through a network that works. */
export const SETTLE_MS = 200;

export type VerdictWaitEvent =
  /** A node says that a worker of its own failed and that a report will follow. */
  | { readonly kind: "failing"; readonly groupRank: number }
  /** The report of this node. */
  | { readonly kind: "own-report"; readonly report: NodeReport }
  /** Another node's, as it came, with its clock as the connection to it estimates it (null: never measured). */
  | {
    readonly kind: "report";
    readonly groupRank: number;
    readonly bytes: Uint8Array;
    readonly clock: ClockEstimate | null;
  }
  /** A node is gone and will not report. */
  | { readonly kind: "lost"; readonly node: LostNode }
  | { readonly kind: "wakeup" };

export type VerdictWaitEffect = {
  readonly kind: "verdict";
  readonly verdict: Verdict;
  /** The same for the other nodes, who make `verdict` of it with `decodeVerdict`; null: there are none. */
  readonly message: Uint8Array | null;
  /** Nothing more will come: every node has reported or is lost, or the time is over. */
  readonly isComplete: boolean;
};

export class VerdictWait {
  readonly #settings: VerdictWaitSettings;
  readonly #reported = new Map<number, ReportedNode>();
  readonly #lost = new Map<number, LostNode>();
  readonly #failing = new Set<number>();
  readonly #deadlines = new Deadlines<"settle" | "limit">();
  #hasSettled = false;
  /** Rank or lost node of the last verdict's root cause. */
  #toldCause: string | undefined;
  #isComplete = false;

  constructor(settings: VerdictWaitSettings) {
    this.#settings = settings;
  }

  /** The last effect was the last one. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  nextWakeup(): InstantMs | undefined {
    return this.#deadlines.next();
  }

  /** @throws {PeerError} A node sent what is no report; nothing has changed. */
  step(event: VerdictWaitEvent, now: InstantMs): VerdictWaitEffect[] {
    if (this.#isComplete) return [];
    if (event.kind !== "wakeup") this.#take(event, now);
    for (const name of this.#deadlines.takeDue(now)) {
      if (name === "limit") return this.#judge(true);
      this.#hasSettled = true;
    }
    if (this.#settings.groupRanks.every((rank) => this.#reported.has(rank) || this.#lost.has(rank))) {
      return this.#judge(true);
    }
    const isWaited = [...this.#failing].some((rank) => !this.#reported.has(rank) && !this.#lost.has(rank));
    return this.#hasSettled && !isWaited ? this.#judge(false) : [];
  }

  #take(event: Exclude<VerdictWaitEvent, { kind: "wakeup" }>, now: InstantMs): void {
    const { settleMs, limitMs, attempt, groupRanks } = this.#settings;
    const reported = reportedNode(event);
    if (reported !== null && reported.report.attempt.attempt !== attempt) return;
    const groupRank = groupRankOf(event);
    if (!groupRanks.includes(groupRank)) return;
    if (this.#deadlines.get("limit") === undefined) this.#deadlines.set("limit", now + limitMs);
    if (event.kind === "failing") {
      this.#failing.add(groupRank);
      return;
    }
    if (!this.#hasSettled && this.#deadlines.get("settle") === undefined) {
      this.#deadlines.set("settle", now + settleMs);
    }
    // A report that was sent before its node was lost says more than the loss; one that comes twice is the same.
    if (event.kind === "lost") {
      if (!this.#reported.has(groupRank)) this.#lost.set(groupRank, event.node);
      return;
    }
    if (!this.#reported.has(groupRank)) this.#reported.set(groupRank, reported!);
    this.#lost.delete(groupRank);
  }

  #judge(isComplete: boolean): VerdictWaitEffect[] {
    this.#isComplete = isComplete;
    if (isComplete) { for (const name of ["settle", "limit"] as const) this.#deadlines.clear(name); }
    // Nobody is left to tell: the lost nodes alone make no verdict.
    if (this.#reported.size === 0) return [];
    const facts = { nodes: [...this.#reported.values()], lost: [...this.#lost.values()] };
    const message = this.#settings.groupRanks.length === 1 ? null : encodeVerdict(judgeJob(facts));
    const verdict = message === null ? judgeJob(facts) : decodeVerdict(message);
    const { rootCause, lostFirst } = verdict;
    const cause = rootCause !== null
      ? `rank ${rootCause.facts.rank}`
      : `node ${lostFirst?.groupRank ?? "none"}`;
    const isNew = cause !== this.#toldCause;
    this.#toldCause = cause;
    return isComplete || isNew ? [{ kind: "verdict", verdict, message, isComplete }] : [];
  }
}

function groupRankOf(event: Exclude<VerdictWaitEvent, { kind: "wakeup" }>): number {
  switch (event.kind) {
    case "own-report":
      return event.report.groupRank;
    case "lost":
      return event.node.groupRank;
    case "failing":
    case "report":
      return event.groupRank;
    default:
      return unreachable(event);
  }
}

function reportedNode(event: VerdictWaitEvent): ReportedNode | null {
  if (event.kind === "own-report") return { report: event.report, clock: OWN_CLOCK };
  if (event.kind !== "report") return null;
  const report = decodeNodeReport(event.bytes);
  if (report.groupRank !== event.groupRank) {
    throw new PeerError(`sent the report of node ${report.groupRank}, being node ${event.groupRank}`);
  }
  return { report, clock: event.clock };
}
