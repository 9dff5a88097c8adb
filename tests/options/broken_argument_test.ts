import { assertEquals } from "@std/assert";
import { findBrokenArgument } from "../../lib/options/broken_argument.ts";

Deno.test("findBrokenArgument() names the argument that was not UTF-8", () => {
  assertEquals(
    findBrokenArgument(["train.py", "caf\uFFFD.txt", "\uFFFD"])?.message,
    'Argument 2 is not UTF-8 and would reach the workers changed: "caf\uFFFD.txt"',
  );
  assertEquals(findBrokenArgument(["\uD800"])?.message.startsWith("Argument 1 "), true);
});

Deno.test("findBrokenArgument() takes every other text", () => {
  assertEquals(findBrokenArgument(["", "ünï", "\u{1F600}"]), null);
});
