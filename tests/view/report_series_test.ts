import { assert, assertEquals } from "@std/assert";
import { readHistory } from "../../lib/view/job_history.ts";
import { countTicks, tickText, timeTicks, workersOverTime } from "../../lib/view/report_series.ts";
import { linesOf, restartedEvents } from "./histories.ts";

Deno.test("workersOverTime() counts those that run", () => {
  const { workers } = readHistory(linesOf(restartedEvents(3)))!;
  assertEquals(workersOverTime(workers).map(({ count }) => count), [3, 2, 3, 2, 1, 0]);
});

Deno.test("timeTicks() are few and round, from milliseconds to months", () => {
  for (let durationMs = 1; durationMs < 1e10; durationMs *= 3) {
    const ticks = timeTicks(durationMs, 9);
    assert(ticks.length >= 2 && ticks.length <= 10, `${ticks.length} for ${durationMs}`);
  }
  assertEquals(timeTicks(3_700_000, 9).map(tickText), [
    "0",
    "10 min",
    "20 min",
    "30 min",
    "40 min",
    "50 min",
    "1 h",
  ]);
});

Deno.test("tickText() is as short as the time is round", () => {
  assertEquals(
    [0, 250, 12_000, 90_000, 180_000, 3_600_000, 7_500_000, 4 * 86_400_000].map(tickText),
    ["0", "250 ms", "12 s", "1:30 min", "3 min", "1 h", "2:05 h", "4 d"],
  );
});

Deno.test("countTicks() are whole numbers, a handful of them", () => {
  assertEquals(countTicks(1), [0, 1]);
  assertEquals(countTicks(8), [0, 2, 4, 6, 8]);
  for (const max of [2, 3, 5, 7, 64, 100, 4096]) {
    const ticks = countTicks(max);
    assert(ticks.length >= 2 && ticks.length <= 6 && ticks.every(Number.isInteger), `${max}: ${ticks}`);
  }
});
