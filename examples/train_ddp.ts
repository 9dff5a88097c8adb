/**
 * A data-parallel training without PyTorch: the workers meet through the job's store and average their gradients.
 *
 *     muster --standalone --nproc-per-node 4 --max-restarts 1 --no-python \
 *       deno run -A examples/train_ddp.ts --checkpoint /tmp/model.json --crash-at-step 25
 *
 * They look for the weights of a linear model, each with data of its own. With `--crash-at-step` the last worker
 * dies there, in the first attempt only; all go on from the checkpoint in the second.
 */

import { parseArgs } from "@std/cli/parse-args";
import { Prng } from "../lib/core/prng.ts";
import { StoreClient } from "@muster/muster/store";

const TRUE_WEIGHTS = [1.5, -2, 0.5, 3];
const STEPS = 60;
const SAMPLES_PER_STEP = 32;
const LEARNING_RATE = 0.2;
const CHECKPOINT_EVERY = 10;

/** What is saved every few steps, and what the demo reads at the end. */
export interface Checkpoint {
  readonly step: number;
  readonly weights: number[];
  readonly loss: number;
  /** The step at which each attempt began. */
  readonly attemptsBegan: number[];
}

interface Options {
  readonly checkpointPath: string | undefined;
  readonly crashAtStep: number;
}

async function train(rank: number, worldSize: number, attempt: number, options: Options): Promise<void> {
  const store = await StoreClient.fromEnvironment();
  const saved = restore(options.checkpointPath);
  const attemptsBegan = [...saved.attemptsBegan, saved.step];
  let weights = saved.weights;
  if (rank === 0) {
    console.log(`attempt ${attempt}: ${worldSize} workers, from step ${saved.step} of ${STEPS}`);
  }

  for (let step = saved.step; step < STEPS; step++) {
    if (step === options.crashAtStep && attempt === 0 && rank === worldSize - 1) {
      console.log(`worker ${rank}: dies at step ${step}, on purpose`);
      Deno.kill(Deno.pid, "SIGKILL");
    }
    const { gradient, loss } = gradientOfOwnShare(weights, new Prng(step * worldSize + rank));
    const mean = await averageOverWorkers(store, { name: `step ${step}`, rank, worldSize }, [
      ...gradient,
      loss,
    ]);
    weights = weights.map((weight, i) => weight - LEARNING_RATE * mean[i]!);
    const meanLoss = mean.at(-1)!;
    if (rank === 0 && (step + 1) % CHECKPOINT_EVERY === 0) {
      console.log(`step ${step + 1}: loss ${meanLoss.toFixed(6)}`);
      save(options.checkpointPath, { step: step + 1, weights, loss: meanLoss, attemptsBegan });
    }
  }
  store.close();
}

/** Mean squared error of the linear model on fresh samples, and its gradient. */
function gradientOfOwnShare(weights: readonly number[], random: Prng): { gradient: number[]; loss: number } {
  const gradient = weights.map(() => 0);
  let loss = 0;
  for (let sample = 0; sample < SAMPLES_PER_STEP; sample++) {
    const inputs = weights.map(() => random.next() / 2 ** 31 - 1);
    const error = inputs.reduce((sum, input, i) => sum + input * (weights[i]! - TRUE_WEIGHTS[i]!), 0);
    loss += error ** 2 / SAMPLES_PER_STEP;
    for (const [i, input] of inputs.entries()) gradient[i]! += 2 * error * input / SAMPLES_PER_STEP;
  }
  return { gradient, loss };
}

/** Every worker puts its numbers into the store and reads those of all; `get` waits until they are there. */
async function averageOverWorkers(
  store: StoreClient,
  round: { readonly name: string; readonly rank: number; readonly worldSize: number },
  numbers: readonly number[],
): Promise<number[]> {
  await store.set(`${round.name}/${round.rank}`, JSON.stringify(numbers));
  const ranks = Array.from({ length: round.worldSize }, (_, rank) => rank);
  const all = await Promise.all(ranks.map((rank) => store.getText(`${round.name}/${rank}`)));
  const rows = all.map((text) => JSON.parse(text) as number[]);
  return numbers.map((_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / round.worldSize);
}

function restore(path: string | undefined): Checkpoint {
  try {
    if (path !== undefined) return JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return { step: 0, weights: TRUE_WEIGHTS.map(() => 0), loss: Infinity, attemptsBegan: [] };
}

/** Written beside and renamed, so that dying meanwhile leaves the old one whole. */
function save(path: string | undefined, checkpoint: Checkpoint): void {
  if (path === undefined) return;
  Deno.writeTextFileSync(`${path}.new`, JSON.stringify(checkpoint));
  Deno.renameSync(`${path}.new`, path);
}

if (import.meta.main) {
  const number = (name: string) => Number(Deno.env.get(name) ?? "0");
  const flags = parseArgs(Deno.args, { string: ["checkpoint", "crash-at-step"] });
  await train(number("RANK"), number("WORLD_SIZE"), number("TORCHELASTIC_RESTART_COUNT"), {
    checkpointPath: flags.checkpoint,
    crashAtStep: Number(flags["crash-at-step"] ?? -1),
  });
}
