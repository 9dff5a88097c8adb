import { assertEquals } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import { Activity } from "../../lib/logs/activity.ts";

Deno.test("Activity counts everything and keeps the last lines only", () => {
  const activity = new Activity();
  assertEquals([activity.bytes, activity.lastAt, activity.lines(3)], [0, null, []]);
  const line = (number: number) => `step ${String(number).padStart(5, "0")} loss 0.5\n`;
  for (let step = 0; step < 1000; step++) activity.push(utf8(line(step)), step);
  assertEquals(activity.bytes, 1000 * line(0).length);
  assertEquals(activity.lastAt, 999);
  assertEquals(activity.lines(2), [line(998).trimEnd(), line(999).trimEnd()]);
});
