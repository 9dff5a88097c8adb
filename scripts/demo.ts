/**
 * `deno task demo`: four workers train together, one is lost on purpose, all go on from the checkpoint and converge.
 * The output is the launcher's and the workers' own; the last lines say whether everything happened as it should.
 */

import type { Checkpoint } from "../examples/train_ddp.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const CRASH_AT_STEP = 25;
/** The last checkpoint before the crash. */
const RESUME_AT_STEP = 20;
const LOSS_MAX = 1e-3;

async function main(): Promise<number> {
  const directory = await Deno.makeTempDir({ prefix: "muster-demo-" });
  try {
    const checkpointPath = `${directory}/model.json`;
    const launcherOptions = ["--standalone", "--nproc-per-node=4", "--max-restarts=1", "--no-python"];
    const worker = [Deno.execPath(), "run", "-A", "--quiet", "examples/train_ddp.ts"];
    const workerOptions = [`--checkpoint=${checkpointPath}`, `--crash-at-step=${CRASH_AT_STEP}`];
    console.log(
      `$ muster ${
        launcherOptions.join(" ")
      } deno run -A examples/train_ddp.ts --crash-at-step=${CRASH_AT_STEP}\n`,
    );
    const startedAt = performance.now();
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "main.ts", ...launcherOptions, ...worker, ...workerOptions],
      cwd: ROOT,
    }).spawn().status;
    const elapsedS = ((performance.now() - startedAt) / 1000).toFixed(1);

    const problem = code === 0 ? findProblem(checkpointPath) : `the launcher ended with code ${code}`;
    if (problem !== null) {
      console.error(`\ndemo: not as it should be: ${problem}`);
      return 1;
    }
    console.log(
      `\ndemo: as it should be: 4 workers, one lost at step ${CRASH_AT_STEP}, all restarted from step ` +
        `${RESUME_AT_STEP}, converged (${elapsedS} s)`,
    );
    return 0;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** What is wrong with the training's outcome, or null. */
function findProblem(checkpointPath: string): string | null {
  const checkpoint: Checkpoint = JSON.parse(Deno.readTextFileSync(checkpointPath));
  const began = checkpoint.attemptsBegan.join(" and ");
  if (began !== `0 and ${RESUME_AT_STEP}`) return `attempts began at steps ${began}`;
  if (!(checkpoint.loss < LOSS_MAX)) return `loss ${checkpoint.loss} at the end, over ${LOSS_MAX}`;
  return null;
}

Deno.exit(await main());
