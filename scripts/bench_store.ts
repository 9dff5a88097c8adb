/**
 * `deno task bench store [NAME …]`: our store's server and PyTorch's side by side in one run, under the same load program.
 * The load has core 0 and the server core 1. The servers take turns; a rate is the median of the rounds, a ratio the
 * median of each round's own, because the machine's speed changes between rounds more than within one. PyTorch's look-ups
 * of names are kept out of its way (tests/interop/pytorch_store.ts). Names choose among the rows, "memory" and "pause".
 *
 * That the load program is not what limits shows in what it gets from a server that knows nothing of the protocol, and in
 * how busy it was. Where both servers leave it no time (4,096 connections: the kernel does a handshake's work on the core of
 * who connects), the row says little about servers.
 */

import { startPytorchStores } from "../tests/interop/pytorch_store.ts";
import { cpuSeconds, residentBytes } from "./bench/processes.ts";
import type { LoadOptions, LoadResult } from "./bench/store_load.ts";

interface Row {
  readonly name: string;
  readonly load: Omit<LoadOptions, "port" | "seconds">;
  /** How many times PyTorch's rate is promised. */
  readonly goal: number;
}

const ROWS: readonly Row[] = [
  { name: "1 client, get/add", load: { load: "getAdd", clients: 1, inFlight: 1 }, goal: 1 },
  { name: "64 clients, get/add", load: { load: "getAdd", clients: 64, inFlight: 1 }, goal: 1 },
  { name: "512 clients, mixed", load: { load: "mixed", clients: 512, inFlight: 1 }, goal: 1.1 },
  { name: "16 clients, 64 in flight", load: { load: "getAdd", clients: 16, inFlight: 64 }, goal: 10 },
  { name: "8 clients, 64 KiB values", load: { load: "large", clients: 8, inFlight: 1 }, goal: 1 },
  { name: "4096 connect, set + get", load: { load: "connect", clients: 4096, inFlight: 1 }, goal: 1 },
];

const ROUNDS = 5;
const SECONDS = 1.2;
const LOAD_CORE = "0";
const SERVER_CORE = "1";
const ROOT = new URL("..", import.meta.url).pathname;

interface Server {
  readonly port: number;
  readonly pid: number;
  close(): Promise<void>;
}

interface Contender {
  readonly name: string;
  readonly start: (load: LoadOptions["load"]) => Promise<Server>;
}

const PYTORCH: Contender = {
  name: "PyTorch 2.15",
  start: async () => {
    const { ports, pid, close } = await startPytorchStores({
      backend: "libuv",
      under: ["taskset", "-c", SERVER_CORE],
    });
    return { port: ports[0]!, pid, close };
  },
};

const OURS: Contender = {
  name: "muster",
  start: () => startServer([`${ROOT}main.ts`, "store", "--host", "127.0.0.1", "--port", "0"]),
};

/** Knows nothing of the protocol: the load program's ceiling. */
const TRIVIAL: Contender = {
  name: "(trivial)",
  start: (load) => startServer([`${ROOT}scripts/bench/store_trivial.ts`, load]),
};

async function main(names: readonly string[]): Promise<void> {
  const isWanted = (name: string) => names.length === 0 || names.some((part) => name.includes(part));
  const rows = ROWS.filter(({ name }) => isWanted(name));
  if (rows.length > 0) {
    console.log(
      `Requests a second, medians of ${ROUNDS} rounds of ${SECONDS} s; load on one core, server on another\n`,
    );
    table(
      ...[
        "load",
        "PyTorch 2.15",
        "muster",
        "ratio",
        "goal",
        "",
        "server's CPU a request",
        "load program busy, PyTorch / muster",
      ],
      "load program at most",
    );
    for (const row of rows) table(...await compareRates(row));
  }
  if (isWanted("memory")) await compareMemory();
  if (isWanted("pause")) await comparePauses();
}

/** Prints one line of a Markdown table. */
function table(...cells: readonly string[]): void {
  console.log(`| ${cells.join(" | ")} |`);
}

