/** Who may go on with a job without the machine at its endpoint. */

import { assertEquals } from "@std/assert";
import { Census, NEVER_BEGUN } from "../../lib/rendezvous/census.ts";
import { SETTINGS } from "./scripted_job.ts";

const B = { nodeId: "b", address: "10.0.0.2:40000" };
const C = { nodeId: "c", address: "10.0.0.3:40000" };
const ids = (census: Census) => census.earlier.map(({ nodeId }) => nodeId);

Deno.test("Census says each thing once", () => {
  const census = new Census(NEVER_BEGUN);
  assertEquals(census.add({ nodeId: "b", address: null }, false), [{
    ...{ kind: "add", nodeId: "b", address: null },
  }]);
  assertEquals(census.add({ nodeId: "b", address: null }, false), []);
  assertEquals(census.add(B, true), [{ kind: "add", ...B }]);
  assertEquals([...census.add(B, true), ...census.add({ nodeId: "b", address: null }, false)], []);
  assertEquals(ids(census), []);
  assertEquals(census.remove("b"), [{ kind: "remove", nodeId: "b" }]);
  assertEquals(census.remove("b"), []);
});

Deno.test("Census has a node of an earlier agent until it is gone, or was started again", () => {
  const census = new Census({ count: 1, nodes: [B, C] });
  // It is here, but may go where it was before.
  assertEquals(census.add(B, false), []);
  assertEquals(ids(census), ["b", "c"]);
  assertEquals(census.add(B, true), []);
  assertEquals(ids(census), ["c"]);
  // Another agent has its port.
  const changes = census.add({ nodeId: "d", address: C.address }, true);
  assertEquals(changes, [{ kind: "remove", nodeId: "c" }, { kind: "add", nodeId: "d", address: C.address }]);
  assertEquals(ids(census), []);
});

Deno.test("Census is over with the job, unless those who are not accounted for are enough to go on", () => {
  for (const nodesMin of [2, 3]) {
    const census = new Census({ count: 1, nodes: [B, C] });
    assertEquals(census.end({ ...SETTINGS, nodesMin }), nodesMin === 2 ? [] : [{ kind: "clear" }]);
    assertEquals(ids(census).length, nodesMin === 2 ? 2 : 0);
  }
});
