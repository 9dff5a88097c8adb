import { assertEquals } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import {
  compareNames,
  doubleNodeRanks,
  type NodeInfo,
  orderNodes,
  seatsOf,
} from "../../lib/rendezvous/ranks.ts";
import { node } from "./scripted_job.ts";

const order = (nodes: readonly NodeInfo[], previous: readonly string[] = []) =>
  orderNodes(nodes, previous).map(({ nodeId }) => nodeId);
const nodes = (...ids: string[]) => ids.map((id) => node(id));

Deno.test("Names are sorted as people do", () => {
  const names = ["node66", "node7", "node", "gpu2-rack10", "gpu2-rack9", "gpu10", "node07a"];
  assertEquals(names.sort(compareNames), [
    "gpu2-rack9",
    "gpu2-rack10",
    "gpu10",
    "node",
    "node07a",
    "node7",
    "node66",
  ]);
});

Deno.test("The order of names is total: no two different ones are equal", () => {
  const prng = new Prng(1);
  const name = () =>
    Array.from({ length: 1 + prng.below(4) }, () => prng.pick(["a", "b", "0", "1", "01"])).join("");
  for (let round = 0; round < 5_000; round++) {
    const [a, b, c] = [name(), name(), name()];
    assertEquals(Math.sign(compareNames(a, b)), -Math.sign(compareNames(b, a)), `${a} ${b}`);
    if (a !== b) assertEquals(compareNames(a, b) !== 0, true, `${a} ${b}`);
    if (compareNames(a, b) < 0 && compareNames(b, c) < 0) {
      assertEquals(compareNames(a, c) < 0, true, `${a} ${b} ${c}`);
    }
  }
});

Deno.test("Without anything else hosts go by their names, whatever the order of arrival", () => {
  assertEquals(order(nodes("node10", "node9", "node1")), ["node1", "node9", "node10"]);
});

Deno.test("The scheduler's order counts more than names", () => {
  assertEquals(
    order([
      node("x", { schedulerRank: 2 }),
      node("y", { schedulerRank: 0 }),
      node("a", { schedulerRank: 1 }),
    ]),
    ["y", "a", "x"],
  );
});

Deno.test("Ranks that were asked for count most, also against the round before", () => {
  const asked = [node("a", { nodeRank: 2 }), node("b", { nodeRank: 0 }), node("c", { nodeRank: 1 })];
  assertEquals(order(asked, ["a", "b", "c"]), ["b", "c", "a"]);
  assertEquals(doubleNodeRanks(asked), []);
});

Deno.test("Ranks that were given twice, or not by all, do not move who has a place", () => {
  const twice = [node("a", { nodeRank: 1 }), node("b", { nodeRank: 1 }), node("c", { nodeRank: 0 })];
  assertEquals(doubleNodeRanks(twice), [1]);
  assertEquals(order(twice, ["a", "b", "c"]), ["a", "b", "c"]);
  // Among newcomers they still are the best hint.
  assertEquals(order([node("a"), node("b", { nodeRank: 0 })]), ["b", "a"]);
});

Deno.test("Who stays keeps the order, newcomers fill the holes", () => {
  assertEquals(order(nodes("c", "d", "a", "x"), ["a", "b", "c", "d"]), ["a", "x", "c", "d"]);
  assertEquals(order(nodes("d", "c", "a"), ["a", "b", "c", "d"]), ["a", "c", "d"]);
  assertEquals(order(nodes("a", "x9", "x10"), ["b", "a"]), ["x9", "a", "x10"]);
});

Deno.test("Nodes with one topology key are neighbours", () => {
  const key = (nodeId: string, topologyKey: string | null) => node(nodeId, { topologyKey });
  assertEquals(
    order([key("n1", "rack1"), key("n2", "rack2"), key("n3", "rack1"), key("n4", null), key("n5", "rack2")]),
    ["n1", "n3", "n2", "n5", "n4"],
  );
});

Deno.test("Nodes with different numbers of workers and roles get ranks without holes", () => {
  const placed = [
    node("a", { workerCount: 4, role: "trainer" }),
    node("b", { workerCount: 1, role: "reader" }),
    node("c", { workerCount: 2, role: "trainer" }),
  ];
  const store = { address: "10.0.0.1", port: 1, hostedByLauncher: true };
  const seats = seatsOf(placed, { round: 3, restartCount: 1, store });
  assertEquals(seats.map(({ groupRank }) => groupRank), [0, 1, 2]);
  assertEquals(seats.map(({ baseRank }) => baseRank), [0, 4, 5]);
  assertEquals(seats.map(({ worldSize }) => worldSize), [7, 7, 7]);
  assertEquals(seats.map(({ baseRoleRank }) => baseRoleRank), [0, 0, 4]);
  assertEquals(seats.map(({ roleWorldSize }) => roleWorldSize), [6, 1, 6]);
  assertEquals(
    seats.every((seat) => seat.groupWorldSize === 3 && seat.round === 3 && seat.store === store),
    true,
  );
});
