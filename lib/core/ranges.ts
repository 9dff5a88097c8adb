/** Sets of numbers, such as ranks and CPUs, as ranges: how thousands of them are kept and named in a line. */

/** Numbers from the first to the second, both included; ascending, without overlaps. */
export type Ranges = readonly (readonly [number, number])[];

/** The ranges of `numbers`, which may come in any order. */
export function rangesOf(numbers: readonly number[]): Ranges {
  return mergeRanges(numbers.map((number) => [number, number] as const));
}

/** One set of several, which may touch or overlap. */
export function mergeRanges(ranges: Ranges): Ranges {
  const merged: [number, number][] = [];
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/** How many numbers there are. */
export function sizeOfRanges(ranges: Ranges): number {
  return ranges.reduce((count, [from, to]) => count + to - from + 1, 0);
}

/** Numbers in any order, as people and Linux write them: `0-3,8`. Source: the list format of cpuset(7). */
export function numbersText(numbers: readonly number[]): string {
  return rangesText(rangesOf(numbers));
}

export function rangesText(ranges: Ranges, separator = ","): string {
  return ranges.map(([from, to]) => from === to ? `${from}` : `${from}-${to}`).join(separator);
}
