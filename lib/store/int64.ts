/**
 * The 64-bit integers of ADD, which are stored as text. Nearly all of them fit into a number that JavaScript holds
 * exactly: BigInts, which cost an allocation each, are for the rest.
 */

import { byteString, readUint32, type Span, writeByteString } from "../core/bytes.ts";

/** A BigInt only where a number is not exact. */
export type Int64 = number | bigint;

/** Characters of the longest. */
export const INT64_TEXT_BYTES_MAX = 20;

/** Of this length any number is exact. */
const EXACT_DIGITS_MAX = 15;
/** More than any number has, white space before it included. */
const NUMBER_PREFIX_BYTES = 1024;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const ZERO = 0x30;
const MINUS = 0x2d;

export function int64Of(value: bigint): Int64 {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** The integer of eight bytes, little-endian. */
export function readInt64At(bytes: Uint8Array, offset: number): Int64 {
  const low = readUint32(bytes, offset);
  const high = readUint32(bytes, offset + 4) | 0;
  const value = high * 2 ** 32 + low;
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
}

/** C++ adds two 64-bit numbers and lets them wrap. */
export function addInt64(a: Int64, b: Int64): Int64 {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return int64Of(BigInt.asIntN(64, BigInt(a) + BigInt(b)));
}

/** The number that a value is, or begins with, as C++'s `std::stoll` reads it; undefined: none of 64 bits. */
export function parseInt64({ bytes, start, end }: Span): Int64 | undefined {
  const first = bytes[start] === MINUS ? start + 1 : start;
  // What an ADD before has left behind, nearly always.
  if (end > first && end - first <= EXACT_DIGITS_MAX) {
    let number = 0;
    let at = first;
    for (; at < end; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) break;
      number = 10 * number + digit;
    }
    if (at === end) return first === start ? number : -number;
  }
  return leadingInteger(byteString(bytes, start, Math.min(end, start + NUMBER_PREFIX_BYTES)));
}

/** White space, a sign, digits; the rest is ignored. */
function leadingInteger(text: string): Int64 | undefined {
  const digits = /^[ \t\n\v\f\r]*([+-]?[0-9]+)/.exec(text)?.[1];
  const number = digits === undefined ? undefined : BigInt(digits.startsWith("+") ? digits.slice(1) : digits);
  return number === undefined || number < INT64_MIN || number > INT64_MAX ? undefined : int64Of(number);
}

/** Makes `target`, whose buffer has `INT64_TEXT_BYTES_MAX` bytes, the text of `value`. */
export function writeInt64Text(target: Span, value: Int64): void {
  target.end = INT64_TEXT_BYTES_MAX;
  if (typeof value === "number" && value >= 0 && value <= 0x7fff_ffff) {
    let at = INT64_TEXT_BYTES_MAX;
    let rest = value | 0;
    do {
      const next = (rest / 10) | 0;
      target.bytes[--at] = ZERO + rest - 10 * next;
      rest = next;
    } while (rest > 0);
    target.start = at;
  } else {
    const text = String(value);
    target.start = INT64_TEXT_BYTES_MAX - text.length;
    writeByteString(target.bytes, target.start, text);
  }
}
