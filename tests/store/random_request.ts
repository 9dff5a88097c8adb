/** Random requests, for the tests and `deno task fuzz`. */

import type { Prng } from "../../lib/core/prng.ts";
import { type Request, type Value, valueOf } from "../../lib/store/wire.ts";

/** Any request, with keys and values of lengths around the places where forms and buffers change. */
export function randomRequest(prng: Prng): Request {
  const key = () => `/${"k".repeat(prng.below(prng.chance(1, 20) ? 300 : 12))}${prng.below(9)}`;
  const keys = () => Array.from({ length: prng.below(5) }, key);
  const value = (): Value => {
    const length = prng.below(prng.pick([3, 20, 140, 140, 5000]));
    return valueOf(new Uint8Array(length).fill(prng.below(256)));
  };
  const number = () =>
    BigInt.asIntN(64, (BigInt(prng.next()) << 32n) | BigInt(prng.next())) >> BigInt(prng.below(64));
  switch (prng.below(10)) {
    case 0:
      return { kind: prng.pick(["set", "append", "queuePush"] as const), key: key(), value: value() };
    case 1:
      return { kind: "compareSet", key: key(), expected: value(), desired: value() };
    case 2:
      return { kind: prng.pick(["get", "delete", "queuePop", "queueLength"] as const), key: key() };
    case 3:
      return { kind: "add", key: key(), delta: number() };
    case 4:
      return { kind: prng.pick(["check", "wait"] as const), keys: keys() };
    case 5:
      return { kind: "multiGet", keys: [key(), ...keys()] };
    case 6:
      return { kind: "multiSet", entries: keys().map((key) => [key, value()] as const) };
    case 7:
      return { kind: prng.pick(["countKeys", "listKeys", "cancelWait"] as const) };
    case 8:
      return { kind: "ping", nonce: prng.next() };
    default:
      return { kind: "barrier", key: key(), worldSize: number() };
  }
}
