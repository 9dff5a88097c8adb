import { assertEquals } from "@std/assert";
import { HeartbeatWatch } from "../../lib/rendezvous/heartbeat_watch.ts";
import { after, joined, name, rules, WALL } from "./torch_samples.ts";

Deno.test("HeartbeatWatch goes by whether a heartbeat changes, whatever the clocks of others say", () => {
  const watch = new HeartbeatWatch(15_000);
  // The clock of b is a year behind.
  const record = after(joined("a", rules(3)), "add-participant", "b", rules(3), WALL - 31e12);
  assertEquals(watch.dead(record, 0), []);
  assertEquals(watch.dead(record, 15_000), []);
  const beaten = after(record, "keep-alive", "b", rules(3), WALL - 30e12);
  assertEquals(watch.dead(beaten, 15_001), [name("a")]);
  assertEquals(watch.dead(beaten, 30_002), [name("a"), name("b")]);
});

Deno.test("HeartbeatWatch begins anew with a node that was gone", () => {
  const watch = new HeartbeatWatch(15_000);
  const record = joined("a", rules(3));
  watch.dead(record, 0);
  watch.dead(after(record, "remove", "a", rules(3)), 1000);
  assertEquals(watch.dead(record, 16_000), []);
});
