import { assertEquals } from "@std/assert";
import {
  ANY_MOMENT,
  type Candidate,
  firstOf,
  isCertainlyBefore,
  mappedMoment,
  middle,
} from "../../lib/agent/cause_order.ts";

function candidate(
  rank: number,
  groupRank: number,
  at: number,
  errorMs: number,
  strength = 1,
): Candidate<number> {
  return {
    item: rank,
    rank,
    groupRank,
    moment: { earliest: at - errorMs, latest: at + errorMs },
    local: { earliest: at, latest: at },
    likely: at,
    strength,
  };
}

const names = (candidates: readonly Candidate<number>[]) => {
  const first = firstOf(candidates);
  return first === null ? null : [first.candidate.item, ...first.rivals.map(({ item }) => item)];
};

Deno.test("mappedMoment() takes the offset out and widens by the error; without a clock nothing is known", () => {
  const at = { earliest: 1000, latest: 1004 };
  assertEquals(mappedMoment(at, { offsetMs: 400, errorMs: 3 }), { earliest: 595, latest: 607 });
  assertEquals(mappedMoment(at, null), ANY_MOMENT);
  assertEquals([middle(ANY_MOMENT), middle(at)], [Infinity, 1002]);
  assertEquals([isCertainlyBefore(at, at), isCertainlyBefore(at, { earliest: 1005, latest: 1005 })], [
    false,
    true,
  ]);
});

Deno.test("firstOf() goes by time where time is certain, whatever there is to show", () => {
  assertEquals(names([candidate(0, 0, 110, 4, 9), candidate(1, 1, 100, 4)]), [1]);
  assertEquals(names([]), null);
});

Deno.test("firstOf() goes by evidence within the clocks' error, then by the likely time", () => {
  assertEquals(names([candidate(0, 0, 105, 4, 2), candidate(1, 1, 100, 4)]), [0, 1]);
  assertEquals(names([candidate(0, 0, 105, 4), candidate(1, 1, 100, 4)]), [1, 0]);
});

Deno.test("firstOf() knows the order of two of one node exactly, however uncertain its clock is", () => {
  assertEquals(names([candidate(0, 1, 100.2, 50, 9), candidate(1, 1, 100, 50)]), [1]);
});

Deno.test("firstOf() keeps one whose clock is unknown as a rival only", () => {
  const unknown = { ...candidate(2, 2, 0, 0), moment: ANY_MOMENT, likely: Infinity };
  assertEquals(names([unknown, candidate(0, 0, 100, 0), candidate(1, 1, 200, 1)]), [0, 2]);
});
