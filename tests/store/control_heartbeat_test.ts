import { assertEquals, assertThrows } from "@std/assert";
import { Heartbeat, OVERSLEPT_MS } from "../../lib/store/control_heartbeat.ts";

const SETTINGS = { intervalMs: 1000, silenceMs: 3000 };

function started(now: number): Heartbeat {
  const heartbeat = new Heartbeat(SETTINGS);
  heartbeat.start(now);
  return heartbeat;
}

Deno.test("Heartbeat pings at once, and then once an interval if it is answered", () => {
  const heartbeat = started(100);
  assertEquals(heartbeat.nextWakeup(), 100);
  assertEquals(heartbeat.wake(100), { kind: "ping", id: 1 });
  assertEquals(heartbeat.wake(101), null);
  heartbeat.heard(110);
  heartbeat.answered(1, 5000, 110);
  assertEquals(heartbeat.nextWakeup(), 1100);
  assertEquals(heartbeat.wake(900), null);
  // A little early, so that many sessions ping in one go.
  assertEquals(heartbeat.wake(1000), { kind: "ping", id: 2 });
});

Deno.test("Heartbeat gives the other side up when nothing came for the whole time, and not before", () => {
  const heartbeat = started(0);
  heartbeat.wake(0);
  heartbeat.heard(500);
  assertEquals(heartbeat.nextWakeup(), 3500);
  assertEquals(heartbeat.wake(3499), null);
  assertEquals(heartbeat.wake(3500), { kind: "silent" });
});

Deno.test("Heartbeat takes any bytes for a sign of life, also where its ping stays unanswered", () => {
  const heartbeat = started(0);
  heartbeat.wake(0);
  for (let now = 1000; now <= 10_000; now += 1000) {
    heartbeat.heard(now);
    assertEquals(heartbeat.wake(now), null);
  }
});

Deno.test("Heartbeat does not blame the other side for the time in which we did not run ourselves", () => {
  const heartbeat = started(0);
  heartbeat.wake(0);
  const late = 3000 + OVERSLEPT_MS + 1;
  assertEquals(heartbeat.wake(late), null);
  // One interval is left for what lies unread.
  assertEquals(heartbeat.nextWakeup(), late + SETTINGS.intervalMs);
  assertEquals(heartbeat.wake(late + SETTINGS.intervalMs), { kind: "silent" });
});

Deno.test("Heartbeat measures the other clock to half the round trip, and keeps the best of eight", () => {
  const heartbeat = started(0);
  assertEquals(heartbeat.clock, null);
  let now = 0;
  const measure = (roundTripMs: number, offsetMs: number) => {
    const { id } = heartbeat.wake(now) as { id: number };
    // The answer was made at an end of the round trip: the worst case.
    heartbeat.answered(id, now + offsetMs, now + roundTripMs);
    heartbeat.heard(now + roundTripMs);
    now += SETTINGS.intervalMs;
  };
  measure(40, 7000);
  assertEquals(heartbeat.clock, { offsetMs: 6980, errorMs: 20 });
  measure(10, 7000);
  assertEquals(heartbeat.clock, { offsetMs: 6995, errorMs: 5 });
  for (let count = 0; count < 7; count++) measure(30, 7000);
  assertEquals(heartbeat.clock?.errorMs, 5);
  measure(30, 7000);
  assertEquals(heartbeat.clock?.errorMs, 15);
});

Deno.test("Heartbeat passes over answers to nothing, to an earlier ping, and from before a reconnection", () => {
  const heartbeat = started(0);
  heartbeat.answered(0, 1, 1);
  heartbeat.wake(0);
  heartbeat.answered(7, 1, 1);
  heartbeat.start(100);
  heartbeat.answered(1, 1, 101);
  assertEquals(heartbeat.clock, null);
  heartbeat.wake(100);
  heartbeat.answered(2, 300, 102);
  heartbeat.answered(2, 900, 200);
  assertEquals(heartbeat.clock, { offsetMs: 199, errorMs: 1 });
});

Deno.test("Heartbeat refuses a silence that one late ping would make", () => {
  assertThrows(() => new Heartbeat({ intervalMs: 1000, silenceMs: 1999 }), Error, "two intervals");
});
