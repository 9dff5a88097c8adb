/**
 * `deno task sim [--world NAME] [--seed N] [--seeds K | --minutes M]`: simulated jobs, one for each seed from N on. Worlds:
 * fleet (our agents and their fail-over, the default), elected (with etcd v3), torch (beside torchrun's agents). Goes on
 * after a failure, prints each with the command that repeats it, and says at the end how much was simulated. With `--seed`
 * alone that seed runs once, and all that is said is printed. `--brief`: no failure by itself; `--stop`: ends at the first.
 */

import { parseArgs } from "@std/cli/parse-args";
import { ElectedWorld } from "../tests/sim/elected_world.ts";
import { faultsOf } from "../tests/sim/fleet_faults.ts";
import { FleetWorld } from "../tests/sim/fleet_world.ts";
import { TorchWorld } from "../tests/sim/torch_world.ts";

/** Runs a seed, and counts what happened in it. */
type World = (seed: number, onLine: ((line: string) => void) | undefined) => Readonly<Record<string, number>>;

const sum = (counts: Iterable<number>) => [...counts].reduce((total, count) => total + count, 0);
const hoursOf = (ms: number) => ms / 3_600_000;
/** Of a job with etcd: with faults, then without. */
const [ELECTED_FAULTY_MS, ELECTED_QUIET_MS] = [120_000, 120_000];

const WORLDS: Readonly<Record<string, World>> = {
  fleet: (seed, onLine) => {
    const faults = faultsOf(seed);
    onLine?.(JSON.stringify(faults));
    const tally = new FleetWorld(seed, faults, onLine).run();
    return {
      ...{
        launchers: tally.launchers,
        "complete rounds": tally.completed,
        "hosts replaced": tally.takeovers,
      },
      ...{
        "faults beside those of workers": sum(tally.faults.values()),
        "virtual hours": hoursOf(tally.virtualMs),
      },
    };
  },
  elected: (seed, onLine) => {
    const world = new ElectedWorld(seed);
    try {
      world.run(ELECTED_FAULTY_MS, ELECTED_QUIET_MS);
    } finally {
      for (const line of world.trace) onLine?.(line);
    }
    return { ...world.counts, "virtual hours": hoursOf(world.now) };
  },
  torch: (seed) => {
    const { rounds, faults, virtualMs } = new TorchWorld(seed).run();
    return { rounds, faults, "virtual hours": hoursOf(virtualMs) };
  },
};

const flags = parseArgs(Deno.args, {
  string: ["world", "seed", "seeds", "minutes"],
  boolean: ["stop", "brief"],
  default: { world: "fleet" },
});
const run = WORLDS[flags.world];
const first = Number(flags.seed ?? Date.now() % 2 ** 31);
const minutes = flags.minutes === undefined ? Infinity : Number(flags.minutes);
const isOne = flags.seeds === undefined && flags.minutes === undefined;
const count = flags.seeds === undefined ? (isOne ? 1 : Infinity) : Number(flags.seeds);
if (run === undefined || ![first, minutes, count].every((number) => number >= 0)) {
  console.error(
    `--world is one of ${Object.keys(WORLDS).join(", ")}; --seed, --seeds, --minutes are numbers from 0 on`,
  );
  Deno.exit(2);
}

const startedAt = performance.now();
const problems = new Map<string, number[]>();
const sums: Record<string, number> = {};
let jobs = 0, failed = 0;

for (let seed = first; seed < first + count && performance.now() - startedAt < minutes * 60_000; seed++) {
  jobs++;
  try {
    const counts = run(seed, isOne ? (line) => console.log(line) : undefined);
    for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
  } catch (error) {
    failed++;
    const { message, stack } = error as Error;
    if (!flags.brief) {
      console.error(`seed ${seed}: ${message}`);
      console.error(`  again with: deno task sim --world ${flags.world} --seed ${seed}`);
    }
    if (isOne) console.error(stack);
    // Names and numbers differ from seed to seed.
    const kind = message.replace(/node-[\d.-]+/g, "NODE").replace(/\d+/g, "N").slice(0, 70);
    problems.set(kind, [...problems.get(kind) ?? [], seed]);
    if (flags.stop) break;
  }
}

const seconds = (performance.now() - startedAt) / 1000;
const counted = Object.entries(sums).map(([name, total]) =>
  `${Number.isInteger(total) ? total : total.toFixed(1)} ${name}`
);
console.log(`${jobs} jobs in ${seconds.toFixed(1)} s: ${counted.join(", ")}`);
for (const [kind, seeds] of [...problems].sort((a, b) => b[1].length - a[1].length)) {
  console.log(
    `${seeds.length} times: ${kind} (seeds ${seeds.slice(0, 6).join(", ")}${seeds.length > 6 ? " …" : ""})`,
  );
}
console.log(`${jobs - failed} kept all promises, ${failed} did not`);
Deno.exit(failed === 0 ? 0 : 1);
