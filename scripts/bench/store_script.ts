/** What the clients of each load say, with how long the answers are; shared by the load program and the trivial server. */

import { bytesOf } from "../../lib/core/bytes.ts";
import type { Request } from "../../lib/store/wire.ts";
import { encoded } from "../../tests/interop/store_traffic.ts";

/**
 * - "getAdd": GETs of 64-byte values and ADDs, in turns;
 * - "mixed": SET with GET, ADD, CHECK, COMPARE_SET, MULTI_GET;
 * - "large": SETs and GETs of 64 KiB;
 * - "connect": connects, does one SET and one GET, and stays;
 * - "fill": a million keys by MULTI_SET;
 * - "list": one LIST_KEYS of them;
 * - "idle": connects and stays;
 * - "ping": PINGs, for the time that each takes.
 */
export type LoadName = "getAdd" | "mixed" | "large" | "connect" | "fill" | "list" | "idle" | "ping";

/** Requests that are sent together, and how long their replies are together. */
export interface Exchange {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly requests: number;
  readonly replyBytes: number;
}

/** The exchange after `index` others; undefined: it was the last. */
export type Script = (index: number) => Exchange | undefined;

export const FILL_KEYS = 1_000_000;
const FILL_KEYS_PER_REQUEST = 100;
/** "/k0000000" and a number as text: what rendezvous and process groups store. */
const FILL_KEY_BYTES = 9;
const FILL_VALUE_BYTES = 16;

const LENGTH_BYTES = 8;
const SMALL_BYTES = 64;
const LARGE_BYTES = 64 * 1024;
const PONG_BYTES = 4;

/** What client `client` of a load sends. */
export function scriptOf(load: LoadName, client: number): Script {
  // Of one length for all, so that any client's script measures every client's bytes.
  const key = `/bench/${String(client).padStart(4, "0")}`;
  const counter = `/count/${String(client).padStart(4, "0")}`;
  const small = "v".repeat(SMALL_BYTES);
  const value = LENGTH_BYTES + SMALL_BYTES;
  switch (load) {
    case "getAdd":
      return startThenCycle(exchange([{ kind: "set", key, value: small }, { kind: "get", key }], value), [
        exchange([{ kind: "get", key }], value),
        exchange([{ kind: "add", key: counter, delta: 1n }], LENGTH_BYTES),
      ]);
    case "mixed": {
      const set = { kind: "set", key, value: small } as const;
      return startThenCycle(exchange([set, { kind: "get", key }], value), [
        exchange([set, { kind: "get", key }], value),
        exchange([{ kind: "add", key: counter, delta: 1n }], LENGTH_BYTES),
        exchange([{ kind: "check", keys: [key] }], 1),
        exchange([{ kind: "compareSet", key, expected: small, desired: small }], value),
        exchange([{ kind: "multiGet", keys: [key, key] }], 2 * value),
      ]);
    }
    case "large": {
      const set = exchange([
        { kind: "set", key, value: new Uint8Array(LARGE_BYTES) },
        { kind: "ping", nonce: 1 },
      ], PONG_BYTES);
      const get = exchange([{ kind: "get", key }], LENGTH_BYTES + LARGE_BYTES);
      // The PING only tells that the SET is done.
      return startThenCycle({ ...set, requests: 1 }, [get, { ...set, requests: 1 }]);
    }
    case "connect":
      return once(exchange([{ kind: "set", key, value: small }, { kind: "get", key }], value));
    case "fill":
      return (index) => (index * FILL_KEYS_PER_REQUEST < FILL_KEYS ? fill(index) : undefined);
    case "list":
      return once(
        exchange([{ kind: "listKeys" }], LENGTH_BYTES + FILL_KEYS * (LENGTH_BYTES + FILL_KEY_BYTES)),
      );
    case "idle":
      return () => undefined;
    case "ping":
      return startThenCycle(undefined, [exchange([{ kind: "ping", nonce: client }], PONG_BYTES)]);
  }
}

function startThenCycle(start: Exchange | undefined, cycle: readonly Exchange[]): Script {
  return (index) => (index === 0 && start !== undefined ? start : cycle[index % cycle.length]!);
}

function once(only: Exchange): Script {
  return (index) => (index === 0 ? only : undefined);
}

function exchange(requests: readonly Request[], replyBytes: number): Exchange {
  return { bytes: encoded(requests), requests: requests.length, replyBytes };
}

function fill(index: number): Exchange {
  const entries = Array.from({ length: FILL_KEYS_PER_REQUEST }, (_, offset) => {
    const number = index * FILL_KEYS_PER_REQUEST + offset;
    const key = `/k${String(number).padStart(FILL_KEY_BYTES - 2, "0")}`;
    return [key, bytesOf(String(number).padStart(FILL_VALUE_BYTES, "0"))] as const;
  });
  return exchange([{ kind: "multiSet", entries }, { kind: "ping", nonce: index }], PONG_BYTES);
}
