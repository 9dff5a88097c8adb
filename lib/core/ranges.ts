/** Sets of numbers, such as ranks and CPUs, as people and Linux write them. */

/** Ascending numbers with runs drawn together: 0, 1, 2, 3, 8 to `0-3,8`. Source: the list format of cpuset(7). */
export function rangesText(numbers: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const number of numbers) {
    const range = ranges.at(-1);
    if (range !== undefined && range[1] === number - 1) range[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => first === last ? `${first}` : `${first}-${last}`).join(",");
}
