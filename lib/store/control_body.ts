/** Fields of the control channel's frames, written and read one after the other (control_wire.ts has their forms). */

import { assert } from "../core/assert.ts";
import { bytesOf, readUint32, utf8 } from "../core/bytes.ts";
import { PeerError } from "./wire.ts";

/** A frame's kind and length. */
const FRAME_HEAD_BYTES = 5;
const BUFFER_BYTES_MIN = 64;
const SIZED_BYTES_MAX = 0xff;
const TEXT_BYTES_MAX = 0xffff;

/** Makes one frame. */
export class BodyWriter {
  #bytes = new Uint8Array(BUFFER_BYTES_MIN);
  #length = FRAME_HEAD_BYTES;

  uint8(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  uint16(value: number): void {
    this.uint8(value);
    this.uint8(value >>> 8);
  }

  uint32(value: number): void {
    this.uint16(value);
    this.uint16(value >>> 16);
  }

  /** An unsigned 64-bit number that a JavaScript number holds exactly. */
  uint53(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `No unsigned whole number: ${value}`);
    this.uint32(value);
    this.uint32(Math.floor(value / 2 ** 32));
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** `value`: bytes or a byte string. */
  sized(value: Uint8Array | string): void {
    assert(value.length <= SIZED_BYTES_MAX, `A sized field has ${value.length} bytes`);
    this.uint8(value.length);
    this.raw(typeof value === "string" ? bytesOf(value) : value);
  }

  text(text: string): void {
    const bytes = utf8(text);
    assert(bytes.length <= TEXT_BYTES_MAX, `A text has ${bytes.length} bytes`);
    this.uint16(bytes.length);
    this.raw(bytes);
  }

  /** The frame; its body goes on with `bytesToFollow` bytes that the caller sends after it. */
  frame(kind: number, bytesToFollow = 0): Uint8Array {
    const end = this.#length;
    this.#length = 0;
    this.uint8(kind);
    this.uint32(end - FRAME_HEAD_BYTES + bytesToFollow);
    return this.#bytes.subarray(0, end);
  }

  #reserve(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }
}

const textDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads one frame's body. @throws {PeerError} from every method: the body is at its end, or no such field. */
export class BodyReader {
  readonly #frameName: string;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(frameName: string, bytes: Uint8Array) {
    this.#frameName = frameName;
    this.#bytes = bytes;
  }

  uint8(): number {
    return this.#take(1)[0]!;
  }

  uint16(): number {
    return this.uint8() | (this.uint8() << 8);
  }

  uint32(): number {
    return readUint32(this.#take(4), 0);
  }

  uint53(): number {
    const number = this.uint32() + this.uint32() * 2 ** 32;
    if (!Number.isSafeInteger(number)) throw this.#error("holds a number above 2^53");
    return number;
  }

  sized(): Uint8Array {
    return this.#take(this.uint8());
  }

  sizedExactly(length: number): Uint8Array {
    const bytes = this.sized();
    if (bytes.length !== length) throw this.#error(`holds ${bytes.length} bytes in place of ${length}`);
    return bytes;
  }

  text(): string {
    const bytes = this.#take(this.uint16());
    try {
      return textDecoder.decode(bytes);
    } catch {
      throw this.#error("holds a text that is not UTF-8");
    }
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.#take(this.#bytes.length - this.#at);
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw this.#error("ends within a field");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #error(problem: string): PeerError {
    return new PeerError(`sent a ${this.#frameName} frame that ${problem}`);
  }
}
