/** Sets of ranks as ranges: how thousands of workers are named in a line. */

/** Ranks from the first to the second, both included; ascending, without overlaps. */
export type RankRanges = readonly (readonly [number, number])[];

/** The ranges of `ranks`, which may come in any order. */
export function rankRanges(ranks: readonly number[]): RankRanges {
  return mergeRanges(ranks.map((rank) => [rank, rank] as const));
}

/** One set of several, which may touch or overlap. */
export function mergeRanges(ranges: RankRanges): RankRanges {
  const merged: [number, number][] = [];
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

export function rankCount(ranges: RankRanges): number {
  return ranges.reduce((count, [from, to]) => count + to - from + 1, 0);
}

/** More ranges than this are counted: a line is read, not searched. */
const RANGES_SHOWN_MAX = 32;

/** "rank 3", "ranks 0-2, 5". `unnamed`: workers beside those. */
export function ranksText(ranges: RankRanges, unnamed = 0): string {
  const shown = ranges.slice(0, RANGES_SHOWN_MAX).map((
    [from, to],
  ) => (from === to ? `${from}` : `${from}-${to}`));
  const left = rankCount(ranges.slice(RANGES_SHOWN_MAX)) + unnamed;
  const more = left === 0 ? "" : ` and ${left} more`;
  return `${rankCount(ranges) + unnamed === 1 ? "rank" : "ranks"} ${shown.join(", ")}${more}`;
}
