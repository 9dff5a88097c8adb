/**
 * Random traffic of several store clients, the same for every server: what is sent, by whom, in which pieces, and who
 * leaves. It is drawn before anything is answered, so equal seeds give equal traffic whatever the servers do.
 *
 * Left out is what our table does differently on purpose (lib/store/table.ts): a second WAIT while one is open, a WAIT
 * for several names of which one is a filled queue, a COMPARE_SET that expects a value of an absent key for which
 * somebody waits, a WAIT after one that a queue has ended (but for a CANCEL_WAIT between), and leaving in the middle of
 * a MULTI_SET.
 */

import { bytesOf } from "../../lib/core/bytes.ts";
import type { Prng } from "../../lib/core/prng.ts";
import { encodeRequest } from "../../lib/store/encode.ts";
import { OutputQueue } from "../../lib/store/output_queue.ts";
import { type Request, type Value, valueOf } from "../../lib/store/wire.ts";
import { written } from "../store/wire_cases.ts";

/** What one client does before anybody else does anything. */
export type Step =
  /** Sends requests at once; `cuts`: where the bytes are parted, with a whole round trip of another client between. */
  | {
    readonly kind: "send";
    readonly client: number;
    readonly requests: readonly Request[];
    readonly bytes: Uint8Array;
    readonly cuts: readonly number[];
  }
  /** Asks for all keys, which servers list in an order of their own. */
  | { readonly kind: "list"; readonly client: number }
  /** Sends `bytes`, the beginning of a request or none, and leaves; a new client comes in its place. */
  | { readonly kind: "leave"; readonly client: number; readonly bytes: Uint8Array }
  /** Sends what no server takes; the connection ends and a new client comes in its place. */
  | { readonly kind: "offend"; readonly client: number; readonly bytes: Uint8Array };

export class Traffic {
  readonly #prng: Prng;
  readonly #clientCount: number;
  /** Clients that may be in a WAIT or BARRIER, as far as can be known without the replies. */
  readonly #waiting = new Set<number>();
  /** Clients that PyTorch's server may still take for waiting at a queue. */
  readonly #queued = new Set<number>();

  constructor(prng: Prng, clientCount: number) {
    this.#prng = prng;
    this.#clientCount = clientCount;
  }

