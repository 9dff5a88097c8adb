import { assertEquals } from "@std/assert";
import { readHistory } from "../../lib/view/job_history.ts";
import { rankBars } from "../../lib/view/rank_bars.ts";
import { linesOf, restartedEvents } from "./histories.ts";

const { workers, durationMs } = readHistory(linesOf(restartedEvents(4096)))!;
const pixelsPerMs = 1000 / durationMs;

Deno.test("rankBars() draws thousands of equal workers as a few bars, and each failure alone", () => {
  const bars = rankBars(workers, { pixelsPerMs, isOneByOne: false });
  assertEquals(
    bars.filter(({ outcome }) => outcome !== "succeeded")
      .map(({ firstRank, lastRank, outcome }) => [firstRank, lastRank, outcome]),
    [[0, 0, "stopped"], [1, 1, "failed"], [2, 4095, "stopped"]],
  );
  const covered = bars.reduce((sum, { firstRank, lastRank }) => sum + lastRank - firstRank + 1, 0);
  assertEquals(covered, workers.length);
});

Deno.test("rankBars() draws a bar each where that is asked for", () => {
  assertEquals(rankBars(workers, { pixelsPerMs, isOneByOne: true }).length, workers.length);
});
