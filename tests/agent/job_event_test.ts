import { assert, assertEquals } from "@std/assert";
import { eventLine, parseEventLine } from "../../lib/agent/job_event.ts";
import { restartedJob } from "./recorded.ts";

Deno.test("eventLine() and parseEventLine() are each other's reverse", () => {
  const { events } = restartedJob();
  assert(events.length > 10);
  for (const event of events) {
    const line = eventLine(event);
    assertEquals(line.indexOf("\n"), line.length - 1);
    assertEquals(parseEventLine(line), event);
  }
});

Deno.test("eventLine() begins with when, what and where, for people who read the file", () => {
  const [first] = restartedJob().events;
  const start =
    '{"time":"2026-11-23T22:50:42.050Z","elapsedMs":50,"event":"job-started","job":"sim","host":"here",';
  assertEquals(eventLine(first!).slice(0, start.length), start);
});

Deno.test("parseEventLine() passes over what is no event, and returns kinds that it does not know", () => {
  const cut = eventLine(restartedJob().events[0]!).slice(0, 70);
  for (
    const line of [
      "",
      "null",
      "[]",
      "{}",
      cut,
      '{"time":"soon","elapsedMs":1,"event":"x","job":"j","host":"h"}',
    ]
  ) {
    assertEquals(parseEventLine(line), null);
  }
  const later = '{"time":"2030-01-01T00:00:00.000Z","elapsedMs":1,"event":"job-paused","job":"j","host":"h"}';
  assertEquals(parseEventLine(later)?.event as string, "job-paused");
  assertEquals(parseEventLine(later)?.attempt, null);
});
