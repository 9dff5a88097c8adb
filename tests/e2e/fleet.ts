/** Jobs of several nodes whose launchers all run on this machine: one port, real processes, real signals. */

import { assert } from "@std/assert";
import { delay } from "@std/async/delay";
import { killMarked, newMark } from "./processes.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
/** Tells its place, then does what stands behind it. */
const TELL =
  'echo "RANK $RANK of $WORLD_SIZE at $MASTER_ADDR:$MASTER_PORT restart $TORCHELASTIC_RESTART_COUNT"; ';

export interface Node {
  readonly pid: number;
  /** What it has printed so far, both streams. */
  output(): string;
  signal(signal: Deno.Signal): void;
  /** Exit code; 128 + n for signal n. */
  readonly ended: Promise<number>;
}

export interface Fleet {
  /** Where the job's endpoint is, on this machine. */
  readonly endpointPort: number;
  /** Starts one launcher; `script` is what each worker does. */
  start(options: readonly string[], script: string, env?: Readonly<Record<string, string>>): Node;
  /** Waits until `isTrue`. */
  until(what: string, isTrue: () => boolean): Promise<void>;
}

const WAIT_MS = 20_000;

/** Runs `body`; whatever it started is gone afterwards. */
export async function fleet(body: (fleet: Fleet) => Promise<void>): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const mark = newMark();
  const ends: Promise<unknown>[] = [];
  const start: Fleet["start"] = (options, script, env = {}) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--quiet"],
        ...[MAIN, "--nproc-per-node=1", "--rdzv-backend=c10d", `--rdzv-endpoint=localhost:${port}`],
        ...[...options, "--no-python", "sh", "-c", TELL + script],
      ],
      env: { ...env, ...mark.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    let text = "";
    const read = async (stream: ReadableStream<Uint8Array>) => {
      for await (const chunk of stream.pipeThrough(new TextDecoderStream())) text += chunk;
    };
    const ended = Promise.all([child.status, read(child.stdout), read(child.stderr)]).then(([{ code }]) =>
      code
    );
    ends.push(ended);
    return { pid: child.pid, output: () => text, signal: (signal) => child.kill(signal), ended };
  };
  const until: Fleet["until"] = async (what, isTrue) => {
    const deadline = performance.now() + WAIT_MS;
    while (!isTrue()) {
      assert(performance.now() < deadline, `Not seen in ${WAIT_MS} ms: ${what}`);
      await delay(20);
    }
  };
  try {
    await body({ endpointPort: port, start, until });
  } finally {
    killMarked(mark);
    await Promise.all(ends);
  }
}

/** What each of the node's attempts told of rank, world size, address and restart count. */
export const ranksOf = (
  node: Node,
) => [...node.output().matchAll(/RANK (\d+) of (\d+) at (\S+) restart (\d+)/g)];
export const lastRank = (node: Node) => ranksOf(node).at(-1)?.slice(1);
