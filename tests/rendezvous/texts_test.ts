import { assertEquals, assertMatch } from "@std/assert";
import type { NodeInfo } from "../../lib/rendezvous/ranks.ts";
import type { JobSettings } from "../../lib/rendezvous/settings.ts";
import { clip, hostNotFound, nodesText, waitingText } from "../../lib/rendezvous/texts.ts";
import { node, SETTINGS } from "./scripted_job.ts";

const FOUR: JobSettings = { ...SETTINGS, nodesMin: 4, nodesMax: 4 };
const waitsFor = (ready: readonly NodeInfo[], settings: JobSettings, before: readonly string[] = []) =>
  waitingText(ready, { before, lacksRight: false, ahead: [], heldBy: [] }, settings);

Deno.test("waitingText() says how many of how many, and who", () => {
  assertEquals(
    waitsFor([node("a"), node("b")], { ...FOUR, nodesMin: 2 }),
    "for nodes: 2 of 2 to 4 are here (a, b)",
  );
  assertEquals(waitsFor([], FOUR), "for nodes: 0 of 4 are here");
});

Deno.test("waitingText() names the numbers that are missing, where every node has one", () => {
  const ranks = (...nodeRanks: (number | null)[]) =>
    nodeRanks.map((nodeRank, index) => node("abcd"[index]!, { nodeRank }));
  assertEquals(
    waitsFor(ranks(0, 2), FOUR),
    "for nodes: 2 of 4 are here (a, b); --node-rank 1,3 are missing",
  );
  assertEquals(
    waitsFor(ranks(3, 0, 1), FOUR),
    "for nodes: 3 of 4 are here (a, b, c); --node-rank 2 is missing",
  );
  const tasks = [node("a", { schedulerRank: 0 })];
  assertEquals(
    waitsFor(tasks, FOUR),
    "for nodes: 1 of 4 is here (a); of the scheduler's tasks 1-3 are missing",
  );
  // Numbers that are not those of four nodes say nothing of who is missing, nor does any where not all need come.
  for (const odd of [ranks(0, null), ranks(1, 1), ranks(0, 4)]) {
    assertEquals(waitsFor(odd, FOUR), "for nodes: 2 of 4 are here (a, b)");
  }
  assertEquals(waitsFor(ranks(0), { ...FOUR, nodesMin: 2 }), "for nodes: 1 of 2 to 4 is here (a)");
  // Who was here before has a name.
  assertEquals(
    waitsFor(ranks(0), FOUR, ["a", "b"]),
    "for nodes: 1 of 4 is here (a); of the last round b is missing",
  );
});

Deno.test("nodesText() tells nodes of one host apart", () => {
  const nodes = [node("a", { hostName: "vm" }), node("b", { hostName: "vm" }), node("c")];
  assertEquals(nodesText(nodes), "3 nodes (a, b, c)");
  assertEquals(nodesText([node("x-1", { hostName: "vm" }), node("c")]), "2 nodes (vm, c)");
});

Deno.test("clip() makes one line of whatever came", () => {
  assertEquals(clip("lost\nmuster: error: not so"), "lost muster: error: not so");
  assertEquals(clip("x".repeat(2000)).length, 1001);
});

Deno.test("hostNotFound() says what each place did, whichever way it was put", () => {
  const problems = new Map([["a:1", "it said goodbye"], ["b:2", "can't be reached: connection refused"]]);
  assertMatch(
    hostNotFound(["a:1"], 2_000, problems),
    /^Waited 2 s for the job's host at a:1: it said goodbye \(/,
  );
  assertMatch(
    hostNotFound(["c:3"], 2_000, problems),
    /^Waited 2 s for the job's host at c:3: it did not answer \(/,
  );
  assertMatch(
    hostNotFound(["a:1", "b:2", "c:3"], 2_000, problems),
    /^Waited 2 s for the job's host: a:1 said goodbye; b:2 can't be reached: connection refused; c:3 did not answer \(/,
  );
});
