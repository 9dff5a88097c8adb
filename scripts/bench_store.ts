/**
 * `deno task bench store [NAME …]`: our store's server and PyTorch's side by side in one run, under the same load program.
 * The load has core 0 and the server core 1; the best of several rounds in turns counts, because what disturbs a round
 * only makes it slower. Beside each rate stands how busy the load program was: below 100 % it is not what limits. PyTorch's
 * look-ups of names are kept out of its way (tests/interop/pytorch_store.ts). Names choose among the rows.
 */

import { startPytorchStores } from "../tests/interop/pytorch_store.ts";
import { cpuSeconds, residentBytes } from "./bench/processes.ts";
import type { LoadOptions, LoadResult } from "./bench/store_load.ts";
import { FILL_KEYS } from "./bench/store_script.ts";

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

const ROUNDS = 3;
const SECONDS = 1.5;
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
  console.log(`best of ${ROUNDS} rounds of ${SECONDS} s; load on one core, server on another\n`);
  for (const row of ROWS.filter(({ name }) => isWanted(name))) await compareRates(row);
  if (isWanted("memory")) await compareMemory();
  if (isWanted("pause")) await comparePauses();
}

async function compareRates({ name, load, goal }: Row): Promise<void> {
  const contenders = [PYTORCH, OURS, TRIVIAL];
  const best = new Map<Contender, Measured>();
  const servers: Server[] = [];
  try {
    for (const { start } of contenders) servers.push(await start(load.load));
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, contender] of contenders.entries()) {
        const measured = await measure(servers[index]!, load);
        if (measured.rate > (best.get(contender)?.rate ?? 0)) best.set(contender, measured);
      }
    }
  } finally {
    await Promise.all(servers.map(({ close }) => close()));
  }
  const ratio = best.get(OURS)!.rate / best.get(PYTORCH)!.rate;
  console.log(`${name}: ${ratio.toFixed(2)}× (goal ${goal}×) ${ratio >= goal ? "reached" : "MISSED"}`);
  for (const [contender, { rate, loadBusy, serverBusy }] of best) {
    const columns = [
      `  ${contender.name.padEnd(14)}${(rate / 1000).toFixed(1).padStart(8)} k/s`,
      `server ${percent(serverBusy)} busy, load ${percent(loadBusy)}`,
    ];
    console.log(columns.join("   "));
  }
}

async function compareMemory(): Promise<void> {
  for (const contender of [PYTORCH, OURS]) {
    const server = await contender.start("idle");
    try {
      const base = residentBytes(server.pid);
      const clients = 4096;
      await withLoad(server, { load: "idle", clients, inFlight: 1 }, async () => {
        const bytes = (residentBytes(server.pid) - base) / clients;
        console.log(`memory of an idle connection, ${contender.name}: ${(bytes / 1000).toFixed(1)} kB`);
        await Promise.resolve();
      });
      const before = residentBytes(server.pid);
      await withLoad(server, { load: "fill", clients: 1, inFlight: 4 }, async () => {
        const bytes = residentBytes(server.pid) - before;
        console.log(`memory of ${FILL_KEYS} keys, ${contender.name}: ${(bytes / 1e6).toFixed(0)} MB`);
        await Promise.resolve();
      });
    } finally {
      await server.close();
    }
  }
}

/** The longest that a client waited for a PONG while others load the server. */
async function comparePauses(): Promise<void> {
  const loads: Omit<LoadOptions, "port" | "seconds">[] = [
    { load: "mixed", clients: 512, inFlight: 1 },
    { load: "getAdd", clients: 16, inFlight: 64 },
    { load: "connect", clients: 4096, inFlight: 1 },
    { load: "fill", clients: 1, inFlight: 4 },
    { load: "list", clients: 1, inFlight: 1 },
  ];
  for (const contender of [PYTORCH, OURS]) {
    const server = await contender.start("ping");
    try {
      for (const load of loads) {
        const probe = runLoad({ port: server.port, load: "ping", clients: 1, inFlight: 1, seconds: 3 });
        const other = startLoad({ ...load, port: server.port, seconds: 2 });
        await other.result;
        const { worstMs } = await probe;
        await other.end();
        console.log(
          `longest pause, ${contender.name}, ${load.clients} × ${load.load}: ${worstMs.toFixed(1)} ms`,
        );
      }
    } finally {
      await server.close();
    }
  }
}

interface Measured {
  /** Requests a second. */
  readonly rate: number;
  /** Shares of one core. */
  readonly loadBusy: number;
  readonly serverBusy: number;
}

async function measure(server: Server, load: Omit<LoadOptions, "port" | "seconds">): Promise<Measured> {
  const busyBefore = cpuSeconds(server.pid);
  const startedAt = performance.now();
  const { requests, seconds, busySeconds } = await runLoad({ ...load, port: server.port, seconds: SECONDS });
  const elapsedSeconds = (performance.now() - startedAt) / 1000;
  return {
    rate: requests / seconds,
    loadBusy: busySeconds / seconds,
    // The load program's start is idle time of the server.
    serverBusy: Math.min(1, (cpuSeconds(server.pid) - busyBefore) / Math.min(elapsedSeconds, seconds + 0.3)),
  };
}

async function withLoad(
  server: Server,
  load: Omit<LoadOptions, "port" | "seconds">,
  body: () => Promise<void>,
): Promise<void> {
  const { result, end } = startLoad({ ...load, port: server.port, seconds: SECONDS });
  await result;
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
