/**
 * `deno run -A scripts/record_wire.ts [NAME…]`: records what PyTorch's store clients and servers say to each other,
 * through a relay, while `tests/interop/store_clients.py` does every operation that the release has. NAME is a server of
 * `tests/interop/torch_releases.ts`, such as `2.15-libuv`; none means all. Each recording is written to
 * `tests/store/transcripts/NAME.txt`.
 *
 * A recording has one line for each piece that travelled, in order: the connection's number, `>` from the client or `<`
 * from the server, the bytes in hexadecimal (`78*300` stands for 300 bytes 78), and which requests end in it.
 */

import { DEFAULT_LIMITS } from "../lib/store/limits.ts";
import { RequestDecoder } from "../lib/store/request_decoder.ts";
import type { Dialect } from "../lib/store/wire.ts";
import {
  nameOf,
  pythonOf,
  PYTORCH_SERVERS,
  type PytorchServer,
  withPytorchServer,
} from "../tests/interop/torch_releases.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const FOLDER = `${ROOT}tests/store/transcripts`;
const LONG_VALUE_BYTES = 300;
/** Shorter runs of one byte are written out. */
const RUN_MIN = 16;

async function main(names: readonly string[]): Promise<void> {
  const servers = PYTORCH_SERVERS.filter((server) => names.length === 0 || names.includes(nameOf(server)));
  if (servers.length < names.length) throw new Error(`Known: ${PYTORCH_SERVERS.map(nameOf).join(", ")}`);
  for (const server of servers) {
    await withPytorchServer(server, async (port) => {
      await Deno.writeTextFile(`${FOLDER}/${nameOf(server)}.txt`, await record(server, port));
    });
    console.log(`${FOLDER}/${nameOf(server)}.txt`);
  }
}

async function record(server: PytorchServer, port: number): Promise<string> {
  const { release, backend, dialect } = server;
  const lines: string[] = [];
  const relay = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const relayed = relayAll(relay, { port, dialect, lines });
  const client = await new Deno.Command(pythonOf(release), {
    args: [
      ...[`${ROOT}tests/interop/store_clients.py`, "127.0.0.1", String(relay.addr.port)],
      ...[String(LONG_VALUE_BYTES), ...(backend === null ? [] : [backend])],
    ],
    stdout: "piped",
    stderr: "piped",
  }).output();
  relay.close();
  await relayed;
  if (!client.success) throw new Error(new TextDecoder().decode(client.stderr));
  const [version, ...operations] = new TextDecoder().decode(client.stdout).trim().split(" ");
  return [
    `# PyTorch ${version}, its client and its ${
      backend ?? "only"
    } server: generation ${dialect.toUpperCase()}`,
    `# ${operations.join(" ")}`,
    ...lines,
    "",
  ].join("\n");
}

interface Relay {
  readonly port: number;
  readonly dialect: Dialect;
  readonly lines: string[];
}

async function relayAll(listener: Deno.TcpListener, { port, dialect, lines }: Relay): Promise<void> {
  const copies: Promise<void>[] = [];
  let number = 0;
  for await (const client of listener) {
    const connection = ++number;
    const server = await Deno.connect({ hostname: "127.0.0.1", port });
    client.setNoDelay(true);
    server.setNoDelay(true);
    const decoder = new RequestDecoder(DEFAULT_LIMITS, dialect);
    const note = (bytes: Uint8Array) => {
      const requests = requestsEndingIn(bytes, decoder);
      lines.push(`${connection}> ${hexText(bytes)}${requests === "" ? "" : ` # ${requests}`}`);
    };
    copies.push(copy(client, server, note));
    copies.push(copy(server, client, (bytes) => lines.push(`${connection}< ${hexText(bytes)}`)));
  }
  await Promise.all(copies);
}

/** Passes bytes on and notes them, until either end closes; then both are closed. */
async function copy(from: Deno.TcpConn, to: Deno.TcpConn, note: (bytes: Uint8Array) => void): Promise<void> {
  const buffer = new Uint8Array(65536);
  try {
    for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
      note(buffer.subarray(0, length));
      for (let start = 0; start < length;) start += await to.write(buffer.subarray(start, length));
    }
  } catch {
    // A reset or a close from the other direction ends this one too.
  }
  for (const socket of [from, to]) {
    try {
      socket.close();
    } catch {
      // The other direction was first.
    }
  }
}

/** For who reads the recording; the tests look at the bytes alone. */
function requestsEndingIn(bytes: Uint8Array, decoder: RequestDecoder): string {
  const texts: string[] = [];
  decoder.push(bytes);
  for (let request = decoder.next(); request !== undefined; request = decoder.next()) {
    const { kind, ...operands } = request;
    texts.push([kind, ...Object.values(operands).map(operandText)].join(" "));
  }
  decoder.settle();
  return texts.join("; ");
}

function operandText(operand: unknown): string {
  if (operand instanceof Uint8Array) return `(${operand.length} bytes)`;
  if (Array.isArray(operand)) return `[${operand.map(operandText).join(", ")}]`;
  if (typeof operand !== "string") return String(operand);
  const escaped = operand.replaceAll(/[^\x20-\x7e]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${escaped}"`;
}

function hexText(bytes: Uint8Array): string {
  const pairs = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return pairs.replaceAll(
    new RegExp(`(..)\\1{${RUN_MIN - 1},}`, "g"),
    (run, pair, offset) => offset % 2 === 0 ? ` ${pair}*${run.length / 2} ` : run,
  ).trim();
}

await main(Deno.args);
