import { assertEquals } from "@std/assert";
import { TorchWorld } from "./torch_world.ts";

const SEED = Deno.env.get("MUSTER_SIM_SEED");
const SEEDS = SEED === undefined ? Array.from({ length: 1000 }, (_, index) => index + 1) : [Number(SEED)];

Deno.test("jobs that torchrun's agents and ours share never form two worlds, and come to an end", () => {
  let rounds = 0, faults = 0, virtualMs = 0, succeeded = 0;
  for (const seed of SEEDS) {
    const result = new TorchWorld(seed).run();
    rounds += result.rounds;
    faults += result.faults;
    virtualMs += result.virtualMs;
    if (result.codes.includes(0)) succeeded++;
  }
  console.log(
    `${SEEDS.length} jobs, ${rounds} rounds, ${faults} faults, ${
      Math.round(virtualMs / 3_600_000)
    } virtual hours; ` +
      `${succeeded} had a node that succeeded`,
  );
  if (SEED === undefined) assertEquals([rounds > 1000, faults > 500, succeeded > 300], [true, true, true]);
});
