/**
 * `deno task sim [--seed N] [--seeds K | --minutes M]`: a fleet of launchers in simulation, one run for each seed from N
 * on (`tests/sim/fleet_world.ts`). Goes on after a failure, prints each with the command that repeats it, and says at the
 * end how much was simulated. With `--seed` alone that seed runs once, and all that is said is printed.
 */

import { parseArgs } from "@std/cli/parse-args";
import { faultsOf } from "../tests/sim/fleet_faults.ts";
import { FleetWorld } from "../tests/sim/fleet_world.ts";

const flags = parseArgs(Deno.args, { string: ["seed", "seeds", "minutes"], boolean: ["stop", "brief"] });
const first = Number(flags.seed ?? Date.now() % 2 ** 31);
const minutes = flags.minutes === undefined ? Infinity : Number(flags.minutes);
const isOne = flags.seeds === undefined && flags.minutes === undefined;
const count = flags.seeds === undefined ? (isOne ? 1 : Infinity) : Number(flags.seeds);
if (![first, minutes, count].every((number) => number >= 0)) {
  console.error("--seed, --seeds and --minutes must be numbers from 0 on");
  Deno.exit(2);
}

const startedAt = performance.now();
const problems = new Map<string, number[]>();
const sums = { jobs: 0, launchers: 0, rounds: 0, takeovers: 0, faults: 0, virtualHours: 0, failed: 0 };

for (let seed = first; seed < first + count && performance.now() - startedAt < minutes * 60_000; seed++) {
  const faults = faultsOf(seed);
  sums.jobs++;
  try {
    const tally = new FleetWorld(seed, faults, isOne ? (line) => console.log(line) : undefined).run();
    sums.launchers += tally.launchers;
    sums.rounds += tally.completed;
    sums.takeovers += tally.takeovers;
    sums.virtualHours += tally.virtualMs / 3_600_000;
    for (const times of tally.faults.values()) sums.faults += times;
  } catch (error) {
    sums.failed++;
    const { message, stack } = error as Error;
    if (!flags.brief) {
      console.error(`seed ${seed}: ${message}\n  ${JSON.stringify(faults)}`);
      console.error(`  again with: deno task sim --seed ${seed}`);
    }
    if (isOne) console.error(stack);
    // Names and numbers differ from seed to seed.
    const kind = message.replace(/node-[\d.-]+/g, "NODE").replace(/\d+/g, "N").slice(0, 70);
    problems.set(kind, [...problems.get(kind) ?? [], seed]);
    if (flags.stop) break;
  }
}

const seconds = (performance.now() - startedAt) / 1000;
console.log(
  `${sums.jobs} jobs in ${
    seconds.toFixed(1)
  } s: ${sums.launchers} launchers, ${sums.rounds} complete rounds, ` +
    `${sums.takeovers} hosts replaced, ${sums.faults} faults beside those of workers, ` +
    `${sums.virtualHours.toFixed(1)} virtual hours`,
);
for (const [kind, seeds] of [...problems].sort((a, b) => b[1].length - a[1].length)) {
  console.log(
    `${seeds.length} times: ${kind} (seeds ${seeds.slice(0, 6).join(", ")}${seeds.length > 6 ? " …" : ""})`,
  );
}
console.log(`${sums.jobs - sums.failed} kept all promises, ${sums.failed} did not`);
Deno.exit(sums.failed === 0 ? 0 : 1);
