import { assertEquals } from "@std/assert";
import { fromLocalTime, localTime } from "../../lib/agent/local_time.ts";
import { Prng } from "../../lib/core/prng.ts";

Deno.test("localTime() agrees with the platform's calendar over four hundred years", () => {
  const prng = new Prng(7);
  for (let round = 0; round < 5000; round++) {
    const at = prng.below(2 ** 32) * 3000 - 30 * 365 * 86_400_000;
    const expected = new Date(at).toISOString().slice(0, 19).replace("T", "_");
    assertEquals(localTime(at, 0), expected);
    assertEquals(fromLocalTime(expected), Math.floor(at / 1000) * 1000);
  }
});

Deno.test("localTime() moves the clock by the zone's offset, over the end of a year too", () => {
  assertEquals(localTime(Date.UTC(2026, 11, 31, 23, 30), 60), "2027-01-01_00:30:00");
  assertEquals(localTime(Date.UTC(2024, 2, 1, 0, 0), -330), "2024-02-29_18:30:00");
});

Deno.test("fromLocalTime() reads fractions of a second and nothing that is written otherwise", () => {
  assertEquals(fromLocalTime("2026-11-23_22:50:42.120Z"), Date.UTC(2026, 10, 23, 22, 50, 42, 120));
  for (const text of ["", "yesterday", "2026-11-23 22:50:42", "2026-11-23_22:50"]) {
    assertEquals(fromLocalTime(text), null);
  }
});
