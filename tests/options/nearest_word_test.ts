import { assertEquals } from "@std/assert";
import { nearestWord } from "../../lib/options/nearest_word.ts";

Deno.test("nearestWord() finds the word that was meant", () => {
  assertEquals(nearestWord("nproc-per-mode", ["nnodes", "nproc-per-node", "node-rank"]), "nproc-per-node");
  assertEquals(nearestWord("x", ["m"]), "m");
});

Deno.test("nearestWord() keeps quiet where nothing is near", () => {
  assertEquals(nearestWord("learning-rate", ["role", "tee", "standalone"]), null);
  assertEquals(nearestWord("x", []), null);
});
