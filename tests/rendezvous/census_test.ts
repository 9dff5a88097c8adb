/** Who may go on with a job without the machine at its endpoint. */

import { assertEquals } from "@std/assert";
import { Census, NEVER_BEGUN } from "../../lib/rendezvous/census.ts";
import { formedNumber } from "../../lib/rendezvous/job_record.ts";
import { SETTINGS } from "./scripted_job.ts";

const B = { nodeId: "b", address: "10.0.0.2:40000" };
const C = { nodeId: "c", address: "10.0.0.3:40000" };
/** The agent that knew this was one of them. */
const BEFORE = "(agent before) (gone)";
const ids = (census: Census) => census.earlier.map(({ nodeId }) => nodeId);

const everybodyOf = (census: Census) => census.everybody?.map(({ nodeId }) => nodeId) ?? null;

Deno.test("Census says each thing once", () => {
  const census = new Census(NEVER_BEGUN);
  assertEquals(census.add({ nodeId: "b", address: null }, false), [{
    ...{ kind: "add", nodeId: "b", address: null },
  }]);
  assertEquals(census.add({ nodeId: "b", address: null }, false), []);
  assertEquals(census.add(B, true), [{ kind: "add", ...B }]);
  assertEquals([...census.add(B, true), ...census.add({ nodeId: "b", address: null }, false)], []);
  assertEquals(ids(census), []);
  assertEquals(census.remove("b"), [{ kind: "gone", nodeId: "b" }]);
  assertEquals(census.remove("b"), []);
});

Deno.test("Census has a node of an earlier agent until it is gone, or was started again", () => {
  const census = new Census({ count: 1, nodes: [B, C], gone: [] });
  // It is here, but may go where it was before.
  assertEquals(census.add(B, false), []);
  assertEquals(ids(census), ["b", "c"]);
  assertEquals(census.add(B, true), []);
  assertEquals(ids(census), ["c"]);
  // Another agent has its port.
  const changes = census.add({ nodeId: "d", address: C.address }, true);
  assertEquals(changes, [{ kind: "gone", nodeId: "c" }, { kind: "add", nodeId: "d", address: C.address }]);
  assertEquals(ids(census), []);
});

Deno.test("Census is over with the job, unless those who are not accounted for are enough to go on", () => {
  for (const nodesMin of [2, 3]) {
    const census = new Census({ count: 1, nodes: [B, C], gone: [] });
    assertEquals(census.end({ ...SETTINGS, nodesMin }), nodesMin === 2 ? [] : [{ kind: "clear" }]);
    assertEquals(ids(census).length, nodesMin === 2 ? 2 : 0);
  }
  const left = new Census(NEVER_BEGUN);
  assertEquals(left.end(SETTINGS), []);
  left.add(B, true);
  left.see(formedNumber(null));
  left.remove("b");
  assertEquals(left.end(SETTINGS), [{ kind: "clear" }]);
});

Deno.test("Census counts who is gone until a round is formed without it, and not whoever left in order", () => {
  const census = new Census({ count: 1, nodes: [B, C], gone: ["x"] });
  assertEquals(everybodyOf(census), ["b", "c", "x (gone)", BEFORE]);
  assertEquals(census.remove("b"), [{ kind: "gone", nodeId: "b" }]);
  assertEquals(census.strike("c"), [{ kind: "gone", nodeId: "c" }]);
  assertEquals([census.strike("c"), everybodyOf(census)], [[], ["x (gone)", BEFORE, "c (gone)"]]);
  // Under its old name, at another port: another agent.
  census.add(B, true);
  assertEquals(census.add({ nodeId: "b", address: "10.0.0.2:1" }, true).map(({ kind }) => kind), [
    "gone",
    "add",
  ]);
  assertEquals(census.add({ nodeId: "b", address: "10.0.0.2:1" }, true), []);
  assertEquals(everybodyOf(census), ["b", "x (gone)", BEFORE, "c (gone)", "b (gone)"]);
  assertEquals([census.form(), census.form()], [[{ kind: "formed" }], []]);
  assertEquals(everybodyOf(census), ["b"]);
  assertEquals(everybodyOf(new Census(NEVER_BEGUN, false)), null);
});

Deno.test("Census knows from a round's number that the job was begun once more", () => {
  const census = new Census({ count: 1, nodes: [B], gone: ["x"] });
  assertEquals(census.see(formedNumber(null, 0)), []);
  assertEquals(census.see(formedNumber(null, 1)), [{ kind: "begin", count: 2 }]);
  assertEquals([census.begun, census.see(formedNumber(null, 1)), everybodyOf(census)], [2, [], ["b"]]);
});
