import { assertEquals } from "@std/assert";
import type { TorchRecord } from "../../lib/rendezvous/torch_record.ts";
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

Deno.test("HeartbeatWatch gives a node as long as torchrun up to 2.6 needs, until a beat in a round shows that it is quicker", () => {
  const open = joined("a", rules(2)), complete = joined("ab", rules(2));
  type Look = readonly [seconds: number, record: TorchRecord];
  const beat = (seconds: number, record = complete): Look => [
    seconds,
    after(record, "keep-alive", "a", rules(2), WALL + 1e6 * seconds),
  ];
  /** How long `a` has to be silent after these looks. */
  const silentSeconds = (...looks: Look[]) => {
    const watch = new HeartbeatWatch(3_000);
    for (const [seconds, record] of looks) watch.dead(record, 1000 * seconds);
    const [seconds, record] = looks.at(-1)!;
    return [3, 15].find((more) => watch.dead(record, 1000 * (seconds + more) + 1).includes(name("a")));
  };
  assertEquals(silentSeconds(beat(0)), 15);
  assertEquals(silentSeconds(beat(0), beat(5), beat(10), beat(16)), 15);
  assertEquals(silentSeconds(beat(0), beat(2)), 3);
  assertEquals(silentSeconds(beat(0), beat(5), beat(7), beat(12)), 3);
  // It joins, and takes its place.
  assertEquals(silentSeconds(beat(0, open), beat(1, open), beat(2)), 15);
  assertEquals(silentSeconds(beat(0), beat(1, { ...complete, round: 1 })), 15);
});

Deno.test("HeartbeatWatch begins anew with a node that was gone", () => {
  const watch = new HeartbeatWatch(15_000);
  const record = joined("a", rules(3));
  watch.dead(record, 0);
  watch.dead(after(record, "remove", "a", rules(3)), 1000);
  assertEquals(watch.dead(record, 16_000), []);
});
