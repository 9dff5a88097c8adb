/**
 * The launcher's stdout and stderr: one writer for each, whatever writes. A console that doesn't read never holds
 * up the event loop or, for longer than a moment, a worker: its queue is bounded, and when nothing drains, lines
 * are dropped from the console, counted and marked. A regular file is waited for instead.
 */

import { utf8 } from "../core/bytes.ts";
import { ByteQueue } from "../logs/byte_queue.ts";
import { LineMix } from "../logs/line_mix.ts";

/** Output that may wait for one console. */
export const CONSOLE_QUEUE_BYTES_MAX = 8 * 1024 * 1024;
/** Room beyond that for the launcher's own words. */
const OWN_BYTES_MAX = 1024 * 1024;
/** How long readers of workers' output wait for a full console that drains nothing. */
export const CONSOLE_STALL_MS = 1000;

/** Small writes show that a slow reader makes progress, large ones are cheap. */
const SLICE_BYTES_MIN = 4 * 1024;
const SLICE_BYTES_MAX = 64 * 1024;
const SLOW_WRITE_MS = 100;
/** Pause before another try when whoever shares the descriptor made it non-blocking and it is full. */
const WOULD_BLOCK_PAUSE_MS = 10;

/**
 * Small writes that come right after one another are gathered for this long: each is a task for another thread, which
 * costs more than its bytes.
 */
const GATHER_MS = 5;

const NEWLINE = 10;

/** What a console writes to: `Deno.stdout`, `Deno.stderr` or a test's own. */
export interface ConsoleTarget {
  write(bytes: Uint8Array): Promise<number>;
}

export interface ConsoleWriterOptions {
  /** A regular file is waited for, however long it takes. */
  readonly isFile: boolean;
  /** @default {CONSOLE_STALL_MS} */
  readonly stallMs?: number;
}

export class ConsoleWriter {
  readonly #target: ConsoleTarget;
  /** Null: a file, which is waited for. */
  readonly #stallMs: number | null;
  readonly #queue = new ByteQueue(SLICE_BYTES_MAX);
  #sliceBytes = SLICE_BYTES_MAX;
  #running: Promise<void> | undefined;
  #lastProgressAt = -Infinity;
  #gatherTimer: ReturnType<typeof setTimeout> | undefined;
  #roomWaiters: (() => void)[] = [];
  #stallTimer: ReturnType<typeof setTimeout> | undefined;
  /** Nothing drained for too long: what comes now is dropped. */
  #isStalled = false;
  /** The last write found no space: the next that finds some shows that there is again. */
  #isDiskFull = false;
  /** Nobody will ever read again: everything is forgotten, in silence. */
  #isGone = false;
  #droppedLines = 0;
  #dropReason = "";
  #endsInsideLine = false;

  constructor(target: ConsoleTarget, options: ConsoleWriterOptions) {
    this.#target = target;
    this.#stallMs = options.isFile ? null : options.stallMs ?? CONSOLE_STALL_MS;
  }

  /** Lines lost so far and not yet marked. */
  get droppedLines(): number {
    return this.#droppedLines;
  }

