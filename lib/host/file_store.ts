/**
 * What torchrun's agents share in one file (`store_type=file`), as PyTorch's FileStore keeps it: keys and values one after
 * the other, each behind its length in four bytes, little-endian; the last of a key counts, "-" before a key deletes it. Who
 * writes has the file for itself (`flock`), who reads has it with other readers. There are no events: file systems of many
 * machines have none, so keys are looked for again and again, as PyTorch does.
 */

import { concat, fromUtf8, utf8 } from "../core/bytes.ts";
import type { RecordState, SharedKeys, SharedRecord, SharedStore } from "./shared_store.ts";
import { NO_RECORD, pause, stateFrom } from "./torch_store.ts";

/** PyTorch's is 10 ms. */
const LOOK_MS = 50;
/** Of a file whose end makes no sense nothing more is believed. */
const PART_BYTES_MAX = 16 * 1024 * 1024;
const DELETED = "-";

/** The file can't be used; the message names it. */
export class FileStoreError extends Error {
  override readonly name = "FileStoreError";
}

export class FileStore implements SharedStore, SharedRecord, SharedKeys {
  readonly record = this;
  readonly keys = this;
  readonly #path: string;
  readonly #recordKey: string;
  readonly #values = new Map<string, Uint8Array>();
  /** What of the file is in `#values`. */
  #position = 0;
  /** One operation at a time: the lock is the process's, not the operation's. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #closing = new AbortController();

  private constructor(path: string, jobId: string) {
    this.#path = path;
    this.#recordKey = `/torch.rendezvous.${jobId}`;
  }

  /** Opens or makes it. @throws {FileStoreError} */
  static async open(path: string, jobId: string): Promise<FileStore> {
    const store = new FileStore(path, jobId);
    await store.#compareSet(store.#recordKey, new Uint8Array(), utf8(NO_RECORD));
    return store;
  }

  async read(_token: string | null = null, afterMs = 0): Promise<RecordState | null> {
    if (afterMs > 0) await pause(afterMs, this.#closing.signal);
    const value = await this.#locked("shared", () => this.#values.get(this.#recordKey));
    return value === undefined ? null : stateFrom(value);
  }

  async write(
    bytes: Uint8Array,
    token: string | null,
  ): Promise<{ readonly written: boolean; readonly state: RecordState | null }> {
    const text = bytes.toBase64();
    const found = await this.#compareSet(this.#recordKey, utf8(token ?? NO_RECORD), utf8(text));
    return { written: fromUtf8(found) === text, state: stateFrom(found) };
  }

  set(key: string, value: Uint8Array): Promise<void> {
    return this.#locked("exclusive", (append) => append(`/${key}`, value));
  }

  async get(keys: readonly string[], limitMs: number): Promise<Uint8Array[] | null> {
    const deadline = performance.now() + limitMs;
    while (true) {
      const values = await this.look(keys);
      if (!values.includes(null)) return values as Uint8Array[];
      if (performance.now() >= deadline || this.#closing.signal.aborted) return null;
      await pause(Math.min(LOOK_MS, deadline - performance.now()), this.#closing.signal);
    }
  }

  look(keys: readonly string[]): Promise<(Uint8Array | null)[]> {
    return this.#locked("shared", () => keys.map((key) => this.#values.get(`/${key}`) ?? null));
  }

  add(key: string, amount: number): Promise<number> {
    return this.#locked("exclusive", (append) => {
      const before = this.#values.get(`/${key}`);
      const sum = amount + (before === undefined ? 0 : Number(fromUtf8(before)));
      if (!Number.isSafeInteger(sum)) {
        throw new FileStoreError(`${key} in ${this.#path} holds no number to add to`);
      }
      append(`/${key}`, utf8(String(sum)));
      return sum;
    });
  }

  lossText(error: unknown): string | null {
    return error instanceof FileStoreError ? error.message : null;
  }

  close(): void {
    this.#closing.abort();
  }

  #compareSet(key: string, expected: Uint8Array, desired: Uint8Array): Promise<Uint8Array> {
    return this.#locked("exclusive", (append) => {
      const current = this.#values.get(key);
      const isExpected = current === undefined
        ? expected.length === 0
        : fromUtf8(current) === fromUtf8(expected);
      if (isExpected) append(key, desired);
      return isExpected ? desired : current ?? expected;
    });
  }

  /** Runs `operation` on what the file says, while nobody writes to it; `append` may be called once. */
  #locked<T>(
    kind: "shared" | "exclusive",
    operation: (append: (key: string, value: Uint8Array) => void) => T,
  ): Promise<T> {
    const run = async (): Promise<T> => {
      let file: Deno.FsFile | null = null;
      try {
        file = await Deno.open(this.#path, { read: true, write: true, create: true });
        await file.lock(kind === "exclusive");
        await this.#refresh(file);
        const entries: Uint8Array[] = [];
        const result = operation((key, value) => {
          entries.push(part(utf8(key)), part(value));
          this.#values.set(key, value);
        });
        if (entries.length > 0) await this.#append(file, concat(entries));
        return result;
      } catch (error) {
        if (error instanceof FileStoreError) throw error;
        const reason = error instanceof Error ? error.message : error;
        throw new FileStoreError(`The rendezvous file ${this.#path} can't be used: ${reason}`);
      } finally {
        // Which ends the lock, too.
        file?.close();
      }
    };
    const done = this.#last.then(run, run);
    this.#last = done.catch(() => {});
    return done;
  }

  async #append(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
    await file.seek(0, Deno.SeekMode.End);
    for (let start = 0; start < bytes.length;) start += await file.write(bytes.subarray(start));
    this.#position += bytes.length;
  }

  /** Reads what others have added. */
  async #refresh(file: Deno.FsFile): Promise<void> {
    const { size } = await file.stat();
    if (size < this.#position) {
      throw new FileStoreError(`The rendezvous file ${this.#path} has been cut or replaced`);
    }
    if (size === this.#position) return;
    await file.seek(this.#position, Deno.SeekMode.Start);
    const bytes = new Uint8Array(size - this.#position);
    for (let filled = 0; filled < bytes.length;) {
      const length = await file.read(bytes.subarray(filled));
      if (length === null) throw new FileStoreError(`The rendezvous file ${this.#path} ends too early`);
      filled += length;
    }
    let offset = 0;
    const view = new DataView(bytes.buffer);
    const take = (): Uint8Array => {
      const length = offset + 4 <= bytes.length ? view.getUint32(offset, true) : Infinity;
      const end = offset + 4 + length;
      if (length > PART_BYTES_MAX || end > bytes.length) {
        throw new FileStoreError(`${this.#path} is no file of PyTorch's store, or its end is broken`);
      }
      const value = bytes.slice(offset + 4, end);
      offset = end;
      return value;
    };
    while (offset < bytes.length) {
      const key = fromUtf8(take()), value = take();
      if (key.startsWith(DELETED)) this.#values.delete(key.slice(DELETED.length));
      else this.#values.set(key, value);
    }
    this.#position = size;
  }
}

function part(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(4 + bytes.length);
  new DataView(whole.buffer).setUint32(0, bytes.length, true);
  whole.set(bytes, 4);
  return whole;
}
