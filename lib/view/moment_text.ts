/** The events of a job as sentences, those of many workers drawn together. */

import { numbersText } from "../core/ranges.ts";
import { durationText } from "../core/time.ts";
import type { JobEvent, Outcome } from "../agent/job_event.ts";
import type { JobHistory, Moment } from "./job_history.ts";
import { countText } from "./paint.ts";

export interface MomentRow {
  readonly at: number;
  readonly host: string;
  readonly text: string;
  readonly kind: "plain" | Outcome;
}

type Ended = JobEvent & { readonly event: "worker-ended" };

/** Starts of single workers say nothing that `workers-running` does not; ends of one kind in a row are one. */
export function momentRows({ moments }: JobHistory): MomentRow[] {
  const rows: MomentRow[] = [];
  let ends: { at: number; event: Ended }[] = [];
  const flush = () => {
    const [first] = ends;
    if (first !== undefined) rows.push(endsRow(first.at, ends.map(({ event }) => event)));
    ends = [];
  };
  for (const { at, event } of moments) {
    if (event.event === "worker-ended") {
      const before = ends.at(-1)?.event;
      if (before !== undefined && !isAlike(before, event)) flush();
      ends.push({ at, event });
      continue;
    }
    if (event.event === "worker-started") continue;
    flush();
    const row = rowOf({ at, event });
    if (row !== null) rows.push(row);
  }
  flush();
  return rows;
}

function isAlike(a: Ended, b: Ended): boolean {
  return a.outcome === b.outcome && a.exitCode === b.exitCode && a.signal === b.signal && a.host === b.host;
}

function endsRow(at: number, ends: readonly Ended[]): MomentRow {
  const { host, outcome, exitCode, signal, pid } = ends[0]!;
  const ranks = numbersText(ends.map(({ rank }) => rank));
  const who = ends.length === 1 ? `Rank ${ranks} (pid ${pid})` : `Ranks ${ranks}`;
  const how = signal ?? `exit code ${exitCode}`;
  const verb = outcome === "stopped" ? (ends.length === 1 ? "was stopped" : "were stopped") : outcome;
  return {
    at,
    host,
    text: outcome === "succeeded" ? `${who} succeeded` : `${who} ${verb}: ${how}`,
    kind: outcome,
  };
}

/** Null: a kind of event that this version does not know. */
function rowOf({ at, event }: Moment): MomentRow | null {
  const found = sentence(event);
  return found === null ? null : { at, host: event.host, text: found[0], kind: found[1] ?? "plain" };
}

function sentence(event: JobEvent): readonly [string, Outcome?] | null {
  switch (event.event) {
    case "job-started":
      return [`Job started: ${event.program} with ${countText(event.workers, "worker")} here`];
    case "store-opened":
      return [
        `Store opened at ${event.address}:${event.port}${event.hostedBy === "worker" ? ", for rank 0" : ""}`,
      ];
    case "round-formed": {
      const size = `${countText(event.nodeCount, "node")}, ${countText(event.worldSize, "worker")}`;
      return [
        `Attempt ${event.attempt}, round ${event.round}: ${size}, formed in ${
          durationText(event.durationMs)
        }`,
      ];
    }
    case "round-over":
      return [`The round is over: ${event.cause}`];
    case "waiting":
      return [`Waiting ${event.text}`];
    case "node-joined":
      return [`Node ${event.node} joined, from ${event.address}`];
    case "node-left":
      return [`Node ${event.node} left`];
    case "node-lost":
      return [`Node ${event.node} was lost: ${event.cause}`, "failed"];
    case "host-known": {
      const now = event.epoch > 1 ? ` now, as host number ${event.epoch}` : "";
      return [`${event.isSelf ? "This node" : `Node ${event.node}`} hosts the job${now}`];
    }
    case "host-lost":
      return [`The job's host was lost: ${event.cause}`, "failed"];
    case "worker-not-started":
      return [`A worker could not be started: ${event.reason}`, "failed"];
    case "workers-running": {
      const lost = event.lostMs === null ? "" : `; ${durationText(event.lostMs)} lost to the failure`;
      return [
        `All ${countText(event.workers, "worker")} of this node run, after ${
          durationText(event.durationMs)
        }${lost}`,
      ];
    }
    case "signal-received":
      return [`${event.signal} received: ${SIGNAL_ACTIONS[event.action]}`];
    case "signal-sent":
      return [
        `${event.signal} sent to ${
          event.target === "group" ? "the process groups of " : ""
        }ranks ${event.ranks}: ${event.cause}`,
      ];
    case "leftovers-signalled":
      return [
        `${event.signal} sent to ${
          countText(event.processes.length, "process", "processes")
        } that workers left`,
      ];
    case "watchdog-expired":
      return [
        `Watchdog, ${event.rank === null ? `process ${event.pid}` : `rank ${event.rank}`}: ${event.reason}`,
        "failed",
      ];
    case "message":
      return [`${event.level === "error" ? "Error" : "Warning"}: ${event.text}`];
    case "attempt-ended":
      return [
        `Attempt ${event.attempt} ${event.outcome}${event.cause === null ? "" : `: ${event.cause}`}`,
        event.outcome,
      ];
    case "verdict":
      return event.rootCause === null ? ["Verdict: no worker failed by itself"] : [
        `Verdict: rank ${event.rootCause.rank} on ${event.rootCause.host} failed first: ${event.rootCause.summary}`,
      ];
    case "restart":
      return [`Restart ${event.nextAttempt} of ${event.maxRestarts}`];
    case "job-ended":
      return [
        `Job ${event.outcome}: exit code ${event.exitCode} after ${countText(event.attempts, "attempt")}`,
        event.outcome,
      ];
    default:
      return null;
  }
}

const SIGNAL_ACTIONS = {
  stop: "stopping the workers",
  again: "killing what is left",
  forward: "passed on to the workers",
} as const;
