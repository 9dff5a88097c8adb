/** Real DistributedDataParallel training under muster: the same numbers as under torchrun, also over a failure. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { interopTest, ROOT, runLauncher } from "./harness.ts";

const TRAIN = `${ROOT}examples/train_ddp.py`;
const STEPS = 20;

for (const workers of [2, 4]) {
  interopTest(`training with ${workers} workers prints torchrun's losses`, async () => {
    const args = ["--standalone", `--nproc-per-node=${workers}`, TRAIN, `--steps=${STEPS}`];
    // One after the other: two trainings at once on few cores take longer than both in turn.
    const theirs = await runLauncher("torchrun", args, { timeoutMs: 120_000 });
    const ours = await runLauncher("muster", args, { timeoutMs: 120_000 });
    assertEquals([theirs.code, ours.code], [0, 0], `${theirs.stderr}\n${ours.stderr}`);
    assertEquals(losses(theirs.stdout).length, STEPS);
    assertEquals(losses(ours.stdout), losses(theirs.stdout));
  });
}

interopTest("training goes on from its checkpoint when a worker is killed, and loses no number", async () => {
  const directory = await Deno.makeTempDir({ prefix: "muster-training-" });
  try {
    const args = ["--standalone", "--nproc-per-node=2", "--max-restarts=1", TRAIN, `--steps=${STEPS}`];
    const crash = [`--checkpoint=${directory}/model.pt`, "--checkpoint-every=5", "--crash-at-step=12"];
    const whole = await runLauncher("muster", args, { timeoutMs: 120_000 });
    const crashed = await runLauncher("muster", [...args, ...crash], { timeoutMs: 120_000 });
    assertEquals([whole.code, crashed.code], [0, 0], crashed.stderr);
    assertStringIncludes(crashed.stdout, "attempt 1: 2 workers, starting at step 10\n");
    assertStringIncludes(crashed.stdout, "finished in attempt 1\n");
    assertMatch(crashed.stderr, /SIGKILL/);

    const expected = losses(whole.stdout);
    const [first, second] = crashed.stdout.split("attempt 1:");
    assertEquals(losses(first!), expected.slice(0, 12));
    // After a restart DDP sums in another order for one step, so the last digit may differ.
    const resumed = losses(second!);
    assertEquals(resumed.length, STEPS - 10);
    for (const [i, loss] of resumed.entries()) {
      assert(Math.abs(loss - expected[10 + i]!) < 2e-6, `step ${10 + i}: ${loss}, not ${expected[10 + i]}`);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** The losses in the order of their steps, which must count up by one. */
function losses(stdout: string): number[] {
  const lines = [...stdout.matchAll(/^step (\d+) loss (\S+)$/gm)];
  const firstStep = Number(lines[0]?.[1] ?? 0);
  assertEquals(lines.map((line) => Number(line[1])), lines.map((_, i) => firstStep + i));
  return lines.map((line) => Number(line[2]));
}
