import { assert, assertEquals } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { readHistory } from "../../lib/view/job_history.ts";
import { linesOf, restartedEvents } from "./histories.ts";

Deno.test("readHistory() puts attempts, workers and lost time together", () => {
  const history = readHistory(linesOf(restartedEvents(4)))!;
  assertEquals(history.attempts.map(({ attempt, outcome, worldSize }) => [attempt, outcome, worldSize]), [
    [0, "failed", 4],
    [1, "succeeded", 4],
  ]);
  assertEquals(history.attempts[0]?.rootCause?.rank, 1);
  assertEquals(history.lost, [{ from: 59_920, to: 64_920 }]);
  assertEquals(history.workers.length, 8);
  assertEquals(
    history.workers.filter(({ rank }) => rank === 1).map(({ from, to, ending }) => [from, to, ending]),
    [[0, 59_920, "exit code 3"], [64_920, 1_799_921, "exit code 0"]],
  );
  assertEquals([history.end?.outcome, history.durationMs], ["succeeded", 1_799_923]);
});

Deno.test("readHistory() shows the last run of a file that holds several", () => {
  const first = linesOf(restartedEvents(2));
  const second = linesOf(
    restartedEvents(3).map((event) => ({ ...event, time: event.time + 9e6, job: "second" })),
  );
  assertEquals(readHistory(first + second)?.job, "second");
  const again = linesOf(restartedEvents(3).map((event) => ({ ...event, time: event.time + 9e6 })));
  assertEquals(readHistory(first + again)?.workers.length, 6, "the same job, started again");
});

Deno.test("readHistory() joins what the launchers of several hosts wrote", () => {
  const one = restartedEvents(2);
  const other = restartedEvents(2).map((event) => ({
    ...event,
    host: "other",
    ...("rank" in event && typeof event.rank === "number" ? { rank: event.rank + 2 } : {}),
  }));
  const history = readHistory(linesOf([...one, ...other] as typeof one))!;
  assertEquals(history.hosts, ["here", "other"]);
  assertEquals(history.attempts.length, 2, "a round is one, whoever tells of it");
  assertEquals([...new Set(history.workers.map(({ rank }) => rank))], [0, 1, 2, 3]);
});

Deno.test("readHistory() makes the best of a file that was cut anywhere, and nothing of one without events", () => {
  const whole = linesOf(restartedEvents(3));
  const prng = new Prng(3);
  for (let round = 0; round < 200; round++) {
    const history = readHistory(whole.slice(0, prng.below(whole.length)));
    if (history === null) continue;
    for (const { from, to } of [...history.workers, ...history.attempts, ...history.lost]) {
      assert(from >= 0 && to >= from && to <= history.durationMs);
    }
  }
  assertEquals(readHistory(""), null);
  assertEquals(readHistory("{}\nnothing\n"), null);
});
