/**
 * The requests that are nearly all of what workers send, but for waiting, read where they lie in what was received: no
 * key, value or request is made of them. There is one such request for all connections, which is answered before
 * the next is read.
 */

import { emptySpan, type Span } from "../core/bytes.ts";
import type { ByteReader } from "./byte_reader.ts";
import type { StoreLimits } from "./limits.ts";
import type { RequestKind } from "./wire.ts";

export type PlainKind = "get" | "set" | "add" | "check" | "compareSet" | "multiGet";

export interface PlainRequest {
  kind: PlainKind;
  /** The first `keyCount` count. */
  readonly keys: readonly Span[];
  keyCount: number;
  /** Of a SET; what a COMPARE_SET desires; the eight bytes of an ADD. */
  readonly value: Span;
  /** Of a COMPARE_SET. */
  readonly expected: Span;
}

/** Of CHECK and MULTI_GET: what has more takes long anyway. */
const KEYS_MAX = 8;
const INT64_BYTES = 8;

const request: PlainRequest = {
  kind: "get",
  keys: Array.from({ length: KEYS_MAX }, emptySpan),
  keyCount: 0,
  value: emptySpan(),
  expected: emptySpan(),
};

export function isPlain(kind: RequestKind | undefined): kind is PlainKind {
  switch (kind) {
    case "get":
    case "set":
    case "add":
    case "check":
    case "compareSet":
    case "multiGet":
      return true;
    default:
      return false;
  }
}

/** What follows the operation's byte; undefined: it is not there whole, too long for this way, or over a limit. */
export function readPlain(
  reader: ByteReader,
  kind: PlainKind,
  { keyBytesMax, valueBytesMax }: StoreLimits,
): PlainRequest | undefined {
  const isList = kind === "check" || kind === "multiGet";
  const count = isList ? reader.smallCount(KEYS_MAX) ?? 0 : 1;
  // None is rare, and answered by nothing.
  if (count === 0) return undefined;
  for (let index = 0; index < count; index++) {
    if (!reader.span(request.keys[index]!, keyBytesMax)) return undefined;
  }
  if (kind === "compareSet" && !reader.span(request.expected, valueBytesMax)) return undefined;
  if (kind === "add" && !reader.fixedSpan(request.value, INT64_BYTES)) return undefined;
  const hasValue = kind === "set" || kind === "compareSet";
  if (hasValue && !reader.span(request.value, valueBytesMax)) return undefined;
  request.kind = kind;
  request.keyCount = count;
  return request;
}
