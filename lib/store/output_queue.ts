/**
 * Bytes on their way out. Small pieces are gathered in one buffer, so that many replies leave in one write; a long
 * value is queued as it is, without a copy, however many replies hold it.
 *
 * The host takes `peek()`, writes as much of it as the system takes, and tells `advance`. What `peek` returned stays
 * untouched while it is being written.
 */

import { copySpan, type Span, writeByteString } from "../core/bytes.ts";
import { assert } from "../core/assert.ts";
import { Block } from "./block.ts";
import type { Int64 } from "./int64.ts";
import type { Value } from "./wire.ts";

const BUFFER_BYTES = 8192;
/** From this length on a value is not copied into the buffer. */
const REFERENCED_BYTES_MIN = 4096;
/** Up to here a loop costs less than a view for `set`. */
const LOOP_BYTES_MAX = 256;
/** Pieces that were written and stay in the list before it is cut: cutting costs as much as what remains. */
const TAKEN_KEPT_MAX = 256;
/** Of every queue that has none; never changed. */
const NO_PIECES: (Uint8Array | Block)[] = [];
const NUMBER_BYTES = 8;
/** Buffers kept for the next use: making one costs as much as ten small replies. */
const SPARE_BUFFERS_MAX = 64;
const spareBuffers: Buffer[] = [];
const NO_BUFFER: Buffer = newBuffer(0);

interface Buffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export class OutputQueue {
  /** Whole pieces, before what is in `#tail`. */
  #pieces: (Uint8Array | Block)[] = NO_PIECES;
  #pieceIndex = 0;
  /** Written part of the first piece. */
  #pieceStart = 0;
  #buffer = NO_BUFFER;
  /** The bytes of `#buffer`. */
  #tail = NO_BUFFER.bytes;
  #tailStart = 0;
  #tailEnd = 0;
  #length = 0;

  /** Bytes not yet written. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that are kept for this queue alone: blocks have their place elsewhere. */
  get heldBytes(): number {
    let bytes = this.#tailEnd - this.#tailStart;
    for (let index = this.#pieceIndex; index < this.#pieces.length; index++) {
      const piece = this.#pieces[index]!;
      if (!(piece instanceof Block)) bytes += piece.length;
    }
    return bytes;
  }

  /** The next bytes to write, as many as lie together; empty when there are none. */
  peek(): Uint8Array {
    const piece = this.#pieces[this.#pieceIndex];
    if (piece !== undefined) {
      const bytes = bytesOf(piece);
      return this.#pieceStart === 0 ? bytes : bytes.subarray(this.#pieceStart);
    }
    return this.#tail.subarray(this.#tailStart, this.#tailEnd);
  }

  /** The buffer whose first `length` bytes are all there is to write; null: that lies in several places. */
  get whole(): Uint8Array | null {
    return this.#pieces === NO_PIECES && this.#tailStart === 0 ? this.#tail : null;
  }