  /** Queues a copy of `bytes`. */
  push(bytes: Uint8Array): void {
    if (this.#isGone || bytes.length === 0) return;
    if (this.#isStalled) {
      this.#drop(bytes, "the console did not read");
      return;
    }
    if (this.#droppedLines > 0 && !this.#isDiskFull) this.#pushMark();
    this.#queue.push(bytes);
    this.#endsInsideLine = bytes.at(-1) !== NEWLINE;
    if (this.#running !== undefined) return;
    const mayWait = this.#queue.size < SLICE_BYTES_MAX &&
      (this.#gatherTimer !== undefined || performance.now() - this.#lastProgressAt <= GATHER_MS);
    if (mayWait) this.#gatherTimer ??= setTimeout(() => this.#start(), GATHER_MS);
    else this.#start();
  }

  /** Queues a copy of the launcher's own words, for which there is room while lines of the workers are dropped. */
  pushOwn(bytes: Uint8Array): void {
    if (this.#queue.size > CONSOLE_QUEUE_BYTES_MAX + OWN_BYTES_MAX) return this.push(bytes);
    const wasStalled = this.#isStalled;
    this.#isStalled = false;
    this.push(bytes);
    this.#isStalled = wasStalled;
  }

  /** Undefined while there is room; else resolves when there is, or when waiting is no use. */
  room(): Promise<void> | undefined {
    if (this.#queue.size <= CONSOLE_QUEUE_BYTES_MAX || this.#isStalled || this.#isGone) return undefined;
    this.#watchForStall();
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Resolves when all is written, or after `deadlineMs`; true: nothing is left. */
  async flush(deadlineMs: number): Promise<boolean> {
    if (this.#droppedLines > 0) this.#pushMark();
    this.#start();
    const running = this.#running;
    if (running === undefined) return true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const isLate = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), deadlineMs));
    const isDone = await Promise.race([running.then(() => true), isLate]);
    clearTimeout(timer);
    return isDone;
  }

  #start(): void {
    if (this.#gatherTimer !== undefined) clearTimeout(this.#gatherTimer);
    this.#gatherTimer = undefined;
    if (this.#queue.size > 0) this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    this.#lastProgressAt = performance.now();
    while (this.#queue.size > 0 && !this.#isGone) {
      const slice = this.#queue.peek(this.#sliceBytes);
      const startedAt = performance.now();
      const written = await this.#writeSlice(slice);
      if (written === 0) continue;
      this.#queue.drop(written);
      this.#isStalled = false;
      this.#lastProgressAt = performance.now();
      const isSlow = this.#lastProgressAt - startedAt > SLOW_WRITE_MS;
      this.#sliceBytes = isSlow
        ? Math.max(SLICE_BYTES_MIN, this.#sliceBytes / 2)
        : Math.min(SLICE_BYTES_MAX, this.#sliceBytes * 2);
      if (this.#queue.size <= CONSOLE_QUEUE_BYTES_MAX / 2) this.#releaseRoom();
    }
    this.#running = undefined;
    this.#releaseRoom();
  }

  /** How many bytes of `slice` are dealt with: written or, where that failed, given up. */
  async #writeSlice(slice: Uint8Array): Promise<number> {
    try {
      const written = await this.#target.write(slice);
      this.#isDiskFull = false;
      return written;
    } catch (error) {
      if (error instanceof Deno.errors.WouldBlock) {
        await new Promise((resolve) => setTimeout(resolve, WOULD_BLOCK_PAUSE_MS));
        return 0;
      }
      if (error instanceof Error && (error as { code?: string }).code === "ENOSPC") {
        this.#isDiskFull = true;
        this.#drop(slice, "no space left");
        return slice.length;
      }
      this.#isGone = true;
      this.#queue.clear();
      return 0;
    }
  }

  /** One timer for all who wait, moved on by every bit of progress. */
  #watchForStall(): void {
    const stallMs = this.#stallMs;
    if (stallMs === null || this.#stallTimer !== undefined) return;
    const remainingMs = stallMs - (performance.now() - this.#lastProgressAt);
    this.#stallTimer = setTimeout(() => {
      this.#stallTimer = undefined;
      if (this.#roomWaiters.length === 0) return;
      if (performance.now() - this.#lastProgressAt < stallMs) return this.#watchForStall();
      this.#isStalled = true;
      this.#releaseRoom();
    }, Math.max(remainingMs, 1));
  }

  #drop(bytes: Uint8Array, reason: string): void {
    this.#droppedLines += countNewlines(bytes);
    this.#dropReason = reason;
  }

  #pushMark(): void {
    const start = this.#endsInsideLine ? "\n" : "";
    const lines = this.#droppedLines === 1 ? "1 line" : `${this.#droppedLines.toLocaleString("en-US")} lines`;
    this.#droppedLines = 0;
    this.#isStalled = false;
    this.push(utf8(`${start}… ${lines} dropped: ${this.#dropReason}\n`));
  }

  #releaseRoom(): void {
    if (this.#stallTimer !== undefined) clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const release of waiters) release();
  }
}

function countNewlines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

/** One console: who writes takes turns by the rules of `mix`, and the bytes go through `writer`. */
export interface Console {
  readonly mix: LineMix;
  readonly writer: ConsoleWriter;
  /** Labels have colours. */
  readonly colour: boolean;
}

/** How consoles look. */
export interface ConsoleView {
  readonly colour: "auto" | "always" | "never";
  readonly fold: "auto" | "never";
  /** What stands before every line; undefined: nothing. */
  readonly stamp: ((isTerminal: boolean) => () => string) | undefined;
}

const PLAIN_VIEW: ConsoleView = { colour: "auto", fold: "auto", stamp: undefined };

export interface Consoles {
  readonly stdout: Console;
  /** The same object as `stdout` where both are one file, pipe or terminal: lines of the two never mix either. */
  readonly stderr: Console;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
}

/** The launcher's own stdout and stderr. Call it once. */
export function openConsoles(view = PLAIN_VIEW): Consoles {
  const stdoutIsTerminal = Deno.stdout.isTerminal();
  const stderrIsTerminal = Deno.stderr.isTerminal();
  const stdoutInfo = descriptorInfo(1);
  const stderrInfo = descriptorInfo(2);
  const areOne = stdoutInfo !== undefined && stderrInfo !== undefined &&
    stdoutInfo.ino === stderrInfo.ino && stdoutInfo.dev === stderrInfo.dev;
  const stdout = openConsole(Deno.stdout, stdoutInfo, { view, isTerminal: stdoutIsTerminal });
  const stderr = areOne
    ? stdout
    : openConsole(Deno.stderr, stderrInfo, { view, isTerminal: stderrIsTerminal });
  return { stdout, stderr, stdoutIsTerminal, stderrIsTerminal };
}

function openConsole(
  target: ConsoleTarget,
  info: Deno.FileInfo | undefined,
  { view, isTerminal }: { readonly view: ConsoleView; readonly isTerminal: boolean },
): Console {
  const writer = new ConsoleWriter(target, { isFile: info?.isFile ?? false });
  const mix = new LineMix((bytes) => writer.push(bytes), {
    isTerminal,
    writeOwn: (bytes) => writer.pushOwn(bytes),
    folds: isTerminal && view.fold === "auto",
    ...(view.stamp && { stamp: view.stamp(isTerminal) }),
  });
  return { writer, mix, colour: wantsColour(view.colour, isTerminal) };
}

/** NO_COLOR and a terminal that knows no colours count unless the user has asked for them. */
function wantsColour(wish: ConsoleView["colour"], isTerminal: boolean): boolean {
  if (wish !== "auto") return wish === "always";
  return isTerminal && !Deno.noColor && Deno.env.get("TERM") !== "dumb";
}

function descriptorInfo(descriptor: 1 | 2): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(`/dev/fd/${descriptor}`);
  } catch {
    // Closed, or not visible without permission: then it is a console of its own.
    return undefined;
  }
}
