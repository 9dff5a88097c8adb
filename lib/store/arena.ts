/**
 * Room for many short records in few large buffers: V8's heap would take half as much again for each, and its collector
 * would have to look at them all. A record is known by its place, a number, until it is released or moved.
 *
 * Records are appended. What is released stays a hole; once a segment is more than half holes, what lives in it is
 * moved to the end of the arena (the owner is told each new place) and the segment is used again. So the arena never
 * takes more than twice what lives in it and three segments, and moving costs no more than appending did. A small store
 * takes a kilobyte: the first segment grows by doubling.
 *
 * A record begins with two bytes of the arena's: its length in units of eight bytes, and whether it lives.
 */

import { assert } from "../core/assert.ts";

const UNIT_SHIFT = 3;
const SEGMENT_SHIFT = 15;
const SEGMENT_UNITS = 1 << SEGMENT_SHIFT;
const SEGMENT_BYTES = SEGMENT_UNITS << UNIT_SHIFT;
const FIRST_BYTES = 1024;
/** In the second byte of a record. */
const LIVES = 0x80;
/** Before what is the owner's. */
export const ARENA_HEADER_BYTES = 2;
/** Of a record, header included: it fits into a segment beside what lived in a sparse one. */
const RECORD_UNITS_MAX = SEGMENT_UNITS / 2;
const NOTHING = new Uint8Array(0);

export class Arena {
  readonly #onMove: (from: number, to: number) => void;
  /** A segment of no bytes is free. */
  readonly #segments: Uint8Array[] = [];
  /** Of the same bytes. */
  readonly #views: DataView[] = [];
  /** Units of each segment that are taken, holes included, and those that live. */
  readonly #taken: number[] = [];
  readonly #living: number[] = [];
  readonly #free: number[] = [];
  /** Kept for the next segment: what moves about needs no new memory. */
  #spare: Uint8Array | null = null;
  /** The segment to which records are appended. */
  #head = 0;

  /** `onMove` is told that a record has moved; it must only take note. */
  constructor(onMove: (from: number, to: number) => void) {
    this.#onMove = onMove;
    this.#begin(new Uint8Array(FIRST_BYTES));
  }

  /** Bytes of all buffers. */
  get byteLength(): number {
    let bytes = this.#spare?.length ?? 0;
    for (const segment of this.#segments) bytes += segment.length;
    return bytes;
  }

  /** The buffer in which the record at `place` lies, until the next `allocate` or `release`. */
  bytesAt(place: number): Uint8Array {
    return this.#segments[place >>> SEGMENT_SHIFT]!;
  }

  /** As `bytesAt`: for those who copy several bytes at a time. */
  viewAt(place: number): DataView {
    return this.#views[place >>> SEGMENT_SHIFT]!;
  }

  /** Where in `bytesAt(place)` the record's own bytes begin. */
  offsetOf(place: number): number {
    return ((place & (SEGMENT_UNITS - 1)) << UNIT_SHIFT) + ARENA_HEADER_BYTES;
  }

  /** Bytes that fit into the record at `place`. */
  capacityOf(place: number): number {
    const at = (place & (SEGMENT_UNITS - 1)) << UNIT_SHIFT;
    return (unitsAt(this.bytesAt(place), at) << UNIT_SHIFT) - ARENA_HEADER_BYTES;
  }

  /** Makes a record for `bytes` bytes; others may move. */
  allocate(bytes: number): number {
    const units = (bytes + ARENA_HEADER_BYTES + 7) >>> UNIT_SHIFT;
    assert(units <= RECORD_UNITS_MAX, "A record is longer than half a segment");
    this.#makeRoom(units);
    const head = this.#head;
    const unit = this.#taken[head]!;
    const segment = this.#segments[head]!;
    const at = unit << UNIT_SHIFT;
    segment[at] = units;
    segment[at + 1] = (units >>> 8) | LIVES;
    this.#taken[head] = unit + units;
    this.#living[head]! += units;
    return (head << SEGMENT_SHIFT) | unit;
  }

  /** The record at `place` is no more; others may move. */
  release(place: number): void {
    const index = place >>> SEGMENT_SHIFT;
    const segment = this.#segments[index]!;
    const at = (place & (SEGMENT_UNITS - 1)) << UNIT_SHIFT;
    segment[at + 1]! &= ~LIVES;
    this.#living[index]! -= unitsAt(segment, at);
    if (index !== this.#head) this.#clearIfSparse(index);
    else if (this.#living[index] === 0) this.#taken[index] = 0;
  }

  /** Visits all records, those that were made earlier first where none was moved. Nothing may change meanwhile. */
  forEach(visit: (place: number) => void): void {
    for (let index = 0; index < this.#segments.length; index++) this.#forEachOf(index, visit);
  }

  #forEachOf(index: number, visit: (place: number) => void): void {
    const segment = this.#segments[index]!;
    const taken = this.#taken[index]!;
    for (let unit = 0; unit < taken;) {
      const at = unit << UNIT_SHIFT;
      if (segment[at + 1]! & LIVES) visit((index << SEGMENT_SHIFT) | unit);
      unit += unitsAt(segment, at);
    }
  }

  /** Makes the head have room for `units` more. */
  #makeRoom(units: number): void {
    const head = this.#head;
    const segment = this.#segments[head]!;
    const needed = (this.#taken[head]! + units) << UNIT_SHIFT;
    if (needed <= segment.length) return;
    if (needed <= SEGMENT_BYTES) {
      let length = segment.length;
      while (length < needed) length *= 2;
      const larger = new Uint8Array(length);
      larger.set(segment);
      this.#setSegment(head, larger);
      return;
    }
    this.#begin(this.#spare ?? new Uint8Array(SEGMENT_BYTES));
    this.#spare = null;
    this.#clearIfSparse(head);
  }

  #begin(segment: Uint8Array): void {
    this.#head = this.#free.pop() ?? this.#segments.length;
    this.#setSegment(this.#head, segment);
    this.#taken[this.#head] = this.#living[this.#head] = 0;
  }

  #setSegment(index: number, segment: Uint8Array): void {
    this.#segments[index] = segment;
    this.#views[index] = new DataView(segment.buffer);
  }

  /** Frees a segment, not the head, that is more than half holes. What lives in two such fits into one. */
  #clearIfSparse(index: number): void {
    if (2 * this.#living[index]! >= SEGMENT_UNITS) return;
    const segment = this.#segments[index]!;
    this.#forEachOf(index, (from) => {
      const at = (from & (SEGMENT_UNITS - 1)) << UNIT_SHIFT;
      const bytes = unitsAt(segment, at) << UNIT_SHIFT;
      const to = this.allocate(bytes - ARENA_HEADER_BYTES);
      const start = (to & (SEGMENT_UNITS - 1)) << UNIT_SHIFT;
      this.bytesAt(to).set(segment.subarray(at, at + bytes), start);
      this.#onMove(from, to);
    });
    this.#setSegment(index, NOTHING);
    this.#taken[index] = this.#living[index] = 0;
    this.#free.push(index);
    if (segment.length === SEGMENT_BYTES) this.#spare = segment;
  }
}

function unitsAt(segment: Uint8Array, at: number): number {
  return segment[at]! | ((segment[at + 1]! & ~LIVES) << 8);
}
