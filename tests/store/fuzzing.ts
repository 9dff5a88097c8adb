/** Random requests, and hostile bytes for the decoder: shared by the tests and `deno task fuzz`. */

import { assert } from "../../lib/core/assert.ts";
import type { Prng } from "../../lib/core/prng.ts";
import { encodeRequest } from "../../lib/store/encode.ts";
import type { StoreLimits } from "../../lib/store/limits.ts";
import { DEFAULT_LIMITS } from "../../lib/store/limits.ts";
import { OutputQueue } from "../../lib/store/output_queue.ts";
import { RequestDecoder } from "../../lib/store/request_decoder.ts";
import { HANDSHAKE, PeerError, type Request, type Value, valueOf } from "../../lib/store/wire.ts";

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

/** Low, so that random lengths often come near them. */
const FUZZ_LIMITS: StoreLimits = {
  ...DEFAULT_LIMITS,
  keyBytesMax: 256,
  valueBytesMax: 4096,
  keysPerRequestMax: 64,
  requestBytesMax: 16_384,
};

/**
 * Feeds `count` inputs to decoders. Each is requests, mutated or cut or neither, or noise. What must hold: only
 * `PeerError` is thrown; the requests before the first wrong byte come out as they went in; no more is kept than the
 * limits allow.
 */
export function fuzzDecoder(prng: Prng, count: number): void {
  for (let index = 0; index < count; index++) {
    const requests = Array.from({ length: 1 + prng.below(3) }, () => randomRequest(prng));
    const ends: number[] = [];
    const input = encodeAll(requests, ends);
    const damageAt = damage(prng, input);
    const decoded = decodeCut(
      prng,
      input,
      prng.below(input.length + 1) + (prng.chance(1, 2) ? input.length : 0),
    );
    // A request can't be over before its last byte, and nothing before the damage may be lost but by a limit.
    for (const [position, request] of decoded.requests.entries()) {
      if ((ends[position] ?? Infinity) <= damageAt) {
        assert(isSame(request, requests[position]!), "A request changed");
      }
    }
    const whole = ends.filter((end) => end <= Math.min(damageAt, decoded.length)).length;
    assert(
      decoded.requests.length >= whole || decoded.hasFailed,
      `Lost a request: ${decoded.requests.length} of ${whole}`,
    );
  }
}

function encodeAll(requests: readonly Request[], ends: number[]): Uint8Array {
  const output = new OutputQueue();
  output.raw(HANDSHAKE);
  for (const request of requests) {
    encodeRequest(output, request);
    ends.push(output.length);
  }
  const bytes = new Uint8Array(output.length);
  for (let offset = 0; output.length > 0;) {
    const piece = output.peek();
    bytes.set(piece, offset);
    offset += piece.length;
    output.advance(piece.length);
  }
  return bytes;
}

/** Changes a few bytes of `input`, or none, or all; returns where the first change is. */
function damage(prng: Prng, input: Uint8Array): number {
  if (prng.chance(1, 4)) return Infinity;
  let first = Infinity;
  const changes = prng.chance(1, 10) ? input.length : 1 + prng.below(4);
  for (let change = 0; change < changes; change++) {
    const at = changes === input.length ? change : prng.below(input.length);
    input[at] = prng.chance(1, 3) ? prng.pick([0, 1, 0x7f, 0x80, 0xff]) : prng.next();
    first = Math.min(first, at);
  }
  return first;
}

interface Decoded {
  readonly requests: Request[];
  readonly hasFailed: boolean;
  /** Bytes that were fed. */
  readonly length: number;
}

function decodeCut(prng: Prng, input: Uint8Array, lengthMax: number): Decoded {
  const decoder = new RequestDecoder(FUZZ_LIMITS);
  const requests: Request[] = [];
  const length = Math.min(input.length, lengthMax);
  const pieceMax = prng.pick([1, 7, 64, 100_000]);
  try {
    for (let offset = 0; offset < length;) {
      const end = Math.min(length, offset + 1 + prng.below(pieceMax));
      decoder.push(input.slice(offset, end));
      for (let next = decoder.next(); next !== undefined; next = decoder.next()) requests.push(next);
      decoder.settle();
      const keptMax = FUZZ_LIMITS.requestBytesMax + FUZZ_LIMITS.keyBytesMax + FUZZ_LIMITS.valueBytesMax;
      assert(decoder.keptBytes <= keptMax + pieceMax, `Keeps ${decoder.keptBytes} bytes`);
      offset = end;
    }
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return { requests, hasFailed: true, length };
  }
  return { requests, hasFailed: false, length };
}

function isSame(a: Request, b: Request): boolean {
  const text = (request: Request) =>
    JSON.stringify(request, (_key, value) => {
      if (typeof value === "bigint") return `${value}n`;
      return value instanceof Uint8Array ? [...value] : value;
    });
  return text(a) === text(b);
}
