/** A part of the thousand kills; `deno run -A scripts/leaks.ts --count 1000` does the whole. */

import { assertEquals } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { leakTrial } from "./leak_trial.ts";

const SEED = 20;
const TRIALS = 40;
const AT_ONCE = 4;

Deno.test("killed at a random moment, the launcher leaves no process behind", async () => {
  const random = new Prng(SEED);
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const launcher = [Deno.execPath(), "run", "-A", "--quiet", main];
  for (let done = 0; done < TRIALS; done += AT_ONCE) {
    const trials = Array.from(
      { length: AT_ONCE },
      () => leakTrial(launcher, { random: random.split(), allowedMs: 5000 }),
    );
    for (const trial of await Promise.all(trials)) {
      assertEquals(
        trial.left,
        [],
        `after SIGTERM at ${trial.stoppedAtMs} ms, SIGKILL at ${trial.killedAtMs} ms`,
      );
    }
  }
});
