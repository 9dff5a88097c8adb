/**
 * Keys and values as bytes, off V8's heap: each pair is a record of an `Arena`, found by open addressing. A value lies
 * as it goes over the wire, after its length, so that a reply is one copy; a long one is a buffer of its own, which can
 * leave without a copy.
 *
 * A record's bytes: the key's length (2), the key, the value's length (8, little-endian), the value. Of a long value
 * there is the number of its buffer, plus one, where the length's upper half would be, and nothing after.
 */

import { copySpan, emptySpan, readUint32, type Span, writeUint32 } from "../core/bytes.ts";
import { Arena } from "./arena.ts";
import { Block } from "./block.ts";

/** No such key. */
export const NONE = -1;
/** From this length on a value has a buffer of its own. */
export const BLOCK_BYTES_MIN = 4096;
/** Before a value, its length. */
export const LENGTH_BYTES = 8;

const KEY_LENGTH_BYTES = 2;
/** Words of a slot: a record's place plus one, 0 for none; the hash of its key. */
const SLOT_WORDS = 2;
const SLOTS_MIN = 16;

export class ByteMap {
  readonly #seed: number;
  readonly #arena = new Arena((from, to) => this.#onMove(from, to));
  #index = new Int32Array(SLOT_WORDS * SLOTS_MIN);
  #size = 0;
  #keyBytes = 0;
  #valueBytes = 0;
  readonly #blocks: (Block | undefined)[] = [];
  readonly #freeBlocks: number[] = [];
  /** Where the last search ended: at the key's slot, or the one that it would have. */
  #slot = 0;
  /** Of the key that was searched. */
  #hash = 0;
  readonly #key: Span = emptySpan();
  readonly #value: Span = emptySpan();

  /** `seed`: drawn by chance, or strangers could choose keys that collide. */
  constructor(seed: number) {
    this.#seed = seed;
  }

  get size(): number {
    return this.#size;
  }

  /** Of all keys together. */
  get keyBytes(): number {
    return this.#keyBytes;
  }

  /** Of all values together. */
  get valueBytes(): number {
    return this.#valueBytes;
  }

  /** What it takes to keep them, long values aside. */
  get bufferBytes(): number {
    return this.#arena.byteLength + this.#index.byteLength;
  }

