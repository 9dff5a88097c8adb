/** What becomes of those who come to a port where the job is hosted no more. */

import { assertEquals } from "@std/assert";
import { Census } from "../../lib/rendezvous/census.ts";
import { Signpost } from "../../lib/rendezvous/signpost.ts";

const everybodyOf = (census: Census) => census.everybody?.map(({ nodeId }) => nodeId) ?? null;

Deno.test("Signpost keeps who comes for a moment, and sends all on together", () => {
  const signpost = new Signpost(null);
  assertEquals(signpost.nextWakeup(), undefined);
  signpost.arrive({ nodeId: "b", address: null }, false, 0);
  signpost.arrive({ nodeId: "b", address: "b:1" }, false, 10);
  signpost.arrive({ nodeId: "c", address: null }, false, 100);
  assertEquals(signpost.wake("h:1", 199), []);
  assertEquals(signpost.nextWakeup(), 200);
  assertEquals(
    signpost.wake("h:1", 200),
    ["b", "c"].map((nodeId) => ({ kind: "redirect", nodeId, address: "h:1" })),
  );
  assertEquals([signpost.nextWakeup(), signpost.wake("h:1", 900).length], [undefined, 0]);
});

Deno.test("Signpost keeps nobody who can't be told anything", () => {
  const signpost = new Signpost(null);
  signpost.arrive({ nodeId: "b", address: null }, false, 0);
  assertEquals(signpost.wake(null, 200), [{ kind: "redirect", nodeId: "b", address: null }]);
});

Deno.test("Signpost notes who comes before it sends anybody on, and says who took part", () => {
  const census = new Census({ count: 1, nodes: [{ nodeId: "d", address: "d:1" }], gone: ["e"] });
  const signpost = new Signpost(census);
  const change = { kind: "add" as const, nodeId: "b", address: "b:1" };
  assertEquals(signpost.arrive({ nodeId: "b", address: "b:1" }, false, 0), [{ kind: "census", change }]);
  assertEquals(everybodyOf(census), ["d", "b", "e (gone)", "(agent before) (gone)"]);
  // Another agent under a name that is known.
  signpost.arrive({ nodeId: "d", address: null }, false, 100);
  signpost.arrive({ nodeId: "d", address: "d:2" }, true, 101);
  assertEquals(everybodyOf(census)?.filter((nodeId) => nodeId.startsWith("d")), ["d", "d (gone)"]);
});
