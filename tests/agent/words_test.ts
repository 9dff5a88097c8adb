import { assertEquals } from "@std/assert";
import { ranksText, startedText } from "../../lib/agent/words.ts";
import { rangesOf } from "../../lib/core/ranges.ts";
import { PLAN } from "../sim/plan.ts";

Deno.test("ranksText() names single ranks and ranges, and counts what is too much to read", () => {
  assertEquals(ranksText(rangesOf([3])), "rank 3");
  assertEquals(ranksText(rangesOf([5, 1, 0, 2])), "ranks 0-2, 5");
  const scattered = rangesOf(Array.from({ length: 100 }, (_, index) => index * 2));
  assertEquals(ranksText(scattered).endsWith(", 62 and 68 more"), true, ranksText(scattered));
  assertEquals(ranksText([[0, 1]], 7), "ranks 0-1 and 7 more");
});

Deno.test("startedText() says again only where this node has started workers before", () => {
  const seat = {
    ...{
      round: 2,
      groupRank: 1,
      groupWorldSize: 2,
      baseRank: 2,
      worldSize: 4,
      baseRoleRank: 2,
      roleWorldSize: 4,
    },
    store: { address: "10.0.0.1", port: 29_500, hostedByLauncher: true },
  };
  const plan = { ...PLAN, workerCount: 2, maxRestarts: 3 };
  const said = [0, 1].flatMap((restartCount) =>
    [true, false].map((isFirst) => startedText(plan, { ...seat, restartCount }, isFirst).split(":")[0])
  );
  const place = "as ranks 2-3 of 4 (node 1 of 2)";
  assertEquals(said, [
    `2 workers started ${place}`,
    `2 workers started again (the membership changed) ${place}`,
    `2 workers started (restart 1 of 3) ${place}`,
    `2 workers started again (restart 1 of 3) ${place}`,
  ]);
});
