/** Keys and values as people read them, and as JSON carries them. */

import { byteString, fromUtf8, utf8 } from "../core/bytes.ts";

/**
 * Valid UTF-8 without control characters, which a terminal might obey, is shown as it is; anything else as a Python bytes
 * literal.
 */
export function readableText(bytes: Uint8Array): string {
  const text = fromUtf8(bytes);
  // deno-lint-ignore no-control-regex
  if (isUtf8(bytes, text) && !/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(text)) return text;
  let literal = "";
  for (const byte of bytes) {
    if (byte === 0x5c || byte === 0x27) literal += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) literal += String.fromCharCode(byte);
    else literal += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return `b'${literal}'`;
}

const SHOWN_BYTES_MAX = 200;

/** As `readableText`, for a place among others: on one line, and of a long value only the beginning and how long it is. */
export function lineText(bytes: Uint8Array): string {
  const isLong = bytes.length > SHOWN_BYTES_MAX;
  const shown = isLong ? bytes.subarray(0, wholeCharacters(bytes, SHOWN_BYTES_MAX)) : bytes;
  const text = readableText(shown).replaceAll("\n", "\\n").replaceAll("\t", "\\t");
  return isLong ? `${text}… (${bytes.length} bytes)` : text;
}

/** The end of the last character of UTF-8 within the first `length` bytes. */
function wholeCharacters(bytes: Uint8Array, length: number): number {
  let end = length;
  while (end > length - UTF8_BYTES_MAX && (bytes[end]! & 0xc0) === 0x80) end--;
  return end;
}

const UTF8_BYTES_MAX = 4;

/** `{"text": …}` for valid UTF-8, else `{"base64": …}`. */
export function jsonValue(bytes: Uint8Array): { readonly text: string } | { readonly base64: string } {
  const text = fromUtf8(bytes);
  return isUtf8(bytes, text) ? { text } : { base64: btoa(byteString(bytes)) };
}

function isUtf8(bytes: Uint8Array, decoded: string): boolean {
  const again = utf8(decoded);
  return again.length === bytes.length && again.every((byte, index) => byte === bytes[index]);
}
