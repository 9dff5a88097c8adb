/**
 * The last bytes of one stream, kept in memory so that the failure report can show how a worker ended without any
 * help from its program. A ring that grows with what was written, up to its limit.
 */

import { fromUtf8 } from "../core/bytes.ts";

export const TAIL_BYTES_MAX = 64 * 1024;
export const TAIL_LINES_MAX = 200;

const RING_BYTES_MIN = 1024;

export class Tail {
  readonly #bytesMax: number;
  #ring = new Uint8Array(0);
  /** Where the next byte goes; the oldest kept byte is here too once the ring is full. */
  #next = 0;
  #isFull = false;
  #hasDropped = false;
  #sinceMark: LineCount | undefined;

  constructor(bytesMax = TAIL_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (this.#sinceMark !== undefined) this.#sinceMark = added(this.#sinceMark, chunk);
    this.#grow(chunk.length);
    const size = this.#ring.length;
    if (chunk.length >= size) {
      this.#hasDropped ||= chunk.length > size || this.#next > 0 || this.#isFull;
      this.#ring.set(chunk.subarray(chunk.length - size));
      this.#next = 0;
      this.#isFull = true;
      return;
    }
    const untilEnd = Math.min(chunk.length, size - this.#next);
    this.#hasDropped ||= this.#isFull || chunk.length > size - this.#next;
    this.#ring.set(chunk.subarray(0, untilEnd), this.#next);
    this.#ring.set(chunk.subarray(untilEnd), 0);
    this.#isFull ||= this.#next + chunk.length >= size;
    this.#next = (this.#next + chunk.length) % size;
  }

  /** What is written from now on is counted by `linesAfterMark`. A second mark changes nothing. */
  mark(): void {
    this.#sinceMark ??= { ended: 0, isOpen: false };
  }

  /** Lines that were ended or begun since the mark; null: nothing was marked. */
  get linesAfterMark(): number | null {
    return this.#sinceMark === undefined ? null : this.#sinceMark.ended + (this.#sinceMark.isOpen ? 1 : 0);
  }

  /** The last lines, oldest first, without newlines; a line whose beginning is lost is left out. */
  lines(linesMax = TAIL_LINES_MAX): string[] {
    return tailLines(this.#bytes(), { isCut: this.#hasDropped, linesMax });
  }

  #bytes(): Uint8Array {
    if (!this.#isFull) return this.#ring.slice(0, this.#next);
    const bytes = new Uint8Array(this.#ring.length);
    bytes.set(this.#ring.subarray(this.#next));
    bytes.set(this.#ring.subarray(0, this.#next), this.#ring.length - this.#next);
    return bytes;
  }

  /** Doubles the ring until `more` bytes fit or the limit is reached. */
  #grow(more: number): void {
    const size = this.#ring.length;
    if (size === this.#bytesMax) return;
    const needed = this.#next + more;
    if (needed <= size && !this.#isFull) return;
    const kept = this.#bytes();
    let grown = Math.max(size, RING_BYTES_MIN);
    while (grown < kept.length + more && grown < this.#bytesMax) grown *= 2;
    this.#ring = new Uint8Array(Math.min(grown, this.#bytesMax));
    this.#ring.set(kept);
    this.#next = kept.length % this.#ring.length;
    this.#isFull = kept.length === this.#ring.length;
  }
}

interface LineCount {
  readonly ended: number;
  /** A line was begun and not ended. */
  readonly isOpen: boolean;
}

function added({ ended }: LineCount, chunk: Uint8Array): LineCount {
  let lines = ended;
  for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) lines++;
  return { ended: lines, isOpen: chunk.at(-1) !== NEWLINE };
}

const NEWLINE = 10;

/** Lines of `bytes`, the end of a stream; of a progress bar only its last state. */
export function tailLines(
  bytes: Uint8Array,
  options: { readonly isCut: boolean; readonly linesMax?: number },
): string[] {
  const lines = fromUtf8(bytes).split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (options.isCut && lines.length > 1) lines.shift();
  return lines.slice(-(options.linesMax ?? TAIL_LINES_MAX)).map(lastState);
}

function lastState(line: string): string {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  return text.slice(text.lastIndexOf("\r") + 1);
}
