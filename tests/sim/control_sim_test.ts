/**
 * The control channel between a host and its nodes under seeded faults of the network. A failure prints its seed and
 * faults; `MUSTER_SIM_SEED=<seed> deno test -A tests/sim/control_sim_test.ts` replays it.
 */

import { assert } from "@std/assert";
import { ControlWorld, faultsOf, isMild } from "./control_world.ts";

const SEEDS = 400;

const only = Deno.env.get("MUSTER_SIM_SEED");
const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, seed) => seed) : [Number(only)];

Deno.test("Control sessions keep their promises under every seeded fault", () => {
  const ends = new Map<string, number>();
  let messages = 0, resumed = 0, mild = 0;
  for (const seed of seeds) {
    const faults = faultsOf(seed);
    const world = new ControlWorld(seed, faults);
    try {
      world.run();
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}\n${JSON.stringify(faults)}`, {
        cause: error,
      });
    }
    for (const [kind, count] of world.tally.ends) ends.set(kind, (ends.get(kind) ?? 0) + count);
    messages += world.tally.messages;
    resumed += world.tally.resumed;
    if (isMild(faults)) mild++;
  }
  if (only !== undefined) return;
  // A simulation that never reaches an ending proves nothing about it.
  for (const kind of ["finished", "goodbye", "notResumed", "silent"]) {
    assert(
      (ends.get(kind) ?? 0) > SEEDS / 10,
      `hardly a session ended as ${kind}: ${JSON.stringify([...ends])}`,
    );
  }
  assert(resumed > 3 * SEEDS, `hardly a session was resumed: ${resumed}`);
  assert(messages > 100 * SEEDS, `hardly a message was sent: ${messages}`);
  assert(mild > SEEDS / 20, `hardly a seed was mild: ${mild}`);
});
