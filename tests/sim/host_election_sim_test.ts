import { ElectionWorld } from "./host_election_world.ts";

const SEEDS = 400;
const FAULTY_MS = 120_000;
/** Three leases of the longest kind: an old one may have to end, a look may have to find out. */
const QUIET_MS = 90_000;

const only = Deno.env.get("MUSTER_SIM_SEED");

Deno.test("host election: no seed gives two hosts, a round twice, or a job without a host", () => {
  const seeds = only === undefined ? Array.from({ length: SEEDS }, (_, seed) => seed) : [Number(only)];
  const total = { elections: 0, depositions: 0, rounds: 0, removals: 0 };
  for (const seed of seeds) {
    const world = new ElectionWorld(seed);
    try {
      world.run(FAULTY_MS, QUIET_MS);
    } catch (error) {
      throw new Error(
        `Seed ${seed} with ${JSON.stringify(world.faults)}: ${
          error instanceof Error ? error.message : error
        }\n` +
          `${world.trace.slice(-40).join("\n")}\nReplay: MUSTER_SIM_SEED=${seed} deno test -A tests/sim`,
        { cause: error },
      );
    }
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += world.counts[name];
  }
  // A simulation in which nothing happens would hold as well.
  if (
    only === undefined &&
    (total.elections < SEEDS * 2 || total.depositions < SEEDS / 2 || total.rounds < SEEDS * 20)
  ) {
    throw new Error(`Too little happened: ${JSON.stringify(total)}`);
  }
});
