/**
 * `deno run -A scripts/record_agents.ts [NAME…]`: records what real torchrun agents say to the store that they share, each
 * through a relay of its own, while they start, fail, restart, are lost, join and end. NAME is a release of
 * `tests/interop/torch_releases.ts`; none means all with a `torchrun`. Each recording is
 * `tests/rendezvous/recordings/RELEASE-SCENARIO.txt`: a line for each request, with the agent's letter; keys without their
 * leading slash; a record as base64, as it travelled.
 */

import { bytesOf, fromUtf8 } from "../lib/core/bytes.ts";
import { startStoreServer } from "../lib/host/store_server.ts";
import { DEFAULT_LIMITS } from "../lib/store/limits.ts";
import { RequestDecoder } from "../lib/store/request_decoder.ts";
import type { Request } from "../lib/store/wire.ts";
import { killMarked, newMark } from "../tests/e2e/processes.ts";
import { plainEnvironment } from "../tests/interop/harness.ts";
import { pythonOf, type Release } from "../tests/interop/torch_releases.ts";

const FOLDER = new URL("../tests/rendezvous/recordings", import.meta.url).pathname;
const RELEASES: readonly Release[] = ["2.2.0", "2.6.0", "2.15"];

interface Agent {
  readonly letter: string;
  readonly child: Deno.ChildProcess;
}

interface Stage {
  readonly lines: string[];
  agent(letter: string, nodes: string, worker: string, env?: Record<string, string>): Agent;
}

/** Workers: they end after a while, unless told to fail in their first attempt. */
const WORKER = 'sleep "$1"; [ "$2" != "$TORCHELASTIC_RESTART_COUNT" ] || exit 3';

const SCENARIOS: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  /** Two nodes start, a worker of B fails, all start again and end. */
  "restart": async ({ agent }) => {
    const a = agent("A", "2", "12 never"), b = agent("B", "2", "3 0");
    await Promise.all([a.child.status, b.child.status]);
  },
  /** B is killed; A's worker fails 20 s later, when B is known to be dead, and goes on alone. */
  "loss": async ({ agent, lines }) => {
    const a = agent("A", "1:2", "24 0"), b = agent("B", "1:2", "60 never");
    await until(() =>
      lines.filter((line) => line.includes("assigned_ranks") || line.includes(".FIN")).length >= 2
    );
    await sleep(1000);
    b.child.kill("SIGKILL");
    lines.push("B is killed");
    await a.child.status;
  },
  /** B joins A's job, each round with a store of its own. */
  "scale-up": async ({ agent, lines }) => {
    const env = { TORCH_DISABLE_SHARE_RDZV_TCP_STORE: "1" };
    const a = agent("A", "1:2", "20 never", env);
    await until(() => lines.some((line) => line.includes("MASTER_PORT")));
    await sleep(1000);
    const b = agent("B", "1:2", "6 never", env);
    await Promise.all([a.child.status, b.child.status]);
  },
};

async function record(release: Release, play: (stage: Stage) => Promise<void>): Promise<string[]> {
  const lines: string[] = [];
  const mark = newMark();
  const server = startStoreServer({ host: "127.0.0.1", port: 0 });
  const relays: Deno.Listener[] = [];
  const stage: Stage = {
    lines,
    agent(letter, nodes, worker, env = {}) {
      const relay = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      relays.push(relay);
      relayAll(relay, server.port, (request) => lines.push(`${letter} ${requestText(request)}`));
      const child = new Deno.Command(pythonOf(release), {
        args: [
          ...["-m", "torch.distributed.run", "--nnodes", nodes, "--max-restarts", "1", "--rdzv-id", "job"],
          ...["--rdzv-backend", "c10d", "--rdzv-endpoint", `127.0.0.1:${relay.addr.port}`],
          ...[
            "--rdzv-conf",
            "is_host=0,last_call_timeout=3",
            "--local-addr",
            `127.0.0.${letter === "A" ? 1 : 2}`,
          ],
          ...["--no-python", "sh", "-c", WORKER, "worker", ...worker.split(" ")],
        ],
        clearEnv: true,
        env: { ...plainEnvironment(), ...env, ...mark.env },
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      return { letter, child };
    },
  };
  try {
    await play(stage);
  } finally {
    killMarked(mark);
    for (const relay of relays) relay.close();
    server.close();
  }
  return withoutRepeats(lines);
}

async function relayAll(
  listener: Deno.TcpListener,
  port: number,
  note: (request: Request) => void,
): Promise<void> {
  for await (const client of listener) {
    const server = await Deno.connect({ hostname: "127.0.0.1", port });
    const decoder = new RequestDecoder(DEFAULT_LIMITS, "c");
    server.readable.pipeTo(client.writable).catch(() => {});
    const noted = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        decoder.push(chunk);
        for (let request = decoder.next(); request !== undefined; request = decoder.next()) note(request);
        decoder.settle();
        controller.enqueue(chunk);
      },
    });
    client.readable.pipeThrough(noted).pipeTo(server.writable).catch(() => {});
  }
}

function requestText({ kind, ...operands }: Request): string {
  return [kind, ...Object.values(operands).map(operandText)].join(" ");
}

function operandText(operand: unknown): string {
  if (Array.isArray(operand)) return `[${operand.map(operandText).join(" ")}]`;
  if (operand instanceof Uint8Array) return fromUtf8(operand) || "-";
  return typeof operand === "string" ? fromUtf8(bytesOf(operand)).replace(/^\//, "") || "-" : String(operand);
}

/** Reading the record, every second, is told once. */
function withoutRepeats(lines: readonly string[]): string[] {
  return lines.filter((line, index) => {
    const isPoll = /^. (wait|get) \[?torch\.rendezvous\.job\]?$/.test(line);
    const before = lines.slice(Math.max(0, index - 4), index);
    return !(isPoll && before.includes(line)) && !/^. (ping|validate)/.test(line);
  });
}

async function until(condition: () => boolean): Promise<void> {
  for (let looks = 0; !condition(); looks++) {
    if (looks > 1200) throw new Error("The agents did not get this far in a minute");
    await sleep(50);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

await Deno.mkdir(FOLDER, { recursive: true });
for (const release of RELEASES) {
  if (Deno.args.length > 0 && !Deno.args.includes(release)) continue;
  for (const [name, play] of Object.entries(SCENARIOS)) {
    // Releases before sharing have one behaviour, with or without the variable.
    const path = `${FOLDER}/${release}-${name}.txt`;
    await Deno.writeTextFile(
      path,
      [`# PyTorch ${release}: ${name}`, ...await record(release, play), ""].join("\n"),
    );
    console.log(path);
  }
}
Deno.exit(0);
