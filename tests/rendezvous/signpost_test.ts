/** What becomes of those who come to a port where the job is hosted no more. */

import { assertEquals } from "@std/assert";
import { Signpost } from "../../lib/rendezvous/signpost.ts";

Deno.test("Signpost keeps who comes for a moment, and sends all on together", () => {
  const signpost = new Signpost();
  assertEquals(signpost.nextWakeup(), undefined);
  signpost.arrive("b", 0);
  signpost.arrive("c", 100);
  assertEquals(signpost.wake("h:1", 199), []);
  assertEquals(signpost.nextWakeup(), 200);
  assertEquals(
    signpost.wake("h:1", 200),
    ["b", "c"].map((nodeId) => ({ kind: "redirect", nodeId, address: "h:1" })),
  );
  assertEquals([signpost.nextWakeup(), signpost.wake("h:1", 900).length], [undefined, 0]);
});

Deno.test("Signpost keeps nobody who can't be told anything", () => {
  const signpost = new Signpost();
  signpost.arrive("b", 0);
  assertEquals(signpost.wake(null, 200), [{ kind: "redirect", nodeId: "b", address: null }]);
});
