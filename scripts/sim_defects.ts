/**
 * `deno run -A scripts/sim_defects.ts`: does the fleet simulation find what it is there for? Plants one defect at a time
 * in a copy of the sources, and says which seed found it. Ends with 1 if one was not found.
 */

import { join } from "@std/path/posix";

interface Defect {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const DEFECTS: readonly Defect[] = [
  {
    name: "who takes over needs no majority",
    file: "lib/rendezvous/forming.ts",
    from: "settings.failover !== true || mayFormNext(record, here, dead)",
    to: "true || mayFormNext(record, here, dead)",
  },
  {
    name: "newcomers count in the majority",
    file: "lib/rendezvous/job_record.ts",
    from: "const votes = seats.filter((nodeId) => present.has(nodeId)).length;",
    to: "const votes = present.size;",
  },
  {
    name: "a round begins before all nodes have cleared the one before",
    file: "lib/rendezvous/round.ts",
    from: "return this.seats.every((nodeId) => this.isCleared(nodeId) || this.#absent.has(nodeId));",
    to: "return this.seats.some((nodeId) => this.isCleared(nodeId) || this.#absent.has(nodeId));",
  },
  {
    name: "a restart is free",
    file: "lib/rendezvous/round_end.ts",
    from: 'return { kind: "again", costsRestart: cause !== null };',
    to: 'return { kind: "again", costsRestart: false };',
  },
  {
    name: "the workers' store stays where the first round's was",
    file: "lib/rendezvous/coordinator.ts",
    from: 'const address = store.address === "" ? this.#members.addressOf(round.seats[0]!) : store.address;',
    to: "const address = this.#options.fallbackAddress;",
  },
  {
    name: "a stand-by of an older round keeps its right",
    file: "lib/rendezvous/fleet_node.ts",
    from: "if (this.#standbyPlace === null) this.#record = null;",
    to: "return;",
  },
];

const ROOT = new URL("..", import.meta.url).pathname;
const SEEDS = 4_000;

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory) await copy(source, target);
    else await Deno.copyFile(source, target);
  }
}

async function find({ name, file, from, to }: Defect): Promise<boolean> {
  const copied = await Deno.makeTempDir({ prefix: "muster-sim-" });
  try {
    for (const folder of ["lib", "tests/sim", "scripts", "types"]) {
      await copy(join(ROOT, folder), join(copied, folder));
    }
    for (const name of ["deno.json", "deno.lock"]) await Deno.copyFile(join(ROOT, name), join(copied, name));
    const path = join(copied, file);
    const source = await Deno.readTextFile(path);
    if (source.split(from).length !== 2) throw new Error(`${file} does not have once: ${from}`);
    await Deno.writeTextFile(path, source.replace(from, () => to));
    const args = [
      "run",
      "-A",
      "--no-check",
      "scripts/sim.ts",
      "--seed",
      "0",
      "--seeds",
      `${SEEDS}`,
      "--stop",
    ];
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      ...{ args: [...args, "--brief"], cwd: copied, stderr: "null" },
    }).output();
    const found = new TextDecoder().decode(stdout).match(/^1 times: .*$/m)?.[0];
    console.log(`${name}: ${success || found === undefined ? "NOT FOUND" : found.replace("1 times: ", "")}`);
    return !success && found !== undefined;
  } finally {
    await Deno.remove(copied, { recursive: true });
  }
}

let missed = 0;
for (const defect of DEFECTS) if (!await find(defect)) missed++;
Deno.exit(missed === 0 ? 0 : 1);
