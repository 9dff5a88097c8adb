/** The rule that keeps two sides of a cut from both going on, also tried on all small cases. */

import { assert, assertEquals } from "@std/assert";
import {
  formedNumber,
  FRESH_HOST_NUMBER,
  isFormedNumber,
  type JobRecord,
  mayFormNext,
  standbyNumber,
} from "../../lib/rendezvous/job_record.ts";

const record = (seats: string, hostId = "a"): JobRecord => ({
  ...{ epoch: 1, round: 0, restarts: 0, seats: [...seats], hostId },
});
const may = (seats: string, present: string, dead = "", hostId = "a") =>
  mayFormNext(record(seats, hostId), new Set(present), new Set(dead));

Deno.test("A majority of the last round's nodes may go on, and newcomers do not count", () => {
  assertEquals(may("abc", "bc"), true);
  assertEquals(may("abc", "c"), false);
  assertEquals(may("abc", "cxyz"), false);
  assertEquals(may("abcde", "cde"), true);
});

Deno.test("Half of them may if the last round's host is there", () => {
  assertEquals(may("ab", "a"), true);
  assertEquals(may("ab", "b"), false);
  assertEquals(may("abcd", "ac"), true);
  assertEquals(may("abcd", "cd"), false);
});

Deno.test("Who is known to be dead is not counted", () => {
  assertEquals(may("ab", "b", "a"), true);
  assertEquals(may("abcd", "cd", "a"), true);
  assertEquals(may("abcd", "c", "a"), false);
  assertEquals(may("abc", "x", "abc"), true, "of the dead none can go on elsewhere");
});

Deno.test("A job that has not begun may begin with anybody", () => {
  assertEquals(may("", "xyz"), true);
});

Deno.test("Whatever the cut, at most one side may go on", () => {
  for (let size = 1; size <= 6; size++) {
    const seats = [..."abcdef"].slice(0, size);
    for (let side = 0; side < 2 ** size; side++) {
      for (let dead = 0; dead < 2 ** size; dead++) {
        const isIn = (set: number) => (_: string, index: number) => (set >> index & 1) === 1;
        const gone = seats.filter(isIn(dead));
        const left = seats.filter(isIn(side)).filter((id) => !gone.includes(id));
        const right = seats.filter((id) => !left.includes(id) && !gone.includes(id));
        for (const hostId of seats) {
          const one = may(seats.join(""), `${left.join("")}xy`, gone.join(""), hostId);
          // The other side may know less of who is dead.
          const other = may(seats.join(""), `${right.join("")}vw`, "", hostId);
          assert(!(one && other), `${left} and ${right} of ${seats} with host ${hostId}, dead ${gone}`);
        }
      }
    }
  }
});

const formedBy = (previous: JobRecord | null) => ({ ...record("abcd"), epoch: formedNumber(previous) });

Deno.test("standbyNumber() is above a fresh host's and below that of the host whose round is known", () => {
  const first = formedBy(null);
  for (const place of [0, 1, 2]) {
    const number = standbyNumber(first, place);
    assert(number > FRESH_HOST_NUMBER && number < first.epoch, `${number}`);
    assert(!isFormedNumber(number));
  }
  assert(standbyNumber(first, 0) > standbyNumber(first, 1), "the first in the list is the host");
});

Deno.test("formedNumber() is above whatever the host before, or a stand-by of it, can have", () => {
  const first = formedBy(null);
  const next = formedBy(first);
  assert(next.epoch > first.epoch);
  assert(standbyNumber(next, 2) > first.epoch);
  assert(isFormedNumber(next.epoch));
});
