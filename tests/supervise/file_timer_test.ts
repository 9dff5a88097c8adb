import { assertEquals } from "@std/assert";
import { FileTimers, LINE_BYTES_MAX, TIMERS_MAX } from "../../lib/supervise/file_timer.ts";
import { utf8 } from "../../lib/core/bytes.ts";

/** The wall clock says a million seconds when the monotonic one says 0. */
const at = (now: number) => ({ now, wallNow: 1_000_000_000 + now });

function request(pid: number, scope: string, afterMs: number, signal = 9): string {
  const expirationSeconds = afterMs < 0 ? -1 : 1_000_000 + afterMs / 1000;
  return `${
    JSON.stringify({ version: 1, pid, scope_id: scope, expiration_time: expirationSeconds, signal })
  }\n`;
}

function timersWith(...requests: string[]): FileTimers {
  const timers = new FileTimers();
  timers.receive(utf8(requests.join("")), at(0));
  return timers;
}

Deno.test("FileTimers expires a timer at its time and not before", () => {
  const timers = timersWith(request(7, "epoch", 500));
  assertEquals(timers.nextWakeup(), 500);
  assertEquals(timers.expire(499), []);
  assertEquals(timers.expire(500), [{ pid: 7, scope: "epoch", signal: 9 }]);
  assertEquals(timers.expire(9999), []);
});

Deno.test("FileTimers drops a released scope and replaces one that is set again", () => {
  assertEquals(timersWith(request(7, "a", 500), request(7, "a", -1, 0)).nextWakeup(), undefined);
  assertEquals(timersWith(request(7, "a", 500), request(7, "a", 800)).nextWakeup(), 800);
  assertEquals(timersWith(request(7, "a", 500), request(7, "b", -1, 0)).nextWakeup(), 500);
});

Deno.test("FileTimers takes a time in the past as due at once", () => {
  const timers = new FileTimers();
  timers.receive(utf8(request(7, "a", 100)), at(5000));
  assertEquals(timers.expire(5000).length, 1);
});

Deno.test("FileTimers ends a process once, by the first of its expired timers that has a signal", () => {
  const timers = timersWith(request(7, "a", 100, 0), request(7, "b", 200, 15), request(7, "c", 300, 9));
  assertEquals(timers.expire(1000), [{ pid: 7, scope: "b", signal: 15 }]);
  assertEquals(timers.nextWakeup(), undefined);
  assertEquals(timersWith(request(7, "a", 100, 0)).expire(1000), [{ pid: 7, scope: "a", signal: 0 }]);
});

Deno.test("FileTimers keeps the processes apart", () => {
  const timers = timersWith(request(7, "a", 200), request(8, "a", 100), request(9, "a", 900));
  assertEquals(timers.expire(500).map(({ pid }) => pid), [8, 7]);
  timers.forget(9);
  assertEquals(timers.nextWakeup(), undefined);
});

Deno.test("FileTimers.clear() drops everything", () => {
  const timers = timersWith(request(7, "a", 100), '{"half');
  timers.clear();
  timers.receive(utf8(request(8, "b", 300)), at(0));
  assertEquals([timers.nextWakeup(), timers.ignored], [300, 0]);
});

Deno.test("FileTimers.receive() takes requests cut anywhere, and names the pids that set a timer", () => {
  const bytes = utf8(request(7, "épo\\nque", 100) + request(7, "b", 200) + request(8, "c", -1));
  for (let cut = 0; cut <= bytes.length; cut++) {
    const timers = new FileTimers();
    const pids = [
      ...timers.receive(bytes.subarray(0, cut), at(0)),
      ...timers.receive(bytes.subarray(cut), at(0)),
    ];
    assertEquals([new Set(pids), timers.ignored], [new Set([7]), 0]);
    assertEquals(timers.expire(1000), [{ pid: 7, scope: "épo\\nque", signal: 9 }]);
  }
});

Deno.test("FileTimers.receive() ignores and counts garbage, and goes on behind it", () => {
  const garbage = [
    "hello\n",
    "null\n",
    "[]\n",
    '{"pid": 1, "scope_id": "a", "expiration_time": 1, "signal": 9}\n',
    '{"pid": -1, "scope_id": "a", "expiration_time": 1, "signal": 9}\n',
    '{"pid": 7.5, "scope_id": "a", "expiration_time": 1, "signal": 9}\n',
    '{"pid": 7, "scope_id": 1, "expiration_time": 1, "signal": 9}\n',
    '{"pid": 7, "scope_id": "a", "expiration_time": "1", "signal": 9}\n',
    '{"pid": 7, "scope_id": "a", "expiration_time": 1, "signal": "9"}\n',
  ];
  const timers = timersWith(...garbage, "\n", request(7, "a", 100));
  assertEquals([timers.ignored, timers.nextWakeup()], [garbage.length, 100]);
});

Deno.test("FileTimers has limits for who writes without end", () => {
  const endless = new FileTimers();
  endless.receive(utf8("x".repeat(LINE_BYTES_MAX + 1)), at(0));
  assertEquals(endless.ignored, 1);
  const many = new FileTimers();
  for (let scope = 0; scope < TIMERS_MAX + 3; scope++) many.receive(utf8(request(7, `${scope}`, 100)), at(0));
  assertEquals(many.ignored, 3);
});
