/**
 * `deno run -A scripts/sim_defects.ts`: does the fleet simulation find what it is there for? Plants one defect at a time
 * in a copy of the sources, and says which seed found it. Ends with 1 if one was not found.
 */

import { join } from "@std/path/posix";

interface Defect {
  readonly name: string;
  readonly file: string;
  /** Is there once. */
  readonly from: string;
  readonly to: string;
}

const DEFECTS: readonly Defect[] = [
  {
    name: "who takes over needs nobody's right",
    file: "lib/rendezvous/ballot.ts",
    from: "if (!this.#options.isOn) return right;",
    to: "return right;",
  },
  {
    name: "newcomers have votes",
    file: "lib/rendezvous/ballot.ts",
    from: "const voters = new Set(ready.filter((nodeId) => this.#hasVote(nodeId, base)));",
    to: "const voters = new Set(ready);",
  },
  {
    name: "a round begins before all have accepted it",
    file: "lib/rendezvous/ballot.ts",
    from: "return !this.#options.isOn || this.#asked.size === this.#accepted.size;",
    to: "return true;",
  },
  {
    name: "nodes forget what they accepted",
    file: "lib/rendezvous/standby.ts",
    from: "this.#memory = { first: this.#memory?.first ?? proposal, latest: proposal };",
    to: "this.#memory ??= { first: proposal, latest: proposal };",
  },
  {
    name: "a round whose nodes are all lost is followed at once",
    file: "lib/rendezvous/gathering.ts",
    from: "if (round.mayGoOn) this.#closedUntil = now + silenceMs + stopMs;",
    to: "",
  },
  {
    name: "a round begins before all nodes have cleared the one before",
    file: "lib/rendezvous/round.ts",
    from: "return this.seats.every((nodeId) => this.isCleared(nodeId) || this.#absent.has(nodeId));",
    to: "return this.seats.some((nodeId) => this.isCleared(nodeId) || this.#absent.has(nodeId));",
  },
  {
    name: "a round begins beside nodes that have not ended an earlier one",
    file: "lib/rendezvous/forming.ts",
    from: "return pending.length > 0 ?",
    to: "return false ?",
  },
  {
    name: "a host that is started anew does not wait for those who were there",
    file: "lib/rendezvous/gathering.ts",
    from: 'if (this.#heldBy.length > 0) return { kind: "refused" };',
    to: "",
  },
  {
    name: "a job that is begun again is not above what was begun before",
    file: "lib/rendezvous/job_record.ts",
    from: "return begun * NUMBERS_PER_BEGIN;",
    to: "return 0;",
  },
  {
    name: "a round needs no votes however many are missing",
    file: "lib/rendezvous/gathering.ts",
    from: "return new Set(others.map(keyOf)).size < nodesMin;",
    to: "return true;",
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
];

const ROOT = new URL("..", import.meta.url).pathname;
const SEEDS = 20_000;

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory) await copy(source, target);
    else await Deno.copyFile(source, target);
  }
}

/** What is to be planted and has not its one place in the sources. */
export async function misplaced(): Promise<string[]> {
  const found = await Promise.all(DEFECTS.map(async ({ file, from }) => {
    const source = await Deno.readTextFile(join(ROOT, file));
    return source.split(from).length === 2 ? [] : [`${file} does not have once: ${from}`];
  }));
  return found.flat();
}

async function find({ name, file, from, to }: Defect): Promise<boolean> {
  const copied = await Deno.makeTempDir({ prefix: "muster-sim-" });
  try {
    for (const folder of ["lib", "tests", "scripts", "types"]) {
      await copy(join(ROOT, folder), join(copied, folder));
    }
    for (const name of ["deno.json", "deno.lock"]) await Deno.copyFile(join(ROOT, name), join(copied, name));
    const path = join(copied, file);
    const source = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, source.replace(from, () => to));
    const args = [
      "run",
      "-A",
      "--no-check",
      "scripts/sim.ts",
      "--seed=0",
      `--seeds=${SEEDS}`,
      "--stop",
      "--brief",
    ];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      ...{ args, cwd: copied, stderr: "null" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    if (!text.includes("kept all promises")) throw new Error(`The simulation did not run: exit code ${code}`);
    const found = text.match(/^1 times: .*$/m)?.[0];
    console.log(`${name}: ${found === undefined ? "NOT FOUND" : found.replace("1 times: ", "")}`);
    return found !== undefined;
  } finally {
    await Deno.remove(copied, { recursive: true });
  }
}

if (import.meta.main) {
  const wrong = await misplaced();
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  let missed = 0;
  for (const defect of DEFECTS) if (!await find(defect)) missed++;
  Deno.exit(missed === 0 ? 0 : 1);
}
