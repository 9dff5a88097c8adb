/**
 * `deno run -A scripts/record_wire.ts NAME PYTHON [BACKEND]`: records what a release of PyTorch's TCPStore client and
 * server say to each other, through a relay, while `tests/interop/store_clients.py` does every operation, and writes it
 * to `tests/store/transcripts/NAME.txt`. BACKEND is `libuv` or `legacy`, for releases that have both.
 *
 * A transcript has one line for each piece that travelled, in order: the connection's number, `>` from the client or `<`
 * from the server, and the bytes in hexadecimal; `78*300` stands for 300 bytes 78.
 */

const ROOT = new URL("..", import.meta.url).pathname;
const LONG_VALUE_BYTES = 300;
/** Shorter runs of one byte are written out. */
const RUN_MIN = 16;

const SERVER = `
import sys, torch.distributed as dist
options = {} if len(sys.argv) < 2 else {"use_libuv": sys.argv[1] == "libuv"}
store = dist.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False, **options)
print(store.port, flush=True)
sys.stdin.read()
`;

async function main([name, python, backend]: readonly string[]): Promise<void> {
  if (name === undefined || python === undefined) {
    throw new Error("Usage: record_wire.ts NAME PYTHON [BACKEND]");
  }
  const server = new Deno.Command(python, {
    args: ["-c", SERVER, ...(backend === undefined ? [] : [backend])],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = server.stdout.getReader();
  const port = Number(new TextDecoder().decode((await reader.read()).value));
  const lines: string[] = [];
  const relay = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const relayed = relayAll(relay, port, lines);
  const client = await new Deno.Command(python, {
    args: [
      ...[`${ROOT}tests/interop/store_clients.py`, "127.0.0.1"],
      ...[String(relay.addr.port), String(LONG_VALUE_BYTES), ...(backend === undefined ? [] : [backend])],
    ],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  relay.close();
  await relayed;
  await reader.cancel();
  await server.stdin.close();
  await server.status;
  if (!client.success) throw new Error("The client failed");
  const header = `# PyTorch ${new TextDecoder().decode(client.stdout).trim()}\n`;
  await Deno.writeTextFile(`${ROOT}tests/store/transcripts/${name}.txt`, `${header}${lines.join("\n")}\n`);
}

async function relayAll(listener: Deno.TcpListener, port: number, lines: string[]): Promise<void> {
  const copies: Promise<void>[] = [];
  let number = 0;
  for await (const client of listener) {
    number++;
    const server = await Deno.connect({ hostname: "127.0.0.1", port });
    client.setNoDelay(true);
    server.setNoDelay(true);
    copies.push(copy({ from: client, to: server, mark: `${number}>`, lines }));
    copies.push(copy({ from: server, to: client, mark: `${number}<`, lines }));
  }
  await Promise.all(copies);
}

interface Copy {
  readonly from: Deno.TcpConn;
  readonly to: Deno.TcpConn;
  readonly mark: string;
  readonly lines: string[];
}

/** Passes bytes on and notes them, until either end closes; then both are closed. */
async function copy({ from, to, mark, lines }: Copy): Promise<void> {
  const buffer = new Uint8Array(65536);
  try {
    for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
      lines.push(`${mark} ${hexText(buffer.subarray(0, length))}`);
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

function hexText(bytes: Uint8Array): string {
  const pairs = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return pairs.replaceAll(
    new RegExp(`(..)\\1{${RUN_MIN - 1},}`, "g"),
    (run, pair, offset) => offset % 2 === 0 ? ` ${pair}*${run.length / 2} ` : run,
  ).trim();
}

await main(Deno.args);
