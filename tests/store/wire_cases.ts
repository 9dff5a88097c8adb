/** Requests and replies with the bytes that PyTorch 2.15's client and server put on the wire for them. */

import { concat } from "../../lib/core/bytes.ts";
import type { OutputQueue } from "../../lib/store/output_queue.ts";
import type { Reply, Request } from "../../lib/store/wire.ts";

export const HANDSHAKE_HEX = "00 cef7853c";

export const REQUESTS: readonly (readonly [hex: string, request: Request])[] = [
  ["01 0200000000000000 2f6b 0100000000000000 76", { kind: "set", key: "/k", value: "v" }],
  ["01 0000000000000000 0000000000000000", { kind: "set", key: "", value: "" }],
  [
    "02 0200000000000000 2f6b 0100000000000000 76 0100000000000000 77",
    { kind: "compareSet", key: "/k", expected: "v", desired: "w" },
  ],
  ["03 0200000000000000 2f6b", { kind: "get", key: "/k" }],
  ["04 0200000000000000 2f6e 0500000000000000", { kind: "add", key: "/n", delta: 5n }],
  ["04 0200000000000000 2f6e ffffffffffffffff", { kind: "add", key: "/n", delta: -1n }],
  ["04 0200000000000000 2f6e 0000000000000080", { kind: "add", key: "/n", delta: -(2n ** 63n) }],
  ["05 0000000000000000", { kind: "check", keys: [] }],
  [
    "05 0200000000000000 0200000000000000 2f61 0300000000000000 2fff00",
    { kind: "check", keys: ["/a", "/\xff\0"] },
  ],
  ["06 0100000000000000 0500000000000000 2f6e6f7065", { kind: "wait", keys: ["/nope"] }],
  ["07", { kind: "countKeys" }],
  ["08 0200000000000000 2f6b", { kind: "delete", key: "/k" }],
  ["09 0200000000000000 2f6b 0200000000000000 7631", { kind: "append", key: "/k", value: "v1" }],
  [
    "0a 0200000000000000 0200000000000000 2f61 0200000000000000 2f62",
    { kind: "multiGet", keys: ["/a", "/b"] },
  ],
  [
    "0b 0200000000000000 0200000000000000 2f61 0100000000000000 31 0200000000000000 2f62 0100000000000000 32",
    { kind: "multiSet", entries: [["/a", "1"], ["/b", "2"]] },
  ],
  ["0c", { kind: "cancelWait" }],
  ["0d 8c640000", { kind: "ping", nonce: 0x648c }],
  ["0e 0200000000000000 2f71 0200000000000000 7631", { kind: "queuePush", key: "/q", value: "v1" }],
  ["0f 0200000000000000 2f71", { kind: "queuePop", key: "/q" }],
  ["10 0200000000000000 2f71", { kind: "queueLength", key: "/q" }],
  ["11", { kind: "listKeys" }],
  ["12 0300000000000000 2f626b 0100000000000000", { kind: "barrier", key: "/bk", worldSize: 1n }],
];

export const REPLIES: readonly (readonly [hex: string, reply: Reply])[] = [
  ["0100000000000000 76", { kind: "value", value: "v" }],
  ["0000000000000000", { kind: "value", value: "" }],
  ["0100000000000000 31 0100000000000000 32", { kind: "values", values: ["1", "2"] }],
  ["0500000000000000", { kind: "integer", value: 5n }],
  ["feffffffffffffff", { kind: "integer", value: -2n }],
  ["00", { kind: "checked", areAllPresent: true }],
  ["01", { kind: "checked", areAllPresent: false }],
  ["00", { kind: "waitEnded", wasCancelled: false }],
  ["01", { kind: "waitEnded", wasCancelled: true }],
  ["8c640000", { kind: "pong", nonce: 0x648c }],
  ["0100000000000000 0200000000000000 7631", { kind: "popped", count: 1, value: "v1" }],
  ["0000000000000000", { kind: "popped", count: 0, value: undefined }],
  ["0100000000000000 0200000000000000 2f6b", { kind: "keys", keys: ["/k"] }],
  ["0000000000000000", { kind: "keys", keys: [] }],
];

export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  const digits = text.replaceAll(/[^0-9a-f]/g, "");
  return new Uint8Array(digits.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? []);
}

/** The bytes cut into pieces that end where `cut` says: the three ways in which every case is run. */
export const WAYS_TO_CUT: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array[]>> = {
  whole: (bytes) => [bytes],
  "byte by byte": (bytes) => [...bytes].map((byte) => new Uint8Array([byte])),
  "with the next one's first bytes": (
    bytes,
  ) => [bytes.subarray(0, bytes.length - 1), bytes.subarray(bytes.length - 1)],
};

/** Takes all that is to be written. */
export function written(output: OutputQueue): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [];
  while (output.length > 0) {
    const piece = output.peek().slice();
    pieces.push(piece);
    output.advance(piece.length);
  }
  return concat(pieces);
}
