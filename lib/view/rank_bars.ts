/**
 * Who ran when, as bars: a row for each rank. Ranks next to each other whose bars look the same become one bar over
 * several rows, so that a job of thousands stays a page that a browser likes.
 */

import type { WorkerSpan } from "./job_history.ts";

export interface Bar {
  readonly firstRank: number;
  readonly lastRank: number;
  /** In pixels. */
  readonly x: number;
  readonly width: number;
  readonly outcome: WorkerSpan["outcome"];
  /** The worker, where it is one only; else one of them. */
  readonly worker: WorkerSpan;
}

/** Narrower can't be seen. */
const WIDTH_MIN = 1;

/** `isOneByOne`: a bar for each worker, however alike they are. */
export function rankBars(
  workers: readonly WorkerSpan[],
  { pixelsPerMs, isOneByOne }: { readonly pixelsPerMs: number; readonly isOneByOne: boolean },
): Bar[] {
  const bars: { -readonly [Key in keyof Bar]: Bar[Key] }[] = [];
  /** The bar that may grow, by where it stands and what it tells. */
  const growing = new Map<string, (typeof bars)[number]>();
  for (const worker of workers) {
    const x = Math.round(worker.from * pixelsPerMs);
    const width = Math.max(WIDTH_MIN, Math.round(worker.to * pixelsPerMs) - x);
    // What failed keeps a bar of its own.
    const own = worker.outcome === "failed" ? `${worker.rank}` : "";
    const key = `${worker.attempt} ${x} ${width} ${worker.outcome} ${own}`;
    const bar = growing.get(key);
    if (!isOneByOne && bar !== undefined && bar.lastRank === worker.rank - 1) {
      bar.lastRank = worker.rank;
      continue;
    }
    const { rank, outcome } = worker;
    const begun = { firstRank: rank, lastRank: rank, x, width, outcome, worker };
    growing.set(key, begun);
    bars.push(begun);
  }
  return bars;
}
