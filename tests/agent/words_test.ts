import { assertEquals } from "@std/assert";
import { ranksText } from "../../lib/agent/words.ts";
import { rangesOf } from "../../lib/core/ranges.ts";

Deno.test("ranksText() names single ranks and ranges, and counts what is too much to read", () => {
  assertEquals(ranksText(rangesOf([3])), "rank 3");
  assertEquals(ranksText(rangesOf([5, 1, 0, 2])), "ranks 0-2, 5");
  const scattered = rangesOf(Array.from({ length: 100 }, (_, index) => index * 2));
  assertEquals(ranksText(scattered).endsWith(", 62 and 68 more"), true, ranksText(scattered));
  assertEquals(ranksText([[0, 1]], 7), "ranks 0-1 and 7 more");
});