  /** `count` bytes of what `peek` returned have been written. */
  advance(count: number): void {
    assert(count <= this.#length, "More was written than was there");
    this.#length -= count;
    const piece = this.#pieces[this.#pieceIndex];
    if (piece === undefined) {
      this.#tailStart += count;
    } else {
      this.#pieceStart += count;
      if (this.#pieceStart < bytesOf(piece).length) return;
      if (piece instanceof Block) piece.readers--;
      this.#pieceStart = 0;
      this.#pieceIndex++;
      // Who reads slowly may never leave it empty.
      if (this.#pieceIndex === TAKEN_KEPT_MAX) {
        this.#pieces = this.#pieces.slice(TAKEN_KEPT_MAX);
        this.#pieceIndex = 0;
      }
    }
    if (this.#length === 0) {
      // An idle connection keeps nothing.
      if (this.#tail.length === BUFFER_BYTES && spareBuffers.length < SPARE_BUFFERS_MAX) {
        spareBuffers.push(this.#buffer);
      }
      this.#pieces = NO_PIECES;
      this.#pieceIndex = 0;
      this.#use(NO_BUFFER);
      this.#tailStart = this.#tailEnd = 0;
    }
  }

  uint8(value: number): void {
    const at = this.#reserve(1);
    this.#tail[at] = value;
  }

  uint32(value: number): void {
    const at = this.#reserve(4);
    this.#put32(at, value);
  }

  /** An unsigned 64-bit number that a JavaScript number holds exactly. */
  uint53(value: number): void {
    const at = this.#reserve(NUMBER_BYTES);
    this.#put32(at, value);
    this.#put32(at + 4, Math.floor(value / 2 ** 32));
  }

  int64(value: Int64): void {
    const at = this.#reserve(NUMBER_BYTES);
    const number = Number(value);
    // A small number is the rule, and cheaper to write than the halves of a BigInt.
    if (Number.isSafeInteger(number)) {
      this.#put32(at, number % 2 ** 32);
      this.#put32(at + 4, Math.floor(number / 2 ** 32));
    } else {
      this.#put32(at, Number(BigInt.asUintN(32, BigInt(value))));
      this.#put32(at + 4, Number(BigInt.asUintN(32, BigInt(value) >> 32n)));
    }
  }

  /** A length and that many bytes. */
  sized(value: Value): void {
    this.uint53(value.length);
    this.value(value);
  }

  /** A value without its length. Bytes must not change any more. */
  value(value: Value): void {
    const length = value.length;
    if (typeof value === "string") {
      const at = this.#reserve(length);
      writeByteString(this.#tail, at, value);
    } else if (length < REFERENCED_BYTES_MIN) {
      const at = this.#reserve(length);
      this.#tail.set(value, at);
    } else {
      this.raw(value);
    }
  }

  /** A copy of `span`. */
  copy(span: Span): void {
    const at = this.#reserve(span.end - span.start);
    copySpan(this.#tail, at, span);
  }

  /** A copy of what lies from `start` to `end`, several bytes at a time: one by one a short value takes a third of a GET. */
  copyView(source: DataView, start: number, end: number): void {
    const at = this.#reserve(end - start);
    if (end - start > LOOP_BYTES_MAX) {
      this.#tail.set(new Uint8Array(source.buffer, start, end - start), at);
      return;
    }
    const target = this.#buffer.view;
    const shift = at - start;
    let index = start;
    for (; index + 8 <= end; index += 8) target.setBigUint64(index + shift, source.getBigUint64(index));
    for (; index < end; index++) target.setUint8(index + shift, source.getUint8(index));
  }

  /** `bytes` as they are; they must not change any more. */
  raw(bytes: Uint8Array): void {
    this.#seal();
    this.#addPiece(bytes);
    this.#length += bytes.length;
  }

  /** A long value and its length, without a copy. */
  block(block: Block): void {
    block.readers++;
    this.#seal();
    this.#addPiece(block);
    this.#length += block.bytes.length;
  }

  /** Where `count` bytes may be put now. */
  #reserve(count: number): number {
    if (this.#tail.length - this.#tailEnd < count) {
      this.#seal();
      this.#use(count > BUFFER_BYTES ? newBuffer(count) : spareBuffers.pop() ?? newBuffer(BUFFER_BYTES));
      this.#tailStart = this.#tailEnd = 0;
    }
    const at = this.#tailEnd;
    this.#tailEnd += count;
    this.#length += count;
    return at;
  }

  #use(buffer: Buffer): void {
    this.#buffer = buffer;
    this.#tail = buffer.bytes;
  }

  /** Ends the buffer's current piece; what is left of the buffer is used on. */
  #seal(): void {
    if (this.#tailStart === this.#tailEnd) return;
    this.#addPiece(this.#tail.subarray(this.#tailStart, this.#tailEnd));
    this.#tailStart = this.#tailEnd;
  }

  #addPiece(piece: Uint8Array | Block): void {
    if (this.#pieces === NO_PIECES) this.#pieces = [piece];
    else this.#pieces.push(piece);
  }

  #put32(at: number, value: number): void {
    const tail = this.#tail;
    tail[at] = value;
    tail[at + 1] = value >>> 8;
    tail[at + 2] = value >>> 16;
    tail[at + 3] = value >>> 24;
  }
}

function bytesOf(piece: Uint8Array | Block): Uint8Array {
  return piece instanceof Block ? piece.bytes : piece;
}

function newBuffer(length: number): Buffer {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer) };
}
