/**
 * The agent in a simulated machine with seeded faults. A failure prints its seed and faults;
 * `MUSTER_SIM_SEED=<seed> deno test -A tests/sim/agent_sim_test.ts` replays it.
 */

import { assert, assertEquals } from "@std/assert";
import { EXIT_CODES, exitCodeOfSignal } from "../../lib/core/errors.ts";
import type { LaunchPlan } from "../../lib/options/launch_plan.ts";
import { GROUP_GRACE_MS, KILL_WAIT_MS, LEFTOVER_GRACE_MS } from "../../lib/supervise/stop_steps.ts";
import { PLAN } from "./plan.ts";
import { type Faults, faultsOf, type Outcome, World } from "./world.ts";

const SEEDS = 3_000;
/** The longest a fake worker runs by itself. */
const LIFETIME_MS = 10_100;

function planOf(faults: Faults): LaunchPlan {
  const { workerCount, maxRestarts, shutdownTimeoutMs } = faults;
  return { ...PLAN, workerCount, maxRestarts, shutdownTimeoutMs };
}

function check(faults: Faults, outcome: Outcome): void {
  const { exitCode, attempts } = outcome;
  assert(attempts <= faults.maxRestarts + 1, `${attempts} attempts with ${faults.maxRestarts} restarts`);
  assertEquals(outcome.alive.filter(({ unkillable }) => !unkillable), [], "processes outlive the launcher");
  const stopCodes = ["SIGTERM", "SIGINT", "SIGHUP"].map((name) => exitCodeOfSignal(name as "SIGTERM"));
  if (exitCode === EXIT_CODES.success) assert(outcome.lastAttemptSucceeded, "success without it");
  else if (exitCode === EXIT_CODES.system) assert(outcome.refused, "a refusal that nobody made");
  else if (stopCodes.includes(exitCode)) assert(outcome.signalled, "stopped by a signal that nobody sent");
  else assertEquals(exitCode, EXIT_CODES.workerFailed);
  if (
    !outcome.signalled && !outcome.refused && faults.unkillable === 0 && exitCode === EXIT_CODES.workerFailed
  ) {
    assertEquals(attempts, faults.maxRestarts + 1, "it gave up before the restarts were spent");
  }
  const stop = faults.shutdownTimeoutMs + GROUP_GRACE_MS + KILL_WAIT_MS;
  const leftovers = Math.max(LEFTOVER_GRACE_MS, faults.shutdownTimeoutMs) + KILL_WAIT_MS;
  const bound = attempts * (LIFETIME_MS + stop + leftovers + 1_000) + 8_000;
  assert(outcome.endedAt <= bound, `it took ${outcome.endedAt} ms, at most ${bound} ms are explained`);
}

const only = Deno.env.get("MUSTER_SIM_SEED");
const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, seed) => seed) : [Number(only)];

Deno.test("Agent keeps its promises under every seeded fault", () => {
  const seen = new Map<number, number>();
  for (const seed of seeds) {
    const faults = faultsOf(seed);
    try {
      const outcome = new World(seed, faults, planOf(faults)).run();
      check(faults, outcome);
      seen.set(outcome.exitCode, (seen.get(outcome.exitCode) ?? 0) + 1);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}\n${JSON.stringify(faults)}`, {
        cause: error,
      });
    }
  }
  // A simulation that never reaches an ending proves nothing about it.
  if (only === undefined) {
    for (const code of [0, 1, 71, 129, 130, 143]) {
      assert((seen.get(code) ?? 0) > 10, `exit code ${code} was hardly reached`);
    }
  }
});
