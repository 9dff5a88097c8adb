/**
 * `deno task fuzz [--inputs N] [--seed S]`: hostile bytes for all that reads from the network, ten million inputs
 * without options. Prints the seed of each part, and on a failure the command that repeats it.
 */

import { parseArgs } from "@std/cli/parse-args";
import { Prng } from "../lib/core/prng.ts";
import { fuzzConnections, fuzzReplies, fuzzRequests } from "../tests/store/codec_fuzz.ts";
import { fuzzRecords } from "../tests/rendezvous/torch_record_fuzzing.ts";
import { fuzzControlDecoder, fuzzControlMachines } from "../tests/store/control_fuzzing.ts";

/** What is fuzzed, and its share of the inputs. */
const TARGETS = [
  { name: "requests", fuzz: fuzzRequests, share: 0.44 },
  { name: "replies", fuzz: fuzzReplies, share: 0.35 },
  { name: "connections", fuzz: fuzzConnections, share: 0.1 },
  { name: "control frames", fuzz: fuzzControlDecoder, share: 0.1 },
  { name: "torchrun records", fuzz: fuzzRecords, share: 0.01 },
  // Each of these is a hundred inputs for the two machines.
  { name: "control machines", fuzz: fuzzControlMachines, share: 0.01 },
] as const;

const INPUTS_DEFAULT = 10_000_000;
/** Inputs of one seed: few enough to be repeated quickly. */
const INPUTS_PER_SEED = 100_000;

const flags = parseArgs(Deno.args, {
  string: ["inputs", "seed", "only"],
  default: { inputs: String(INPUTS_DEFAULT), seed: String(Date.now() >>> 0), only: "" },
});
const inputs = Number(flags.inputs);
const firstSeed = Number(flags.seed) >>> 0;
if (!(inputs > 0)) {
  console.error(`--inputs must be a number above 0: got ${flags.inputs}`);
  Deno.exit(2);
}

// Most inputs end in an error of which only the kind counts; its stack would take a third of the time.
Error.stackTraceLimit = 0;

for (const { name, fuzz, share } of TARGETS) {
  if (flags.only !== "" && flags.only !== name) continue;
  const count = flags.only === name ? inputs : Math.ceil(inputs * share);
  const startedAt = performance.now();
  let seed = firstSeed;
  for (let done = 0; done < count; seed++) {
    const part = Math.min(INPUTS_PER_SEED, count - done);
    try {
      fuzz(new Prng(seed), part);
    } catch (error) {
      console.error(error);
      console.error(`Failed; again with: deno task fuzz --only "${name}" --seed ${seed} --inputs ${part}`);
      Deno.exit(1);
    }
    done += part;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `${name}: ${count} inputs, seeds ${firstSeed} to ${seed - 1}, ${Math.round(count / seconds)} a second, ` +
      `${(Deno.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB resident`,
  );
}
