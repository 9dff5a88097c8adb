/**
 * The world of the file timer: the FIFO that workers write their deadlines into, and the clock.
 *
 * The FIFO is held open for reading and writing, so that it never ends when a writer closes it. The pending read
 * occupies one of the 32 threads that all file access shares, for as long as the watchdog is on. A byte of our own
 * wakes it for the end, through a descriptor of its own: on one descriptor the runtime lets a write wait for the
 * read. torchrun reads with one second's delay, kills itself together with the worker, and leaves the FIFO behind
 * (torchrun.md 7, item 10).
 */

import { SystemError } from "../core/errors.ts";
import { type ExpiredTimer, FileTimers } from "../supervise/file_timer.ts";
import { monotonicNow, wallNow } from "./clock.ts";
import { libc } from "./libc.ts";
import { processInfo } from "./process_table.ts";

export interface FileTimerOptions {
  /** Where the FIFO is made: TORCHELASTIC_TIMER_FILE of the workers. */
  readonly path: string;
  /**
   * A process missed its own deadline. It still is the process that set it, but only the caller can tell whether
   * it is one of the job's.
   */
  readonly onExpired: (timer: ExpiredTimer) => void;
  /** Something is wrong with what the workers write; said once. */
  readonly warn: (text: string) => void;
}

export interface FileTimer {
  /** A worker ended, and its timers with it. */
  forget(pid: number): void;
  /** An attempt ended, and all timers with it. */
  clear(): void;
  /** Ends the reading and removes the FIFO. */
  close(): Promise<void>;
}

/** Makes the FIFO and begins to read. Throws `SystemError` when it can't be made. */
export async function startFileTimer(options: FileTimerOptions): Promise<FileTimer> {
  makeWay(options.path);
  await makeFifo(options.path);
  return new FifoReader(options);
}

const READ_BYTES = 64 << 10;
/** setTimeout counts in 32 bits; a deadline further away is looked at again. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

class FifoReader implements FileTimer {
  readonly #options: FileTimerOptions;
  readonly #file: Deno.FsFile;
  readonly #waker: Deno.FsFile;
  readonly #timers = new FileTimers();
  /** When each process began that set a timer: pids are used again. */
  readonly #startTicks = new Map<number, number | undefined>();
  readonly #reading: Promise<void>;
  #timeout: ReturnType<typeof setTimeout> | undefined;
  #isClosing = false;
  #hasWarned = false;

  constructor(options: FileTimerOptions) {
    this.#options = options;
    this.#file = Deno.openSync(options.path, { read: true, write: true });
    this.#waker = Deno.openSync(options.path, { write: true });
    this.#reading = this.#read();
  }

  forget(pid: number): void {
    this.#timers.forget(pid);
    this.#startTicks.delete(pid);
    this.#arm();
  }

  clear(): void {
    this.#timers.clear();
    this.#startTicks.clear();
    this.#arm();
  }

  async close(): Promise<void> {
    if (this.#isClosing) return await this.#reading;
    this.#isClosing = true;
    clearTimeout(this.#timeout);
    removeIfStillOurs(this.#options.path, this.#file);
    await this.#waker.write(new Uint8Array([NEWLINE]));
    await this.#reading;
    this.#file.close();
    this.#waker.close();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    while (true) {
      const count = await this.#file.read(buffer);
      if (this.#isClosing || count === null) return;
      const clocks = { now: monotonicNow(), wallNow: wallNow() };
      for (const pid of this.#timers.receive(buffer.subarray(0, count), clocks)) {
        this.#startTicks.set(pid, processInfo(pid)?.startTicks);
      }
      this.#warnOfIgnored();
      this.#arm();
    }
  }

  #arm(): void {
    clearTimeout(this.#timeout);
    const at = this.#timers.nextWakeup();
    if (at === undefined || this.#isClosing) return;
    const delay = Math.min(Math.max(0, Math.ceil(at - monotonicNow())), TIMEOUT_MS_MAX);
    this.#timeout = setTimeout(() => this.#expire(), delay);
  }

  #expire(): void {
    for (const timer of this.#timers.expire(monotonicNow())) {
      const startTicks = this.#startTicks.get(timer.pid);
      this.#startTicks.delete(timer.pid);
      if (startTicks === undefined || processInfo(timer.pid)?.startTicks !== startTicks) continue;
      this.#options.onExpired(timer);
    }
    this.#arm();
  }

  #warnOfIgnored(): void {
    if (this.#hasWarned || this.#timers.ignored === 0) return;
    this.#hasWarned = true;
    this.#options.warn(
      `The watchdog's FIFO "${this.#options.path}" receives what is no timer request; ignored`,
    );
  }
}

const NEWLINE = 10;

/** A FIFO, or the empty file that `mktemp` makes, is taken to be left for us; anything else is not ours to remove. */
function makeWay(path: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch {
    return;
  }
  if (!info.isFifo && !(info.isFile && info.size === 0)) {
    throw new SystemError(
      `Cannot make the watchdog's FIFO "${path}": something else is there; ` +
        "remove it or set TORCHELASTIC_TIMER_FILE to another path",
    );
  }
  Deno.removeSync(path);
}

const FIFO_MODE = 0o600;

async function makeFifo(path: string): Promise<void> {
  const library = libc();
  const isMade = library === null
    ? await makeFifoByCommand(path)
    : library.mkfifo(new TextEncoder().encode(`${path}\0`), FIFO_MODE) === 0;
  if (isMade) return;
  throw new SystemError(
    `Cannot make the watchdog's FIFO "${path}" (TORCHELASTIC_TIMER_FILE): ` +
      "its directory isn't there, can't be written, or is on a file system without FIFOs",
  );
}

/** Only where there is no C library to call: elsewhere the launcher would reap the child, as an orphan, first. */
async function makeFifoByCommand(path: string): Promise<boolean> {
  const args = ["-m", FIFO_MODE.toString(8), "--", path];
  return (await new Deno.Command("mkfifo", { args, stdout: "null", stderr: "null" }).output()).success;
}

/** Another launcher may have put its own in the place. */
function removeIfStillOurs(path: string, file: Deno.FsFile): void {
  try {
    const [there, ours] = [Deno.lstatSync(path), file.statSync()];
    if (there.ino === ours.ino && there.dev === ours.dev) Deno.removeSync(path);
  } catch {
    // Gone already.
  }
}
