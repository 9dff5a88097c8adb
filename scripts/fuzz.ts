/**
 * `deno task fuzz [INPUTS] [SEED]`: generated, cut and mutated inputs for the store's decoder, 10 million by default. The
 * seed is printed, and gives the same inputs again. A fixed-seed part runs in the tests.
 */

import { Prng } from "../lib/core/prng.ts";
import { fuzzDecoder } from "../tests/store/fuzzing.ts";

const INPUTS = 10_000_000;
const BATCH = 100_000;

const inputs = Number(Deno.args[0] ?? INPUTS);
const seed = Number(Deno.args[1] ?? crypto.getRandomValues(new Uint32Array(1))[0]!);
console.log(`${inputs} inputs, seed ${seed}`);
const prng = new Prng(seed);
for (let done = 0; done < inputs; done += BATCH) {
  fuzzDecoder(prng.split(), Math.min(BATCH, inputs - done));
  const { rss } = Deno.memoryUsage();
  console.log(`${Math.min(inputs, done + BATCH)} done, ${Math.round(rss / 1e6)} MB resident`);
}
console.log("No crash, no lost or changed request, nothing kept beyond the limits");
