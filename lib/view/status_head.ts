/** The lines above the ranks: what runs, what happened to it, where it meets, how many do what. */

import { durationText } from "../core/time.ts";
import { countText, numberText, type Span } from "./paint.ts";
import { countMarks, MARK_LOOKS, MARKS } from "./rank_marks.ts";
import { allRanks, type JobStatus } from "./status.ts";

const PHASE_TEXTS: Readonly<Record<JobStatus["phase"], string>> = {
  starting: "starting",
  running: "running",
  stopping: "stopping",
  restarting: "starting again",
  succeeded: "succeeded",
  failed: "failed",
  stopped: "stopped",
};

/** `earlier`: the status before this one, for what is told as a rate; null: there is none. */
export function headLines(status: JobStatus, earlier: JobStatus | null): Span[][] {
  const { phase, elapsedMs, cause } = status;
  const isBad = phase === "failed" || phase === "stopping" || phase === "restarting";
  const title: Span[] = [
    [status.program, "bold"],
    [` · job ${status.job} · `],
    [PHASE_TEXTS[phase], isBad ? "bad" : phase === "running" || phase === "succeeded" ? "good" : "plain"],
    [` · ${durationText(elapsedMs)}`],
  ];
  const restarts: Span[] = [[restartsText(status), status.attempt > 0 ? "notice" : "plain"]];
  if (cause !== null) restarts.push([` · ${cause}`, isBad ? "bad" : "plain"]);
  return [title, restarts, [[roundText(status)]], ...storeLine(status, earlier), countsLine(status)];
}

function restartsText({ attempt, maxRestarts, lostMs }: JobStatus): string {
  if (maxRestarts === 0) return "No restarts allowed";
  if (attempt === 0) return `Not restarted (up to ${maxRestarts} allowed)`;
  const lost = lostMs > 0 ? `, ${durationText(lostMs)} lost to failures` : "";
  return `Restart ${attempt} of ${maxRestarts}${lost}`;
}

function roundText({ round, nodes, nodeCount, worldSize, rendezvousMs, waiting }: JobStatus): string {
  if (waiting !== null) return `Waiting ${waiting}`;
  const shown = nodes.length < nodeCount ? ` (${nodes.map(({ host }) => host).join(", ")} shown)` : "";
  const size = `${countText(nodeCount, "node")}${shown}, ${countText(worldSize, "worker")}`;
  if (round === null) return `${size} · no round yet`;
  const took = rendezvousMs === null ? "" : `, formed in ${durationText(rendezvousMs)}`;
  return `${size} · round ${round}${took}`;
}

function storeLine({ store, elapsedMs }: JobStatus, earlier: JobStatus | null): Span[][] {
  if (store === null) return [];
  const place = `Store ${store.address}:${store.port}`;
  const { counters } = store;
  // A worker has it, or another node.
  if (counters === null) return [[[place]]];
  const before = earlier?.store?.counters ?? null;
  const seconds = (elapsedMs - (earlier?.elapsedMs ?? elapsedMs)) / 1000;
  const isRate = before !== null && seconds > 0 && counters.requests >= before.requests;
  const requests = isRate
    ? `${numberText((counters.requests - before.requests) / seconds)} requests/s`
    : countText(counters.requests, "request");
  return [[[
    `${place} · ${requests} · ${countText(counters.connections, "connection")} · ${
      countText(counters.keys, "key")
    }`,
  ]]];
}

function countsLine(status: JobStatus): Span[] {
  const counts = countMarks(allRanks(status));
  return MARKS.filter((mark) => counts.get(mark)! > 0).flatMap((mark, index): Span[] => {
    const { sign, style, name } = MARK_LOOKS[mark];
    return [[index === 0 ? "" : "   "], [sign, style], [` ${numberText(counts.get(mark)!)} ${name}`]];
  });
}
