import { assertEquals } from "@std/assert";
import { mergeRanges, rankCount, rankRanges, ranksText } from "../../lib/agent/ranks.ts";

Deno.test("ranksText() names single ranks and ranges, and counts what is too much to read", () => {
  assertEquals(ranksText(rankRanges([3])), "rank 3");
  assertEquals(ranksText(rankRanges([5, 1, 0, 2])), "ranks 0-2, 5");
  const scattered = rankRanges(Array.from({ length: 100 }, (_, index) => index * 2));
  assertEquals(ranksText(scattered).endsWith(", 62 and 68 more"), true, ranksText(scattered));
  assertEquals(ranksText([[0, 1]], 7), "ranks 0-1 and 7 more");
});

Deno.test("mergeRanges() joins what touches or overlaps", () => {
  const merged = mergeRanges([[8, 9], [0, 3], [4, 5], [2, 3], [11, 11]]);
  assertEquals(merged, [[0, 5], [8, 9], [11, 11]]);
  assertEquals(rankCount(merged), 9);
});
