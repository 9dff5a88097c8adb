/** Moves one worker's stream to where it goes, until its end. */

/** A stream that is read when its bytes are wanted. */
export interface ByteSource {
  /** The next bytes, or null at the end. They belong to the caller until the next read. */
  read(): Promise<Uint8Array | null>;
  /** Gives up: a pending read ends with null. */
  cancel(): void;
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
      if (isChatty) await gatherer.next();
      lastReadAt = performance.now();
    }
  } catch {
    // As if it had ended: there is nobody else to tell.
  }
  sinks.end();
}

const READ_BYTES_MIN = 4 * 1024;
const READ_BYTES_MAX = 128 * 1024;

/**
 * A piped stream of a child process. It is read into one buffer, again and again, that grows with what comes: the
 * many workers that say little cost little.
 */
export class PipeSource implements ByteSource {
  readonly #reader: ReadableStreamBYOBReader;
  #buffer = new ArrayBuffer(READ_BYTES_MIN);

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader({ mode: "byob" });
  }

  async read(): Promise<Uint8Array | null> {
    const { value } = await this.#reader.read(new Uint8Array(this.#buffer));
    if (value === undefined || value.length === 0) return null;
    const { buffer } = value;
    const isFull = value.length === buffer.byteLength && buffer.byteLength < READ_BYTES_MAX;
    this.#buffer = isFull ? new ArrayBuffer(2 * buffer.byteLength) : buffer;
    return value;
  }

  cancel(): void {
    this.#reader.cancel().catch(() => {});
  }
}
