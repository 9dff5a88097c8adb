/**
 * Takes a chatty worker's pipe over from Deno's stream: a read there wakes the runtime and passes a dozen functions,
 * some 20 µs; a read(2) of our own costs two. Linux with glibc only; where it can't be had, the stream is read on.
 *
 * Rules: which descriptor a stream has, Deno doesn't tell. It is guessed from the worker's own side in /proc, and
 * proved before it is used: what tee(2) shows of the pipe, which takes nothing out, must be what the stream's next
 * read returns. Our side is a duplicate; Deno's own is closed, so that the pipe wakes the runtime no more.
 */

import { DescriptorSource } from "./descriptor_source.ts";
import { Poller } from "./poller.ts";

const SYMBOLS = {
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
  tee: { parameters: ["i32", "i32", "usize", "u32"], result: "isize" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
} as const;

const O_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const SPLICE_F_NONBLOCK = 2;
const F_DUPFD_CLOEXEC = 1030;
const FIRST_AFTER_STANDARD_STREAMS = 3;
const PEEK_BYTES_MAX = 4096;

export class PipeTaker {
  readonly #libc = Deno.dlopen("libc.so.6", SYMBOLS);
  readonly #poller = new Poller();
  /** A pipe for peeking: its reading and its writing end. */
  readonly #peekPipe = new Int32Array(2);
  readonly #peeked = new Uint8Array(PEEK_BYTES_MAX);
  /** Our descriptors by what /proc calls their pipes. A number may be another's by now. */
  #ownPipes = new Map<string, number>();

  /** Throws where there is no glibc, no permission for FFI or no descriptor left. */
  constructor() {
    const made = this.#libc.symbols.pipe2(new Uint8Array(this.#peekPipe.buffer), O_NONBLOCK_CLOEXEC);
    if (made !== 0) throw new Error("No pipe can be made");
  }

  /** Our descriptor of the pipe that process `pid` has as its descriptor `number`, as far as /proc tells. */
  find(pid: number, number: 1 | 2): number | undefined {
    const name = pipeName(`/proc/${pid}/fd/${number}`);
    if (name === undefined) return undefined;
    const known = this.#ownPipes.get(name);
    if (known !== undefined && pipeName(`/proc/self/fd/${known}`) === name) return known;
    this.#ownPipes = ownPipes();
    return this.#ownPipes.get(name);
  }

  /** What waits in the pipe, without taking it; a view that holds until the next call. */
  peek(descriptor: number): Uint8Array {
    const [reading, writing] = this.#peekPipe;
    const { tee } = this.#libc.symbols;
    const count = Number(tee(descriptor, writing!, BigInt(PEEK_BYTES_MAX), SPLICE_F_NONBLOCK));
    if (count <= 0) return this.#peeked.subarray(0, 0);
    return this.#peeked.subarray(0, this.#poller.read(reading!, this.#peeked));
  }

  /** A source of our own for the pipe behind `descriptor`, which may be closed then. */
  take(descriptor: number): DescriptorSource | undefined {
    const own = this.#libc.symbols.fcntl(descriptor, F_DUPFD_CLOEXEC, FIRST_AFTER_STANDARD_STREAMS);
    return own < 0 ? undefined : new DescriptorSource(own, this.#poller);
  }

  async close(): Promise<void> {
    for (const descriptor of this.#peekPipe) this.#poller.closeDescriptor(descriptor);
    await this.#poller.close();
    this.#libc.close();
  }
}

/** "pipe:[4711]", or undefined: no pipe, or not to be seen. */
function pipeName(path: string): string | undefined {
  try {
    const name = Deno.readLinkSync(path);
    return name.startsWith("pipe:") ? name : undefined;
  } catch {
    return undefined;
  }
}

function ownPipes(): Map<string, number> {
  const pipes = new Map<string, number>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const pipe = pipeName(`/proc/self/fd/${name}`);
    if (pipe !== undefined) pipes.set(pipe, Number(name));
  }
  return pipes;
}
