/**
 * `deno task bench rendezvous [--only muster | PyTorch]`: how long many agents take to become one world, side by side with PyTorch's
 * in one run. First the agents alone, all of them in one process over real sockets, joining at once with MIN = MAX = N;
 * then the whole command of a job of two nodes with a worker that does nothing.
 */

import { parseArgs } from "@std/cli/parse-args";
import { freePort, PYTHON, pytorchIsInstalled } from "../tests/interop/harness.ts";
import { whyNoHosts } from "../tests/hosts/network.ts";
import { type Contender, findContenders, start } from "./bench/contenders.ts";

const ROOT = new URL("..", import.meta.url).pathname;

interface Side {
  readonly name: string;
  /** Seconds until the last of `agents` has its rank. */
  readonly join: (agents: number) => Promise<Joined>;
  readonly agents: readonly number[];
}

interface Joined {
  readonly seconds: number;
  readonly bytes: number | null;
}

/** 128 of PyTorch's take a minute and a half, if they don't get in each other's way so long that they give up. */
const PYTORCH: Side = {
  name: "PyTorch",
  join: async (agents) => {
    const script = `${ROOT}scripts/bench/pytorch_rendezvous.py`;
    return { seconds: Number(await outputOf([PYTHON, script, `${agents}`])), bytes: null };
  },
  agents: [16, 64, 128],
};

/** In a network namespace of its own, where that can be made, so that the bytes are its own. */
const MUSTER: Side = {
  name: "muster",
  join: async (agents) => {
    const deno = [Deno.execPath(), "run", "-A", "--quiet", `${ROOT}scripts/bench/fleet_join.ts`, `${agents}`];
    if (whyNoHosts() !== null) return { ...JSON.parse(await outputOf(deno)), bytes: null };
    return JSON.parse(
      await outputOf(["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", ...deno]),
    );
  },
  agents: [16, 64, 128, 1000],
};

const SIDES: readonly Side[] = [PYTORCH, MUSTER];

/** What muster must reach for each number of agents, in seconds. */
const GOALS: ReadonlyMap<number, number> = new Map([[128, 1], [1000, 5]]);

/** How many times less than torchrun a whole job of two nodes must take. */
const WHOLE_COMMAND_GOAL = 15;

async function main(): Promise<void> {
  const { only } = parseArgs(Deno.args, { string: ["only"] });
  console.log(`${navigator.hardwareConcurrency} cores, load ${Deno.loadavg()[0]!.toFixed(1)}`);
  const sides = SIDES.filter(({ name }) =>
    (only === undefined || only === name) && (name !== "PyTorch" || pytorchIsInstalled())
  );
  await compareJoins(sides);
  await compareWholeCommands(only);
}

async function compareJoins(sides: readonly Side[]): Promise<void> {
  console.log("\nN agents in one process, all joining at once");
  const pytorch = new Map<number, number>();
  for (const side of sides) {
    for (const agents of side.agents) {
      const startedAt = performance.now();
      const joined = await side.join(agents).catch((error: Error) => error);
      if (joined instanceof Error) {
        const spent = ((performance.now() - startedAt) / 1000).toFixed(0);
        console.log(
          `  ${side.name.padEnd(10)}${`${agents}`.padStart(6)}  not done after ${spent} s: ${joined.message}`,
        );
        continue;
      }
      const { seconds, bytes } = joined;
      if (side === PYTORCH) pytorch.set(agents, seconds);
      const reference = pytorch.get(agents);
      const ratio = side === PYTORCH || reference === undefined
        ? ""
        : `${(reference / seconds).toFixed(0)}× less`;
      const goal = GOALS.get(agents);
      const verdict = side === PYTORCH || goal === undefined
        ? ""
        : `${seconds <= goal ? "reached" : "MISSED"} (goal ${goal} s)`;
      const bytesPerAgent = bytes === null ? "" : `, ${(bytes / agents / 1000).toFixed(1)} kB`;
      const perAgent = `${(seconds / agents * 1000).toFixed(2)} ms${bytesPerAgent} an agent`;
      console.log(
        `  ${side.name.padEnd(10)}${`${agents}`.padStart(6)}${`${seconds.toFixed(2)} s`.padStart(10)}${
          perAgent.padStart(30)
        }` +
          `${ratio.padStart(14)}  ${verdict}`.trimEnd(),
      );
    }
  }
}

async function compareWholeCommands(only: string | undefined): Promise<void> {
  const { torchrun, muster } = findContenders();
  const contenders = [
    ...(torchrun === null || only === "muster" ? [] : [torchrun]),
    ...(only === "PyTorch" ? [] : muster),
  ];
  console.log(
    `\n2 nodes, c10d, a worker that does nothing, whole command (goal: ${WHOLE_COMMAND_GOAL}× less)`,
  );
  const times = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < WHOLE_COMMAND_ROUNDS; round++) {
    for (const [contender, measured] of times) measured.push(await wholeCommandMs(contender));
  }
  let reference: number | undefined;
  for (const [contender, measured] of times) {
    const ms = measured.toSorted((a, b) => a - b)[Math.floor(measured.length / 2)]!;
    if (contender === torchrun) reference = ms;
    const ratio = contender === torchrun || reference === undefined
      ? ""
      : `${(reference / ms).toFixed(1)}× less`;
    console.log(`  ${contender.name.padEnd(12)}${`${ms.toFixed(0)} ms`.padStart(10)}${ratio.padStart(14)}`);
  }
}

const WHOLE_COMMAND_ROUNDS = 5;

/** From the start of two launchers at once until both have ended. */
async function wholeCommandMs(contender: Contender): Promise<number> {
  const args = [
    ...["--nnodes=2", "--rdzv-backend=c10d", `--rdzv-endpoint=127.0.0.1:${freePort()}`, "--rdzv-id=bench"],
    ...["--local-addr=127.0.0.1", "--no-python", "true"],
  ];
  const startedAt = performance.now();
  const nodes = [start(contender, args), start(contender, args)];
  const codes = (await Promise.all(nodes.map(({ status }) => status))).map(({ code }) => code);
  if (codes.some((code) => code !== 0)) throw new Error(`${contender.name} ended with ${codes}`);
  return performance.now() - startedAt;
}

async function outputOf(commandLine: readonly string[]): Promise<string> {
  const [program, ...args] = commandLine;
  const command = new Deno.Command(program!, {
    args,
    env: { TORCH_CPP_LOG_LEVEL: "ERROR" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (code !== 0) throw new Error(text(stderr).split("\n").at(-1) ?? `it ended with ${code}`);
  return text(stdout);
}

await main();
