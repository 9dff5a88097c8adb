/**
 * Bytes and text. Beside UTF-8 there are *byte strings*: strings whose char codes are bytes (0–255). V8 keeps one in
 * 16 bytes plus its length where a Uint8Array costs some 200, and makes it several times faster, so short bytes
 * that are kept or used as keys are byte strings. They are never shown to people: use `fromUtf8` on their bytes.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NOTHING = new Uint8Array(0);

/**
 * Bytes where they lie, from `start` to `end`. One object tells of many places in turn: whoever gets it reads it before
 * its owner goes on.
 */
export interface Span {
  bytes: Uint8Array;
  start: number;
  end: number;
}

export function emptySpan(): Span {
  return { bytes: NOTHING, start: 0, end: 0 };
}

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

export function fromUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Up to here two parts that are added up make a flat string; longer ones V8 links, and keeps. */
const FLAT_BYTES_MAX = 12;
/** Up to here a list of numbers costs less than a view of the bytes. */
const LIST_BYTES_MAX = 128;
/** Well below the number of arguments that V8 takes in one call. */
const APPLY_BYTES_MAX = 8192;

/** The byte string of `bytes` from `start` to `end`. */
export function byteString(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  const length = end - start;
  if (length <= FLAT_BYTES_MAX) return shortByteString(bytes, start, end);
  if (length <= LIST_BYTES_MAX) {
    const codes = new Array<number>(length);
    for (let index = 0; index < length; index++) codes[index] = bytes[start + index]!;
    return String.fromCharCode.apply(null, codes);
  }
  let text = "";
  for (let offset = start; offset < end; offset += APPLY_BYTES_MAX) {
    const part = bytes.subarray(offset, Math.min(end, offset + APPLY_BYTES_MAX));
    text += String.fromCharCode.apply(null, part as unknown as number[]);
  }
  return text;
}

/** Several at a time: V8 looks up every string of two characters that is added up among those it has. */
function shortByteString(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let at = start;
  for (; at + 4 <= end; at += 4) {
    text += String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
  }
  switch (end - at) {
    case 1:
      return text + String.fromCharCode(bytes[at]!);
    case 2:
      return text + String.fromCharCode(bytes[at]!, bytes[at + 1]!);
    case 3:
      return text + String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!);
    default:
      return text;
  }
}

/** Writes a byte string into `target`, which has room for it. */
export function writeByteString(target: Uint8Array, offset: number, text: string): void {
  for (let index = 0; index < text.length; index++) target[offset + index] = text.charCodeAt(index);
}

/** Up to here copying one by one costs less than making a view. */
const LOOP_BYTES_MAX = 80;

/** Copies `source` into `target`, which has room for it at `offset`. */
export function copySpan(target: Uint8Array, offset: number, { bytes, start, end }: Span): void {
  if (end - start > LOOP_BYTES_MAX) {
    target.set(bytes.subarray(start, end), offset);
  } else {
    const shift = offset - start;
    for (let index = start; index < end; index++) target[index + shift] = bytes[index]!;
  }
}

export function isSameSpan(a: Span, b: Span): boolean {
  if (a.end - a.start !== b.end - b.start) return false;
  const shift = b.start - a.start;
  for (let index = a.start; index < a.end; index++) {
    if (a.bytes[index] !== b.bytes[index + shift]) return false;
  }
  return true;
}

/** The bytes of a byte string. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  writeByteString(bytes, 0, text);
  return bytes;
}

/** The 32-bit number at `offset`, little-endian; the caller has checked that it is there. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) |
    (bytes[offset + 3]! << 24)) >>> 0;
}

/** Writes the lower 32 bits of `value`, little-endian, at `offset` of `target`, which has room for it. */
export function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value;
  target[offset + 1] = value >>> 8;
  target[offset + 2] = value >>> 16;
  target[offset + 3] = value >>> 24;
}

/** The signed 64-bit number at `offset`, little-endian; the caller has checked that it is there. */
export function readInt64(bytes: Uint8Array, offset: number): bigint {
  const low = readUint32(bytes, offset);
  const high = readUint32(bytes, offset + 4) | 0;
  // A small number is the rule, and cheaper to make than from two halves.
  if (high === 0) return BigInt(low);
  return (BigInt(high) << 32n) | BigInt(low);
}
