/**
 * Cuts a stream of bytes into whole lines, so that lines of different workers never mix.
 *
 * Rules: no byte is decoded. What `push` returns are views that hold until the next call; whoever keeps them
 * copies. A line longer than the limit is cut for the console, with a mark that says how much was left out; files
 * never pass through here.
 */

import { utf8 } from "../core/bytes.ts";

/** Longest line that reaches a console whole. */
export const CONSOLE_LINE_BYTES_MAX = 1 << 20;

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const NOTHING = new Uint8Array(0);

export interface LineFramerOptions {
  /** A carriage return ends a line too, as it does for Python's text files and so for torchrun's tee. */
  readonly carriageReturnEnds: boolean;
  /** @default {CONSOLE_LINE_BYTES_MAX} */
  readonly lineBytesMax?: number;
}

export class LineFramer {
  readonly #carriageReturnEnds: boolean;
  readonly #lineBytesMax: number;
  #held = NOTHING;
  #heldBytes = 0;
  /** Bytes of the unfinished line that exceeded the limit. */
  #cutBytes = 0;

  constructor(options: LineFramerOptions) {
    this.#carriageReturnEnds = options.carriageReturnEnds;
    this.#lineBytesMax = options.lineBytesMax ?? CONSOLE_LINE_BYTES_MAX;
  }

  /** The unfinished line. */
  get held(): Uint8Array {
    return this.#held.subarray(0, this.#heldBytes);
  }

  /** Takes `chunk` in and returns every line that is whole now, in pieces to be written one after the other. */
  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#carriageReturnEnds && this.held.at(-1) === CARRIAGE_RETURN && chunk.length > 0) {
      // Whether it was an end by itself is known only now.
      if (chunk[0] !== NEWLINE) return [...this.take(), ...this.push(chunk)];
    }
    const end = this.#lastEnd(chunk) + 1;
    if (end === 0) {
      this.#hold(chunk);
      return [];
    }
    // Of a line that is over the limit already, only the end stays.
    const start = this.#cutBytes > 0 ? this.#firstEnd(chunk) : 0;
    this.#cutBytes += start;
    const pieces = this.take();
    pieces.push(chunk.subarray(start, end));
    this.#hold(chunk.subarray(end));
    return pieces;
  }

  /** Takes the unfinished line out, with its mark if it was cut. */
  take(): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    if (this.#heldBytes > 0) pieces.push(this.held);
    if (this.#cutBytes > 0) pieces.push(cutMark(this.#cutBytes));
    // The views above stay valid: the next line is held in memory of its own.
    this.#held = NOTHING;
    this.#heldBytes = 0;
    this.#cutBytes = 0;
    return pieces;
  }

  /** Forgets all but the last state of an unfinished progress bar, of which only that can still be seen. */
  keepLastState(): void {
    const start = lastStateStart(this.held);
    if (start === 0) return;
    this.#held.copyWithin(0, start, this.#heldBytes);
    this.#heldBytes -= start;
  }

  #lastEnd(chunk: Uint8Array): number {
    const newline = chunk.lastIndexOf(NEWLINE);
    if (!this.#carriageReturnEnds) return newline;
    // One at the very end may be the first half of "\r\n", which is one line end.
    const rest = chunk.subarray(newline + 1, Math.max(newline + 1, chunk.length - 1));
    return newline + 1 + rest.lastIndexOf(CARRIAGE_RETURN);
  }

  #firstEnd(chunk: Uint8Array): number {
    const newline = chunk.indexOf(NEWLINE);
    if (!this.#carriageReturnEnds) return newline;
    const carriageReturn = chunk.indexOf(CARRIAGE_RETURN);
    if (carriageReturn === -1) return newline;
    return newline === -1 ? carriageReturn : Math.min(newline, carriageReturn);
  }

  #hold(bytes: Uint8Array): void {
    const room = this.#lineBytesMax - this.#heldBytes;
    const kept = bytes.length > room ? bytes.subarray(0, room) : bytes;
    this.#cutBytes += bytes.length - kept.length;
    if (kept.length === 0) return;
    const needed = this.#heldBytes + kept.length;
    if (needed > this.#held.length) {
      const grown = new Uint8Array(Math.max(needed, this.#held.length * 2, 256));
      grown.set(this.held);
      this.#held = grown;
    }
    this.#held.set(kept, this.#heldBytes);
    this.#heldBytes = needed;
  }
}

/** Whether `bytes`, an unfinished line, is a progress bar that has replaced its own text already. */
export function isProgress(bytes: Uint8Array): boolean {
  return bytes.length > 1 && bytes.lastIndexOf(CARRIAGE_RETURN, bytes.length - 2) !== -1;
}

/** Where the text begins that an unfinished line shows now: at its last carriage return but a final one. */
export function lastStateStart(line: Uint8Array): number {
  if (line.length < 2) return 0;
  return Math.max(0, line.lastIndexOf(CARRIAGE_RETURN, line.length - 2));
}

function cutMark(cutBytes: number): Uint8Array {
  return utf8(`… ${cutBytes.toLocaleString("en-US")} bytes of this line left out`);
}
