/** Between keys and values as text or bytes of their own, and as spans. */

import { byteString, type Span, writeByteString } from "../core/bytes.ts";
import { type Key, type Value, valueOf } from "./wire.ts";

const BUFFER_BYTES = 64;

/** Makes spans of text, in one buffer: each is valid until the next. */
export class TextSpan {
  readonly #span: Span = { bytes: new Uint8Array(BUFFER_BYTES), start: 0, end: 0 };

  of(value: Value): Span {
    if (typeof value !== "string") return { bytes: value, start: 0, end: value.length };
    const span = this.#span;
    if (span.bytes.length < value.length) span.bytes = new Uint8Array(2 * value.length);
    writeByteString(span.bytes, 0, value);
    span.end = value.length;
    return span;
  }
}

/** What lies there, as a byte string. */
export function spanText({ bytes, start, end }: Span): Key {
  return byteString(bytes, start, end);
}

/** What lies there, as a value. */
export function spanValue({ bytes, start, end }: Span): Value {
  return valueOf(bytes, start, end);
}
