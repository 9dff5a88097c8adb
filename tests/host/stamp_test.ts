import { assertEquals, assertMatch } from "@std/assert";
import type { WallMs } from "../../lib/core/time.ts";
import { newStamp, stampText } from "../../lib/host/stamp.ts";

const AT = Date.UTC(2026, 10, 23, 21, 50, 42, 7) as WallMs;

Deno.test("stampText() gives the local time, off a terminal with date and zone", () => {
  assertEquals(stampText(AT, { offsetMinutes: 60, isTerminal: true }), "22:50:42.007 ");
  assertEquals(stampText(AT, { offsetMinutes: 60, isTerminal: false }), "2026-11-23T22:50:42.007+01:00 ");
  assertEquals(stampText(AT, { offsetMinutes: -570, isTerminal: false }), "2026-11-23T12:20:42.007-09:30 ");
});

Deno.test("newStamp() tells the time", () => {
  assertMatch(newStamp(true)(), /^\d\d:\d\d:\d\d\.\d{3} $/);
});
