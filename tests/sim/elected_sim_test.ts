import { ElectedWorld } from "./elected_world.ts";

const SEEDS = 150;
const FAULTY_MS = 120_000;
const QUIET_MS = 120_000;

const only = Deno.env.get("MUSTER_SIM_SEED");

Deno.test("etcd-v3: no seed gives two worlds, a round with two memberships, or a job that stands still", () => {
  const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, seed) => seed) : [Number(only)];
  const total = { rounds: 0, hosts: 0, depositions: 0, ended: 0 };
  for (const seed of seeds) {
    const world = new ElectedWorld(seed);
    try {
      world.run(FAULTY_MS, QUIET_MS);
    } catch (error) {
      throw new Error(
        `Seed ${seed} with ${JSON.stringify(world.faults)}: ${
          error instanceof Error ? error.message : error
        }\n` +
          `${world.trace.slice(-60).join("\n")}\nReplay: MUSTER_SIM_SEED=${seed} deno test -A tests/sim`,
        { cause: error },
      );
    }
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += world.counts[name];
  }
  // A simulation in which nothing happens would hold as well.
  if (
    only === undefined && (total.rounds < SEEDS * 3 || total.hosts < SEEDS || total.depositions < SEEDS / 4)
  ) {
    throw new Error(`Too little happened: ${JSON.stringify(total)}`);
  }
});
