import { assertEquals } from "@std/assert";
import { rangesText } from "../../lib/core/ranges.ts";

Deno.test("rangesText() draws runs together", () => {
  assertEquals(rangesText([]), "");
  assertEquals(rangesText([5]), "5");
  assertEquals(rangesText([0, 1, 3, 4, 5, 9]), "0-1,3-5,9");
});
