/** One character for what a rank does, the same in every view. */

import type { Style } from "./paint.ts";
import type { RankStatus } from "./status.ts";

/** A worker that printed nothing for this long is shown as silent: it may hang, or work on a long step. */
export const SILENT_MS = 60_000;

export type Mark = RankStatus["state"] | "silent";

/** From what matters most on: a cell for several ranks shows the first of these that one of them is in. */
export const MARKS: readonly Mark[] = ["failed", "stopped", "silent", "waiting", "running", "succeeded"];

export const MARK_LOOKS: Readonly<
  Record<Mark, { readonly sign: string; readonly style: Style; readonly name: string }>
> = {
  failed: { sign: "✗", style: "bad", name: "failed" },
  stopped: { sign: "■", style: "notice", name: "stopped" },
  silent: { sign: "○", style: "notice", name: "silent for a minute" },
  waiting: { sign: "·", style: "dim", name: "not started" },
  running: { sign: "●", style: "good", name: "running" },
  succeeded: { sign: "✓", style: "dim", name: "succeeded" },
};

export function markOf({ state, silentMs, sinceMs }: RankStatus): Mark {
  if (state !== "running") return state;
  return (silentMs ?? sinceMs ?? 0) >= SILENT_MS ? "silent" : "running";
}

/** How many of `ranks` are what, in the order of `MARKS`. */
export function countMarks(ranks: readonly RankStatus[]): ReadonlyMap<Mark, number> {
  const counts = new Map<Mark, number>(MARKS.map((mark) => [mark, 0]));
  for (const rank of ranks) {
    const mark = markOf(rank);
    counts.set(mark, counts.get(mark)! + 1);
  }
  return counts;
}

/** Needs a person's look. */
export function isTrouble(rank: RankStatus): boolean {
  const mark = markOf(rank);
  return mark === "failed" || mark === "silent";
}
