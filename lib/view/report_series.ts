/** Numbers over time, and the marks of a time axis. */

import type { WorkerSpan } from "./job_history.ts";

export interface Step {
  readonly at: number;
  /** Workers that run from then on. */
  readonly count: number;
}

/** How many workers run, from each change on. */
export function workersOverTime(workers: readonly WorkerSpan[]): Step[] {
  const changes = new Map<number, number>();
  for (const { from, to } of workers) {
    changes.set(from, (changes.get(from) ?? 0) + 1);
    changes.set(to, (changes.get(to) ?? 0) - 1);
  }
  let count = 0;
  return [...changes].sort((a, b) => a[0] - b[0]).map(([at, change]) => ({ at, count: count += change }));
}

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((count) => count * DAY),
];

/** Round times from 0 to `durationMs`, at most `countMax` and one more. */
export function timeTicks(durationMs: number, countMax: number): number[] {
  const step = STEPS.find((size) => durationMs / size <= countMax) ?? Math.ceil(durationMs / countMax);
  return Array.from({ length: Math.floor(durationMs / step) + 1 }, (_, index) => index * step);
}

/** "0", "250 ms", "12 s", "3 min", "1:30 min", "2:05 h", "3 d": a mark of an axis. */
export function tickText(milliseconds: number): string {
  if (milliseconds === 0) return "0";
  if (milliseconds < SECOND) return `${milliseconds} ms`;
  if (milliseconds < MINUTE) return `${milliseconds / SECOND} s`;
  if (milliseconds < HOUR) return `${withSixtieths(milliseconds, MINUTE)} min`;
  if (milliseconds < 2 * DAY) return `${withSixtieths(milliseconds, HOUR)} h`;
  return `${Number((milliseconds / DAY).toFixed(1))} d`;
}

/** "2", "2:05": units and their sixtieths. */
function withSixtieths(milliseconds: number, unit: number): string {
  const rest = Math.floor((milliseconds % unit) / (unit / 60));
  return `${Math.floor(milliseconds / unit)}${rest === 0 ? "" : `:${String(rest).padStart(2, "0")}`}`;
}

/** Marks of an axis from 0 to `max`, whole numbers: three to five of them. */
export function countTicks(max: number): number[] {
  const rough = Math.max(1, max / 4);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough)!);
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, index) => index * step);
}
