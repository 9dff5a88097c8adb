import { assert, assertEquals } from "@std/assert";
import {
  formedNumber,
  freshNumber,
  isNotAfter,
  isSameRound,
  type JobRecord,
  standbyNumber,
} from "../../lib/rendezvous/job_record.ts";

const record = (epoch: number, round = 0, hostId = "a"): JobRecord => ({
  ...{ epoch, round, hostId, restarts: 0, seats: ["a", "b"] },
});
const formedBy = (previous: JobRecord | null) => record(formedNumber(previous));

Deno.test("Rounds are ordered by their host's number, then by their own", () => {
  assert(isNotAfter(record(8, 3), record(8, 3, "b")));
  assert(isNotAfter(record(8, 3), record(8, 4)));
  assert(isNotAfter(record(8, 9), record(16, 4)));
  assert(!isNotAfter(record(8, 5), record(8, 4)));
  assertEquals([isSameRound(record(8), record(8)), isSameRound(record(8), record(8, 0, "b"))], [true, false]);
});

Deno.test("standbyNumber() is above a fresh host's and below that of the host whose round is known", () => {
  const first = formedBy(null);
  for (const place of [0, 1, 2]) {
    const number = standbyNumber(first, place);
    assert(number > freshNumber(0) && number < first.epoch, `${number}`);
  }
  assert(standbyNumber(first, 0) > standbyNumber(first, 1), "the first in the list is the host");
});

Deno.test("formedNumber() is above whatever the host before, or a stand-by of it, can have", () => {
  const first = formedBy(null);
  const next = formedBy(first);
  assert(next.epoch > first.epoch);
  assert(standbyNumber(next, 2) > first.epoch);
});

Deno.test("A host that is started anew is below who goes on with what was begun last, and above all others", () => {
  const older = record(formedNumber(null, 1)), last = record(formedNumber(null, 2));
  const afterMany = record(older.epoch + 100_000 * (formedNumber(older) - older.epoch));
  for (const place of [0, 1, 2]) {
    assert(standbyNumber(last, place) > freshNumber(3), "it yields to a stand-by");
  }
  assert(freshNumber(3) > formedNumber(afterMany), "it does not yield to those whose place was taken");
  // Never begun, it was not begun by anybody whose place it could take.
  assertEquals(freshNumber(0), freshNumber(1));
});
