import { assert, assertEquals } from "@std/assert";
import {
  formedNumber,
  FRESH_HOST_NUMBER,
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
    assert(number > FRESH_HOST_NUMBER && number < first.epoch, `${number}`);
  }
  assert(standbyNumber(first, 0) > standbyNumber(first, 1), "the first in the list is the host");
});

Deno.test("formedNumber() is above whatever the host before, or a stand-by of it, can have", () => {
  const first = formedBy(null);
  const next = formedBy(first);
  assert(next.epoch > first.epoch);
  assert(standbyNumber(next, 2) > first.epoch);
});
