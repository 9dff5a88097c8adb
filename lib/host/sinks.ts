/**
 * One log file that is written while its stream runs. Only a file may slow a worker down: its reader waits while
 * too much is queued. A file that can't be written (a full disk) never stops a worker: what is missing is counted,
 * and marked in the file where it goes on.
 */

import { utf8 } from "../core/bytes.ts";
import { ByteQueue } from "../logs/byte_queue.ts";
import { systemReason } from "./log_directory.ts";

/** Output that may wait for one file. */
export const FILE_QUEUE_BYTES_MAX = 1024 * 1024;
/** Small writes are gathered for this long: 64 chatty workers would cost more in calls than in bytes. */
export const FILE_GATHER_MS = 250;

const WRITE_BYTES_MAX = 256 * 1024;

/** What a sink needs of a `Deno.FsFile`. */
export interface WritableFile {
  write(bytes: Uint8Array): Promise<number>;
  close(): void | Promise<void>;
}

export interface FileSinkOptions {
  readonly path: string;
  /** Told of the first write that failed. */
  readonly onFailed: (reason: string) => void;
}

export class FileSink {
  readonly path: string;
  readonly #file: WritableFile;
  readonly #onFailed: (reason: string) => void;
  readonly #queue = new ByteQueue(WRITE_BYTES_MAX);
  #running: Promise<void> | undefined;
  #gatherTimer: ReturnType<typeof setTimeout> | undefined;
  #roomWaiters: (() => void)[] = [];
  #lostBytes = 0;
  /** Missing since the last successful write, and why. */
  #gapBytes = 0;
  #gapReason = "";

  /** Takes over `file`, which `close` closes. */
  constructor(file: WritableFile, options: FileSinkOptions) {
    this.#file = file;
    this.path = options.path;
    this.#onFailed = options.onFailed;
  }

  /** Bytes that could not be written. */
  get lostBytes(): number {
    return this.#lostBytes;
  }

  /** Queues a copy of `bytes`. */
  push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    if (this.#running !== undefined) return;
    if (this.#queue.size >= WRITE_BYTES_MAX) this.#start();
    else this.#gatherTimer ??= setTimeout(() => this.#start(), FILE_GATHER_MS);
  }

  /** Undefined while there is room; else resolves when there is. */
  room(): Promise<void> | undefined {
    if (this.#queue.size <= FILE_QUEUE_BYTES_MAX) return undefined;
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Writes what is queued and closes the file. */
  async close(): Promise<void> {
    this.#start();
    while (this.#running !== undefined) await this.#running;
    try {
      await this.#file.close();
    } catch (error) {
      this.#onFailed(systemReason(error));
    }
  }

  #start(): void {
    if (this.#gatherTimer !== undefined) clearTimeout(this.#gatherTimer);
    this.#gatherTimer = undefined;
    if (this.#queue.size > 0) this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    while (this.#queue.size > 0) {
      const bytes = this.#queue.peek();
      let done = bytes.length;
      try {
        if (this.#gapBytes > 0) await this.#writeMark();
        done = await this.#file.write(bytes);
      } catch (error) {
        this.#gapReason = systemReason(error);
        if (this.#lostBytes === 0) this.#onFailed(this.#gapReason);
        this.#lostBytes += bytes.length;
        this.#gapBytes += bytes.length;
      }
      this.#queue.drop(done);
      if (this.#queue.size <= FILE_QUEUE_BYTES_MAX / 2) this.#releaseRoom();
    }
    this.#running = undefined;
    this.#releaseRoom();
  }

  /** Says in the file what is missing in it. */
  async #writeMark(): Promise<void> {
    const missing = this.#gapBytes.toLocaleString("en-US");
    let mark = utf8(`\n… ${missing} bytes are missing here: ${this.#gapReason}\n`);
    while (mark.length > 0) mark = mark.subarray(await this.#file.write(mark));
    this.#gapBytes = 0;
  }

  #releaseRoom(): void {
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const release of waiters) release();
  }
}