  next(): Step {
    const prng = this.#prng;
    const client = prng.below(this.#clientCount);
    if (prng.chance(1, 60)) return { kind: "list", client };
    if (prng.chance(1, 80)) {
      this.#cancel(client);
      return { kind: "leave", client, bytes: this.#beginning() };
    }
    if (prng.chance(1, 400)) {
      this.#cancel(client);
      return { kind: "offend", client, bytes: prng.pick(OFFENCES) };
    }
    const requests = Array.from(
      { length: 1 + prng.below(prng.pick([1, 3, 12])) },
      () => this.#requests(client),
    ).flat();
    const bytes = encoded(requests);
    const cuts = prng.chance(1, 10) ? [prng.below(bytes.length), prng.below(bytes.length)] : [];
    return { kind: "send", client, requests, bytes, cuts: cuts.toSorted((a, b) => a - b) };
  }

  #requests(client: number): Request[] {
    if (this.#prng.chance(1, 7)) return this.#wait(client);
    return [
      this.#waiting.has(client) && this.#prng.chance(1, 3) ? this.#cancel(client) : this.#request(client),
    ];
  }

  #wait(client: number): Request[] {
    const requests = this.#waiting.has(client) || this.#queued.has(client) ? [this.#cancel(client)] : [];
    this.#waiting.add(client);
    const { kind, of } = this.#prng.pick(WAITS);
    if (of === "gate") {
      const worldSize = BigInt(1 + this.#prng.below(this.#clientCount));
      return [...requests, { kind, key: this.#gate(), worldSize }];
    }
    if (of === "keys") return [...requests, { kind, keys: this.#keys(1 + this.#prng.below(3)) }];
    this.#queued.add(client);
    return [...requests, { kind, keys: [this.#queue()] }];
  }

  #cancel(client: number): Request {
    this.#waiting.delete(client);
    this.#queued.delete(client);
    return { kind: "cancelWait" };
  }

  #request(client: number): Request {
    const prng = this.#prng;
    switch (prng.below(12)) {
      case 0:
      case 1:
        return { kind: "set", key: this.#key(), value: this.#value() };
      case 2:
        return { kind: "get", key: prng.pick([this.#key(), this.#counter(), this.#agreed()]) };
      case 3:
        return { kind: "add", key: prng.chance(1, 40) ? this.#key() : this.#counter(), delta: this.#delta() };
      case 4:
        return prng.chance(1, 3)
          ? { kind: "compareSet", key: this.#key(), expected: "", desired: this.#value() }
          : { kind: "compareSet", key: this.#agreed(), expected: this.#value(), desired: this.#value() };
      case 5:
        return { kind: "append", key: this.#key(), value: this.#value() };
      case 6:
        return {
          kind: "delete",
          key: prng.pick([this.#key(), this.#counter(), this.#gate(), this.#queue()]),
        };
      case 7:
        return { kind: "check", keys: this.#keys(prng.below(4)) };
      case 8:
        return prng.chance(1, 2) ? { kind: "multiGet", keys: this.#keys(1 + prng.below(4)) } : {
          kind: "multiSet",
          entries: this.#keys(prng.below(4)).map((key) => [key, this.#value()] as const),
        };
      case 9:
        return { kind: "queuePush", key: this.#queue(), value: this.#value() };
      case 10:
        return { kind: prng.pick(["queuePop", "queueLength"] as const), key: this.#queue() };
      default:
        return prng.chance(3, 4) ? { kind: "countKeys" } : this.#cancel(client);
    }
  }

  /** The first part of a request that is not applied before it is whole. */
  #beginning(): Uint8Array {
    const bytes = encoded([{ kind: "compareSet", key: this.#key(), expected: this.#value(), desired: "x" }]);
    return bytes.subarray(0, this.#prng.below(bytes.length));
  }

  #key(): string {
    return `/k${this.#prng.below(12)}`;
  }

  /** Few, so that most of them exist and waits end. */
  #counter(): string {
    return `/n${this.#prng.below(4)}`;
  }

  /** Nobody waits for it. */
  #agreed(): string {
    return `/c${this.#prng.below(2)}`;
  }

  #gate(): string {
    return `/gate${this.#prng.below(3)}`;
  }

  #queue(): string {
    return `/q${this.#prng.below(3)}`;
  }

  #keys(count: number): string[] {
    const any = () => (this.#prng.chance(1, 4) ? this.#counter() : this.#key());
    return Array.from({ length: count }, any);
  }

  #value(): Value {
    const prng = this.#prng;
    if (prng.chance(1, 3)) return prng.pick(NUMBER_LIKE);
    const length = prng.below(prng.chance(1, 100) ? 20_000 : 12);
    return valueOf(new Uint8Array(length).map(() => prng.next()));
  }

  #delta(): bigint {
    const prng = this.#prng;
    if (prng.chance(9, 10)) return BigInt(prng.below(100)) - 50n;
    return BigInt.asIntN(64, (BigInt(prng.next()) << 32n) | BigInt(prng.next()));
  }
}

const WAITS = [
  { kind: "wait", of: "keys" },
  { kind: "wait", of: "keys" },
  { kind: "wait", of: "queue" },
  { kind: "barrier", of: "gate" },
] as const;

/** Texts around what C++ reads as a number. */
const NUMBER_LIKE: readonly string[] = [
  "0",
  "7",
  "-12",
  " 8",
  "+5",
  "12abc",
  "",
  "0x1f",
  "9223372036854775807",
];

const LONG = "\xff\xff\xff\xff\xff\xff\xff\x7f";

/** Operations that don't exist, lengths over every limit. */
const OFFENCES: readonly Uint8Array[] = [
  "\x13",
  "\xff",
  `\x01${LONG}`,
  `\x01\x02\0\0\0\0\0\0\0/k${LONG}`,
  `\x06${LONG}`,
  `\x0a${LONG}`,
  `\x0b${LONG}`,
].map(bytesOf);

export function encoded(requests: readonly Request[]): Uint8Array<ArrayBuffer> {
  const output = new OutputQueue();
  for (const request of requests) encodeRequest(output, request);
  return written(output);
}