  /** Where the key's record is, until the next `set` or `delete`. */
  find(key: Span): number {
    const hash = hashOf(this.#seed, key.bytes, key.start, key.end);
    this.#hash = hash;
    const index = this.#index;
    const mask = index.length - 1;
    let slot = (hash << 1) & mask;
    while (index[slot] !== 0 && (index[slot + 1] !== hash || !this.#hasKey(index[slot]! - 1, key))) {
      slot = (slot + SLOT_WORDS) & mask;
    }
    this.#slot = slot;
    return index[slot]! - 1;
  }

  valueLength(place: number): number {
    return readUint32(this.#arena.bytesAt(place), this.#lengthOffset(place));
  }

  /** The value, without a copy: it may be overwritten there, and must be read before the next call. */
  valueAt(place: number): Span {
    const value = this.wireAt(place);
    value.start += LENGTH_BYTES;
    return value;
  }

  /** The value with its length before it, as `valueAt`. */
  wireAt(place: number): Span {
    const record = this.#arena.bytesAt(place), at = this.#lengthOffset(place);
    const number = readUint32(record, at + 4);
    const value = this.#value;
    value.bytes = number === 0 ? record : this.#blocks[number - 1]!.bytes;
    value.start = number === 0 ? at : 0;
    value.end = value.start + LENGTH_BYTES + readUint32(record, at);
    return value;
  }

  /** Of the bytes of `wireAt` where there is no block. */
  viewAt(place: number): DataView {
    return this.#arena.viewAt(place);
  }

  /** What a long value lies in; undefined: it is not long. */
  blockAt(place: number): Block | undefined {
    const number = readUint32(this.#arena.bytesAt(place), this.#lengthOffset(place) + 4);
    return number === 0 ? undefined : this.#blocks[number - 1];
  }

  /** Sets the key to a copy of `value`. Neither may lie in this map. */
  set(key: Span, value: Span): void {
    const place = this.find(key);
    const length = value.end - value.start;
    const kept = length < BLOCK_BYTES_MIN ? length : 0;
    const needed = KEY_LENGTH_BYTES + key.end - key.start + LENGTH_BYTES + kept;
    if (place === NONE) {
      this.#keyBytes += key.end - key.start;
      this.#valueBytes += length;
      this.#append(key, value, needed);
      this.#size++;
      if (3 * this.#size > this.#index.length) this.#resize(2 * this.#index.length);
      return;
    }
    this.#valueBytes += length - this.valueLength(place);
    const block = this.blockAt(place);
    if (block?.readers === 0 && block.bytes.length === LENGTH_BYTES + length) {
      // A new buffer costs more than the copy: the system clears its memory first.
      copySpan(block.bytes, LENGTH_BYTES, value);
      return;
    }
    this.#dropBlock(place);
    const capacity = this.#arena.capacityOf(place);
    // A record that would be half empty is made anew.
    if (needed <= capacity && 2 * needed + LENGTH_BYTES > capacity) this.#writeValue(place, value);
    else this.#append(key, value, needed);
  }

  /** False: there was no such key. */
  delete(key: Span): boolean {
    const place = this.find(key);
    if (place === NONE) return false;
    this.#keyBytes -= key.end - key.start;
    this.#valueBytes -= this.valueLength(place);
    this.#dropBlock(place);
    this.#freeSlot(this.#slot);
    this.#arena.release(place);
    this.#size--;
    const slots = this.#index.length / SLOT_WORDS;
    if (slots > SLOTS_MIN && 8 * this.#size < slots) this.#resize(this.#index.length / 2);
    return true;
  }

  /** Visits every key, which is to be read before the next; nothing may change meanwhile. */
  forEachKey(visit: (key: Span) => void): void {
    const key = this.#key;
    this.#arena.forEach((place) => {
      const bytes = this.#arena.bytesAt(place), at = this.#arena.offsetOf(place);
      key.bytes = bytes;
      key.start = at + KEY_LENGTH_BYTES;
      key.end = key.start + keyLengthAt(bytes, at);
      visit(key);
    });
  }

  /** Makes a record for the key that was searched last, in place of the one that it may have had. */
  #append(key: Span, value: Span, bytes: number): void {
    const place = this.#arena.allocate(bytes);
    const target = this.#arena.bytesAt(place), at = this.#arena.offsetOf(place);
    const length = key.end - key.start;
    target[at] = length;
    target[at + 1] = length >>> 8;
    copySpan(target, at + KEY_LENGTH_BYTES, key);
    this.#writeValue(place, value);
    // Read only now: making room may have moved it.
    const old = this.#index[this.#slot]! - 1;
    this.#index[this.#slot] = place + 1;
    this.#index[this.#slot + 1] = this.#hash;
    if (old !== NONE) this.#arena.release(old);
  }

  #writeValue(place: number, value: Span): void {
    const target = this.#arena.bytesAt(place), at = this.#lengthOffset(place);
    const length = value.end - value.start;
    writeUint32(target, at, length);
    if (length < BLOCK_BYTES_MIN) {
      writeUint32(target, at + 4, 0);
      copySpan(target, at + LENGTH_BYTES, value);
      return;
    }
    const block = new Block(new Uint8Array(LENGTH_BYTES + length));
    writeUint32(block.bytes, 0, length);
    copySpan(block.bytes, LENGTH_BYTES, value);
    const number = this.#freeBlocks.pop() ?? this.#blocks.length;
    this.#blocks[number] = block;
    writeUint32(target, at + 4, number + 1);
  }

  #dropBlock(place: number): void {
    const number = readUint32(this.#arena.bytesAt(place), this.#lengthOffset(place) + 4);
    if (number === 0) return;
    this.#blocks[number - 1] = undefined;
    this.#freeBlocks.push(number - 1);
  }

  #lengthOffset(place: number): number {
    const at = this.#arena.offsetOf(place);
    return at + KEY_LENGTH_BYTES + keyLengthAt(this.#arena.bytesAt(place), at);
  }

  #hasKey(place: number, { bytes, start, end }: Span): boolean {
    const own = this.#arena.bytesAt(place), at = this.#arena.offsetOf(place);
    if (keyLengthAt(own, at) !== end - start) return false;
    const shift = at + KEY_LENGTH_BYTES - start;
    for (let index = start; index < end; index++) if (own[index + shift] !== bytes[index]) return false;
    return true;
  }

  #onMove(from: number, to: number): void {
    const bytes = this.#arena.bytesAt(to), at = this.#arena.offsetOf(to) + KEY_LENGTH_BYTES;
    const hash = hashOf(this.#seed, bytes, at, at + keyLengthAt(bytes, at - KEY_LENGTH_BYTES));
    const index = this.#index;
    const mask = index.length - 1;
    let slot = (hash << 1) & mask;
    while (index[slot] !== from + 1) slot = (slot + SLOT_WORDS) & mask;
    index[slot] = to + 1;
  }

  /** Frees a slot and moves those behind it up that would not be found any more. */
  #freeSlot(free: number): void {
    const index = this.#index;
    const mask = index.length - 1;
    for (let slot = (free + SLOT_WORDS) & mask; index[slot] !== 0; slot = (slot + SLOT_WORDS) & mask) {
      const first = (index[slot + 1]! << 1) & mask;
      // It may be at `free` only if that is not before its first slot.
      if (((slot - first) & mask) < ((slot - free) & mask)) continue;
      index[free] = index[slot]!;
      index[free + 1] = index[slot + 1]!;
      free = slot;
    }
    index[free] = 0;
  }

  #resize(words: number): void {
    const old = this.#index;
    const index = this.#index = new Int32Array(words);
    const mask = words - 1;
    for (let from = 0; from < old.length; from += SLOT_WORDS) {
      if (old[from] === 0) continue;
      let slot = (old[from + 1]! << 1) & mask;
      while (index[slot] !== 0) slot = (slot + SLOT_WORDS) & mask;
      index[slot] = old[from]!;
      index[slot + 1] = old[from + 1]!;
    }
  }
}

function keyLengthAt(record: Uint8Array, at: number): number {
  return record[at]! | (record[at + 1]! << 8);
}

/** FNV-1a from a seed, and its bits mixed: neighbours in name should not be neighbours in the index. */
function hashOf(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = seed | 0;
  for (let index = start; index < end; index++) hash = Math.imul(hash ^ bytes[index]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return hash ^ (hash >>> 16);
}
