/**
 * Bytes as they arrive, read field by field. A field that has not arrived is `undefined`, never a wrong value; the
 * reader then knows how many bytes it takes to get further, so that a caller's next look is not in vain.
 *
 * A message is read from `begin` to `commit`; without `commit` the next `begin` is at the same place.
 */

import { byteString, readInt64, readUint32, type Span } from "../core/bytes.ts";
import type { StoreLimits } from "./limits.ts";
import { type Key, PeerError, type Value, valueOf } from "./wire.ts";

const NOTHING = new Uint8Array(0);
const BUFFER_BYTES_MIN = 256;

export class ByteReader {
  readonly #limits: StoreLimits;
  #bytes: Uint8Array = NOTHING;
  /** True: `#bytes` is the caller's chunk, which is read and never kept. */
  #isBorrowed = false;
  #start = 0;
  #end = 0;
  /** Where the next field begins. */
  #at = 0;
  /** Bytes from `#start` without which the next look is in vain. */
  #needed = 1;

  constructor(limits: StoreLimits) {
    this.#limits = limits;
  }

  /** Bytes that have arrived and are not committed. */
  get available(): number {
    return this.#end - this.#start;
  }

  /** Those bytes, to be looked at; they are the reader's own. */
  peek(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Takes the first `length` bytes of `chunk`, which stays the caller's: `settle` must be called before it changes. */
  push(chunk: Uint8Array, length = chunk.length): void {
    if (this.#start === this.#end) {
      this.#bytes = chunk;
      this.#isBorrowed = true;
      this.#start = 0;
      this.#end = length;
      return;
    }
    this.#reserve(length);
    this.#bytes.set(length === chunk.length ? chunk : chunk.subarray(0, length), this.#end);
    this.#end += length;
  }

  /** Copies what is left of the last chunk. */
  settle(): void {
    if (this.#start === this.#end) {
      this.#bytes = NOTHING;
      this.#start = this.#end = 0;
      this.#isBorrowed = false;
    } else if (this.#isBorrowed) {
      this.#reserve(0);
    }
  }

  /** Goes to the start of the message; false: not enough has arrived since the last look. */
  begin(): boolean {
    this.#at = this.#start;
    return this.#end - this.#start >= this.#needed;
  }

  /** What was read is done with. */
  commit(): void {
    this.#start = this.#at;
    this.#needed = 1;
  }

  /** Makes the next `begin` true again, though nothing arrived. */
  lookAgain(): void {
    this.#needed = 1;
  }

  uint8(): number | undefined {
    return this.#has(1) ? this.#bytes[this.#at++] : undefined;
  }

  uint32(): number | undefined {
    if (!this.#has(4)) return undefined;
    this.#at += 4;
    return readUint32(this.#bytes, this.#at - 4);
  }

  /** `count` bytes, copied. */
  bytes(count: number): Uint8Array | undefined {
    if (!this.#has(count)) return undefined;
    this.#at += count;
    return this.#bytes.slice(this.#at - count, this.#at);
  }

  int64(): bigint | undefined {
    if (!this.#has(8)) return undefined;
    this.#at += 8;
    return readInt64(this.#bytes, this.#at - 8);
  }

  key(): Key | undefined {
    const length = this.count(this.#limits.keyBytesMax, "bytes of a key");
    if (length === undefined || !this.#has(length)) return undefined;
    this.#at += length;
    return byteString(this.#bytes, this.#at - length, this.#at);
  }

  /** A value; `max`: the longest that is taken. */
  value(max: number = this.#limits.valueBytesMax): Value | undefined {
    const length = this.count(max, "bytes of a value");
    if (length === undefined || !this.#has(length)) return undefined;
    this.#at += length;
    return valueOf(this.#bytes, this.#at - length, this.#at);
  }

  /** Makes `target` a length and that many bytes, at most `max`, where they lie; false: they are not there, or more. */
  span(target: Span, max: number): boolean {
    const length = this.smallCount(max);
    return length !== undefined && this.fixedSpan(target, length);
  }

  /** A length or count; undefined: it is not there, or more than `max`. */
  smallCount(max: number): number | undefined {
    if (!this.#has(8)) return undefined;
    const low = readUint32(this.#bytes, this.#at), high = readUint32(this.#bytes, this.#at + 4);
    if (high !== 0 || low > max) return undefined;
    this.#at += 8;
    return low;
  }

  /** Makes `target` the next `length` bytes where they lie; false: they are not there. */
  fixedSpan(target: Span, length: number): boolean {
    if (!this.#has(length)) return false;
    target.bytes = this.#bytes;
    target.start = this.#at;
    target.end = this.#at += length;
    return true;
  }

  /**
   * A length or count of at most `max`.
   * @throws {PeerError} It is more; `what` names it.
   */
  count(max: number, what: string): number | undefined {
    if (!this.#has(8)) return undefined;
    const low = readUint32(this.#bytes, this.#at), high = readUint32(this.#bytes, this.#at + 4);
    if (high !== 0 || low > max) {
      throw new PeerError(`sent ${(BigInt(high) << 32n) | BigInt(low)} ${what}, over the limit of ${max}`);
    }
    this.#at += 8;
    return low;
  }

  /** Whether `count` bytes are there from `#at` on; where not, the next look waits for them. */
  #has(count: number): boolean {
    if (this.#end - this.#at >= count) return true;
    this.#needed = this.#at - this.#start + count;
    return false;
  }

  /** Makes room for `count` more in a buffer of our own, in proportion to what arrived, not to what was announced. */
  #reserve(count: number): void {
    if (!this.#isBorrowed && this.#bytes.length - this.#end >= count) return;
    const kept = this.#end - this.#start;
    const target = new Uint8Array(Math.max(BUFFER_BYTES_MIN, 2 * (kept + count)));
    target.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = target;
    this.#isBorrowed = false;
    this.#start = 0;
    this.#end = kept;
  }
}
