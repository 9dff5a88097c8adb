/** Moves one worker's stream to where it goes, until its end. */

import type { DescriptorSource } from "./descriptor_source.ts";
import type { PipeTaker } from "./pipe_taker.ts";

/** A stream that is read when its bytes are wanted. */
export interface ByteSource {
  /** The next bytes, or null at the end. They belong to the caller until the next read. */
  read(): Promise<Uint8Array | null>;
  /** Gives up: a pending read ends with null. */
  cancel(): void;
  /** Its bytes come in many small pieces: there may be a cheaper way to read them. */
  onChatty?(): void;
}

/** Where the bytes go. */
export interface ByteSinks {
  push(chunk: Uint8Array): void;
  /** Undefined: go on; else wait, and let the worker wait. */
  room(): Promise<unknown> | undefined;
  /** No more bytes will come. */
  end(): void;
}

/** What chatty workers write is gathered for this long: the cost is in the reads. */
const GATHER_MS = 10;
/** A read that brought less than this, soon after the one before, is a chatty worker's. */
const GATHER_BELOW_BYTES = 4 * 1024;

/** One timer for the streams of all workers, running only while somebody writes little. */
export class Gatherer {
  #waiters: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isHurried = false;

  /** Resolves at the next collection. */
  next(): Promise<void> | undefined {
    if (this.#isHurried) return undefined;
    this.#timer ??= setTimeout(() => this.#release(), GATHER_MS);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** From now on nothing is waited for: the workers have ended. */
  hurry(): void {
    this.#isHurried = true;
    this.#release();
  }

  #release(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const release of waiters) release();
  }
}

/** Reads `source` to its end. Never rejects: a stream that breaks has ended. */
export async function pump(source: ByteSource, sinks: ByteSinks, gatherer: Gatherer): Promise<void> {
  let lastReadAt = -Infinity;
  try {
    for (;;) {
      const chunk = await source.read();
      if (chunk === null) break;
      sinks.push(chunk);
      await sinks.room();
      const isChatty = chunk.length < GATHER_BELOW_BYTES && performance.now() - lastReadAt < GATHER_MS;
      if (isChatty) {
        source.onChatty?.();
        await gatherer.next();
      }
      lastReadAt = performance.now();
    }
  } catch {
    // As if it had ended: there is nobody else to tell.
  }
  sinks.end();
}

const READ_BYTES_MIN = 4 * 1024;
const READ_BYTES_MAX = 128 * 1024;

/** So many small reads in a row show that a worker is chatty: at most one every `GATHER_MS`. */
const CHATTY_READS = 100;
/** Fewer bytes would prove little. */
const PROOF_BYTES_MIN = 16;

/** What it takes to read a worker's pipe in a cheaper way; see lib/host/pipe_taker.ts. */
export interface Takeover {
  readonly pid: number;
  /** The worker's own number of the stream. */
  readonly number: 1 | 2;
  /** Null: it can't be had here. */
  readonly taker: () => Promise<PipeTaker | null>;
}

/**
 * A piped stream of a child process. It is read into one buffer, again and again, that grows with what comes: the
 * many workers that say little cost little. Who says little very often is read through a descriptor of our own.
 */
export class PipeSource implements ByteSource {
  readonly #reader: ReadableStreamBYOBReader;
  /** Undefined: not wanted, or tried. */
  #takeover: Takeover | undefined;
  #chattyReads = 0;
  /** Where the pipe may be, until that is proved. */
  #guess: { readonly taker: PipeTaker; readonly descriptor: number } | undefined;
  #taken: DescriptorSource | undefined;
  #buffer = new ArrayBuffer(READ_BYTES_MIN);

  constructor(stream: ReadableStream<Uint8Array>, takeover?: Takeover) {
    this.#reader = stream.getReader({ mode: "byob" });
    this.#takeover = takeover;
  }

  /** Whether the pipe is read through a descriptor of our own. */
  get isTaken(): boolean {
    return this.#taken !== undefined;
  }

  read(): Promise<Uint8Array | null> {
    if (this.#taken !== undefined) return this.#taken.read();
    return this.#guess === undefined ? this.#readStream() : this.#readWithProof(this.#guess);
  }

  cancel(): void {
    this.#taken?.cancel();
    this.#reader.cancel().catch(() => {});
  }

  onChatty(): void {
    if (this.#takeover === undefined || ++this.#chattyReads < CHATTY_READS) return;
    const { pid, number, taker } = this.#takeover;
    this.#takeover = undefined;
    void taker().then((taker) => {
      const descriptor = taker?.find(pid, number);
      if (taker !== null && descriptor !== undefined) this.#guess = { taker, descriptor };
    });
  }

  async #readStream(): Promise<Uint8Array | null> {
    const { value } = await this.#reader.read(new Uint8Array(this.#buffer));
    if (value === undefined || value.length === 0) return null;
    const { buffer } = value;
    const isFull = value.length === buffer.byteLength && buffer.byteLength < READ_BYTES_MAX;
    this.#buffer = isFull ? new ArrayBuffer(2 * buffer.byteLength) : buffer;
    return value;
  }

  /** Reads from the stream; if that returns what was in the guessed pipe, the pipe is the stream's. */
  async #readWithProof(
    { taker, descriptor }: { readonly taker: PipeTaker; readonly descriptor: number },
  ): Promise<Uint8Array | null> {
    const seen = taker.peek(descriptor).slice();
    const value = await this.#readStream();
    if (value === null || seen.length < PROOF_BYTES_MIN || value.length < PROOF_BYTES_MIN) return value;
    this.#guess = undefined;
    const length = Math.min(seen.length, value.length);
    for (let at = 0; at < length; at++) if (seen[at] !== value[at]) return value;
    this.#taken = taker.take(descriptor);
    if (this.#taken !== undefined) this.#reader.cancel().catch(() => {});
    return value;
  }
}
