import { assertEquals } from "@std/assert";
import { mergeRanges, numbersText, sizeOfRanges } from "../../lib/core/ranges.ts";

Deno.test("numbersText() draws runs together, in whatever order the numbers come", () => {
  assertEquals(numbersText([]), "");
  assertEquals(numbersText([5]), "5");
  assertEquals(numbersText([9, 1, 0, 4, 3, 5]), "0-1,3-5,9");
});

Deno.test("mergeRanges() joins what touches or overlaps", () => {
  const merged = mergeRanges([[8, 9], [0, 3], [4, 5], [2, 3], [11, 11]]);
  assertEquals(merged, [[0, 5], [8, 9], [11, 11]]);
  assertEquals(sizeOfRanges(merged), 9);
});