async function compareRates({ name, load, goal }: Row): Promise<string[]> {
  const contenders = [PYTORCH, OURS, TRIVIAL];
  const rounds: Measured[][] = [];
  const servers: Server[] = [];
  try {
    for (const { start } of contenders) servers.push(await start(load.load));
    for (let round = 0; round < ROUNDS; round++) {
      const measured: Measured[] = [];
      for (const server of servers) measured.push(await measure(server, load));
      rounds.push(measured);
    }
  } finally {
    await Promise.all(servers.map(({ close }) => close()));
  }
  const rate = (index: number) =>
    `${(median(rounds.map((round) => round[index]!.rate)) / 1000).toFixed(1)} k`;
  const busy = (index: number) => percent(median(rounds.map((round) => round[index]!.loadBusy)));
  // The least: what else runs on the machine only adds to it.
  const cpu = (index: number) =>
    `${Math.min(...rounds.map((round) => round[index]!.serverUs)).toFixed(2)} µs`;
  const ratio = median(rounds.map(([pytorch, ours]) => ours!.rate / pytorch!.rate));
  return [
    ...[name, rate(0), rate(1), `${ratio.toFixed(2)}×`, `${goal}×`, ratio >= goal ? "reached" : "missed"],
    ...[`${cpu(0)} / ${cpu(1)}`, `${busy(0)} / ${busy(1)}`, rate(2)],
  ];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** Of a server that has served so many already: what it takes once, for code that becomes compiled, is no matter of crowds. */
const CROWD_BEFORE = 2048;
const CROWD = 8192;

async function compareMemory(): Promise<void> {
  console.log("\nResident memory\n");
  table("what", "PyTorch 2.15", "muster", "");
  const idle: number[] = [];
  const keys: number[] = [];
  for (const contender of [PYTORCH, OURS]) {
    const server = await contender.start("idle");
    try {
      await withLoad(server, { load: "idle", clients: CROWD_BEFORE, inFlight: 1 }, async () => {
        const before = residentBytes(server.pid);
        await withLoad(server, { load: "idle", clients: CROWD, inFlight: 1 }, () => {
          idle.push((residentBytes(server.pid) - before) / CROWD);
          return Promise.resolve();
        });
      });
      const before = residentBytes(server.pid);
      await withLoad(server, { load: "fill", clients: 1, inFlight: 4 }, () => {
        keys.push(residentBytes(server.pid) - before);
        return Promise.resolve();
      });
    } finally {
      await server.close();
    }
  }
  const verdict = ([pytorch, ours]: readonly number[]) => (ours! <= pytorch! ? "reached" : "missed");
  const row = (name: string, values: readonly number[], text: (value: number) => string) =>
    table(name, ...values.map(text), verdict(values));
  row("each further idle connection", idle, (bytes) => `${(bytes / 1000).toFixed(2)} kB`);
  row("a million keys", keys, (bytes) => `${(bytes / 1e6).toFixed(0)} MB`);
}

/** The longest that a client waited for a PONG while others load the server. */
async function comparePauses(): Promise<void> {
  console.log("\nLongest wait of a client that pings, while others load the server\n");
  table("others", "PyTorch 2.15", "muster");
  const loads: Omit<LoadOptions, "port" | "seconds">[] = [
    { load: "mixed", clients: 512, inFlight: 1 },
    { load: "getAdd", clients: 16, inFlight: 64 },
    { load: "connect", clients: 4096, inFlight: 1 },
    { load: "fill", clients: 1, inFlight: 4 },
    { load: "list", clients: 1, inFlight: 1 },
  ];
  const pauses = loads.map(({ load, clients }) => [`${clients} × ${load}`]);
  for (const contender of [PYTORCH, OURS]) {
    const server = await contender.start("ping");
    try {
      for (const [index, load] of loads.entries()) {
        const probe = runLoad({ port: server.port, load: "ping", clients: 1, inFlight: 1, seconds: 3 });
        const other = startLoad({ ...load, port: server.port, seconds: 2 });
        await other.result;
        const { worstMs } = await probe;
        await other.end();
        pauses[index]!.push(`${worstMs.toFixed(1)} ms`);
      }
    } finally {
      await server.close();
    }
  }
  for (const row of pauses) table(...row);
}

interface Measured {
  /** Requests a second. */
  readonly rate: number;
  /** Share of one core. */
  readonly loadBusy: number;
  /** CPU of the server for one request. */
  readonly serverUs: number;
}

async function measure(server: Server, load: Omit<LoadOptions, "port" | "seconds">): Promise<Measured> {
  const before = cpuSeconds(server.pid);
  const result = await runLoad({ ...load, port: server.port, seconds: SECONDS });
  const { requests, requestsInAll, seconds, busySeconds } = result;
  return {
    rate: requests / seconds,
    loadBusy: busySeconds / seconds,
    serverUs: (cpuSeconds(server.pid) - before) * 1e6 / requestsInAll,
  };
}

async function withLoad(
  server: Server,
  load: Omit<LoadOptions, "port" | "seconds">,
  body: () => Promise<void>,
): Promise<void> {
  const { result, end } = startLoad({ ...load, port: server.port, seconds: SECONDS });
  await result;
  // A client that comes last is answered last: then the server has taken all others, and not only the system.
  await runLoad({ port: server.port, load: "ping", clients: 1, inFlight: 1, seconds: 0.1 });
  await body();
  await end();
}

async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { result, end } = startLoad(options);
  const measured = await result;
  await end();
  return measured;
}

/** A load program; `end` lets it go once it has reported. */
function startLoad(options: LoadOptions): { result: Promise<LoadResult>; end: () => Promise<void> } {
  const child = new Deno.Command("taskset", {
    args: [
      ...["-c", LOAD_CORE, Deno.execPath(), "run", "-A", `${ROOT}scripts/bench/store_load.ts`],
      JSON.stringify(options),
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const result = reader.read().then(({ value }) => {
    if (value === undefined) throw new Error(`The load program failed: ${JSON.stringify(options)}`);
    return JSON.parse(value) as LoadResult;
  });
  const end = async () => {
    await child.stdin.close();
    await reader.cancel();
    await child.status;
  };
  return { result, end };
}

async function startServer(args: readonly string[]): Promise<Server> {
  const child = new Deno.Command("taskset", {
    args: ["-c", SERVER_CORE, Deno.execPath(), "run", "-A", "--quiet", ...args],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  if (value === undefined) throw new Error(`Ended at its start: ${args.join(" ")}`);
  const close = async () => {
    child.kill("SIGTERM");
    await reader.cancel();
    await child.status;
  };
  return { port: Number(value.trim().split(":").at(-1)), pid: child.pid, close };
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

await main(Deno.args);
