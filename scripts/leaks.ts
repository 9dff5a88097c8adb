/**
 * `deno run -A scripts/leaks.ts [--count 1000] [--seed 1] [--launcher PROGRAM]`: kills the launcher at random
 * moments of start, run, restart and stop, and counts what it left. Ends with 1 when anything was left; a busy
 * machine may make some ends late.
 */

import { parseArgs } from "@std/cli/parse-args";
import { Prng } from "../lib/core/prng.ts";
import { leakTrial } from "../tests/e2e/leak_trial.ts";

/** Everything should be gone this long after the launcher, the guard included that sees to it. */
const PROMISED_MS = 1000;
/** What is still there then was forgotten. */
const ALLOWED_MS = 5000;
const AT_ONCE = 2;

const flags = parseArgs(Deno.args, { string: ["count", "seed", "launcher"] });
const count = Number(flags.count ?? 1000);
const seed = Number(flags.seed ?? 1);
const source = [Deno.execPath(), "run", "-A", "--quiet", new URL("../main.ts", import.meta.url).pathname];
const launcher = flags.launcher === undefined ? source : [flags.launcher];

const random = new Prng(seed);
let leaks = 0;
let late = 0;
let slowestMs = 0;
let next = 0;

async function runTrials(): Promise<void> {
  while (next < count) {
    const number = next++;
    const trial = await leakTrial(launcher, { random: random.split(), allowedMs: ALLOWED_MS });
    slowestMs = Math.max(slowestMs, trial.goneAfterMs);
    if (trial.goneAfterMs > PROMISED_MS) late++;
    if (trial.left.length > 0) {
      leaks++;
      const names = trial.left.map(({ pid, commandLine }) => `${pid} ${commandLine}`).join("; ");
      console.log(
        `trial ${number}: SIGTERM ${trial.stoppedAtMs} ms, SIGKILL ${trial.killedAtMs} ms: left ${names}`,
      );
    }
    if ((number + 1) % 100 === 0) console.log(`${number + 1} kills, ${leaks} with processes left`);
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, runTrials));
console.log(
  `${count} kills (seed ${seed}): ${leaks} left processes behind, ${late} were clean later than ${PROMISED_MS} ms, ` +
    `the last after ${Math.round(slowestMs)} ms`,
);
Deno.exit(leaks === 0 ? 0 : 1);
