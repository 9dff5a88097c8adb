/**
 * PyTorch's TCPStore protocol as data: what can be asked, what is answered, and which byte means which operation in
 * each generation of clients. Sources: torch/csrc/distributed/c10d/TCPStoreBackend.hpp (QueryType) of the releases
 * named, and dialogues recorded from them (tests/store/transcripts). All integers are little-endian; a key or value is
 * a u64 length and that many bytes.
 */

import { byteString } from "../core/bytes.ts";

/** A key: its bytes as a byte string. PyTorch's Python client puts `/` before every key. */
export type Key = string;

/** A value: a byte string up to `VALUE_TEXT_BYTES_MAX`, else bytes that nobody changes any more. */
export type Value = string | Uint8Array;

/** Above this length a Uint8Array is the cheaper form (measured: time to make it, memory to keep it). */
export const VALUE_TEXT_BYTES_MAX = 128;

/** The value of `bytes` from `start` to `end`, copied. */
export function valueOf(bytes: Uint8Array, start = 0, end: number = bytes.length): Value {
  return end - start <= VALUE_TEXT_BYTES_MAX ? byteString(bytes, start, end) : bytes.slice(start, end);
}

export type Request =
  | { readonly kind: "set" | "append" | "queuePush"; readonly key: Key; readonly value: Value }
  | { readonly kind: "compareSet"; readonly key: Key; readonly expected: Value; readonly desired: Value }
  | { readonly kind: "get" | "delete" | "queuePop" | "queueLength"; readonly key: Key }
  | { readonly kind: "add"; readonly key: Key; readonly delta: bigint }
  | { readonly kind: "check" | "wait" | "multiGet"; readonly keys: readonly Key[] }
  | { readonly kind: "multiSet"; readonly entries: readonly (readonly [Key, Value])[] }
  | { readonly kind: "countKeys" | "listKeys" | "cancelWait" }
  | { readonly kind: "ping"; readonly nonce: number }
  | { readonly kind: "barrier"; readonly key: Key; readonly worldSize: bigint };

export type RequestKind = Request["kind"];

export type Reply =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "values"; readonly values: readonly Value[] }
  | { readonly kind: "integer"; readonly value: bigint }
  | { readonly kind: "checked"; readonly areAllPresent: boolean }
  /** A WAIT or BARRIER is over: the keys are there, or the client took it back. */
  | { readonly kind: "waitEnded"; readonly wasCancelled: boolean }
  | { readonly kind: "pong"; readonly nonce: number }
  /** `count`: how many were in the queue before; undefined: it was empty. */
  | { readonly kind: "popped"; readonly count: number; readonly value: Value | undefined }
  | { readonly kind: "keys"; readonly keys: readonly Key[] };

export type ReplyKind = Reply["kind"];

/**
 * The generations of clients: "a" up to 2.0.x, "b" 2.1.x, "c" 2.2 to 2.15 and, for now, later ones. In "c" a
 * connection starts with the handshake; in the others its first byte is a request's.
 */
export type Dialect = "a" | "b" | "c";

/** Operations of "c" by their byte; 0 is the handshake and not a request. */
const OPERATIONS_C: readonly (RequestKind | undefined)[] = [
  ...[
    undefined,
    "set",
    "compareSet",
    "get",
    "add",
    "check",
    "wait",
    "countKeys",
    "delete",
    "append",
  ] as const,
  ...["multiGet", "multiSet", "cancelWait", "ping", "queuePush", "queuePop", "queueLength"] as const,
  ...["listKeys", "barrier"] as const,
];

const OPERATIONS_B: readonly (RequestKind | undefined)[] = OPERATIONS_C.slice(1, 13);

/** 7 was WATCH_KEY, which no client sends. */
const OPERATIONS_A: readonly (RequestKind | undefined)[] = [...OPERATIONS_B.slice(0, 7), undefined, "delete"];

/** The operation of a byte, by dialect; undefined: the dialect has no such byte. */
export const OPERATIONS: Readonly<Record<Dialect, readonly (RequestKind | undefined)[]>> = {
  a: OPERATIONS_A,
  b: OPERATIONS_B,
  c: OPERATIONS_C,
};

/** First byte of the handshake, before `HANDSHAKE_MAGIC`. */
export const HANDSHAKE_OPCODE = 0;
export const HANDSHAKE_MAGIC = 0x3c85f7ce;

/** The whole handshake; it has no reply. The libuv server wants it in one piece. */
export const HANDSHAKE: Uint8Array = new Uint8Array([HANDSHAKE_OPCODE, 0xce, 0xf7, 0x85, 0x3c]);

/** What is answered; null: nothing at all. */
export const REPLY_KINDS: Readonly<Record<RequestKind, ReplyKind | null>> = {
  set: null,
  append: null,
  queuePush: null,
  multiSet: null,
  compareSet: "value",
  get: "value",
  add: "integer",
  countKeys: "integer",
  delete: "integer",
  queueLength: "integer",
  check: "checked",
  wait: "waitEnded",
  barrier: "waitEnded",
  cancelWait: "waitEnded",
  multiGet: "values",
  ping: "pong",
  queuePop: "popped",
  listKeys: "keys",
};

/** What a peer did against the protocol or over a limit. Its connection can't go on; the message is for the log. */
export class PeerError extends Error {
  override readonly name = "PeerError";
}
