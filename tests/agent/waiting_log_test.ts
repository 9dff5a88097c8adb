import { assertEquals } from "@std/assert";
import { WaitingLog, waitingText } from "../../lib/agent/waiting_log.ts";
import type { Waiting } from "../../lib/rendezvous/meeting.ts";

const waiting = (text: string, leftMs: number | null = 600_000): Waiting => ({
  text,
  present: 1,
  min: 2,
  max: 2,
  leftMs,
});

Deno.test("WaitingLog says what has changed at once, and what changes soon after a while later", () => {
  const log = new WaitingLog();
  assertEquals(log.tell(waiting("for nodes: 1 of 3"), 0), "Waiting for nodes: 1 of 3, for up to 10 min");
  assertEquals(log.tell(waiting("for nodes: 2 of 3", 598_000), 2_000), null);
  assertEquals(log.nextWakeup(), 10_000);
  assertEquals(log.wake(10_000), "Waiting for nodes: 2 of 3, for up to 9 min 50 s");
  assertEquals(
    log.tell(waiting("for nodes: 1 of 3", 579_000), 21_000),
    "Waiting for nodes: 1 of 3, for up to 9 min 39 s",
  );
});

Deno.test("WaitingLog says the same again, rarely, with the time that is left", () => {
  const log = new WaitingLog();
  log.tell(waiting("for a free seat", null), 0);
  const at: number[] = [];
  for (let due = log.nextWakeup()!; due < 24 * 3_600_000; due = log.nextWakeup()!) {
    assertEquals(log.wake(due - 1), null);
    assertEquals(log.wake(due), "Waiting for a free seat");
    at.push(due / 60_000);
  }
  assertEquals(at.slice(0, 7), [1, 3, 7, 15, 31, 63, 123]);
  assertEquals(at.at(-1)! - at.at(-2)!, 60);
  // The time that is left is told anew all the while, and is no news.
  const counting = new WaitingLog();
  counting.tell(waiting("for nodes"), 0);
  for (let second = 1; second < 60; second++) {
    assertEquals(counting.tell(waiting("for nodes", 600_000 - second * 1_000), second * 1_000), null);
  }
});

Deno.test("WaitingLog has nothing to say when the wait is over", () => {
  const log = new WaitingLog();
  log.tell(waiting("for nodes"), 0);
  assertEquals(log.tell(null, 5_000), null);
  assertEquals(log.nextWakeup(), undefined);
  assertEquals(log.tell(waiting("for nodes"), 30_000), "Waiting for nodes, for up to 10 min");
});

Deno.test("waitingText() keeps the time that is left where a line is too short for the names", () => {
  const one = waiting("for nodes: 2 of 3 are here (a, b)", 59_000);
  const whole = "Waiting for nodes: 2 of 3 are here (a, b), for up to 59 s";
  assertEquals(waitingText(one, 0, whole.length), whole);
  assertEquals(waitingText(one, 0, 50), "Waiting for nodes: 2 of 3 are her…, for up to 59 s");
  assertEquals(waitingText(one, 0, 10), "…, for up ");
  assertEquals(waitingText(waiting("for a free seat", null), 0, 12), "Waiting for…");
});
