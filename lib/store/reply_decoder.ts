/**
 * The client's half of reading: bytes in, the reply to the oldest open request out. What a reply looks like depends on
 * what was asked, so the caller says what it expects.
 */

import { unreachable } from "../core/assert.ts";
import { ByteReader } from "./byte_reader.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { type Key, PeerError, type Reply, type ReplyKind, type Value } from "./wire.ts";

/** What the next reply answers. */
export interface ExpectedReply {
  readonly kind: ReplyKind;
  /** For "values": how many keys were asked for. */
  readonly count: number;
}

export class ReplyDecoder {
  readonly #reader = new ByteReader(DEFAULT_LIMITS);
  /** What has arrived of a list, and how long it is to be. */
  #list: { readonly count: number; readonly items: Value[] } | null = null;

  /** Bytes have arrived that no reply has taken up. */
  get isInside(): boolean {
    return this.#reader.available > 0 || this.#list !== null;
  }

  /** As `RequestDecoder.push`. */
  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  settle(): void {
    this.#reader.settle();
  }

  /**
   * The reply, or undefined when it has not arrived whole.
   * @throws {PeerError} The server does not speak the protocol.
   */
  next(expected: ExpectedReply): Reply | undefined {
    const reader = this.#reader;
    if (!reader.begin()) return undefined;
    const reply = this.#read(expected);
    if (reply !== undefined) reader.commit();
    return reply;
  }

  #read(expected: ExpectedReply): Reply | undefined {
    const reader = this.#reader;
    const { kind } = expected;
    switch (kind) {
      case "value": {
        const value = reader.value(DEFAULT_LIMITS.requestBytesMax);
        return value === undefined ? undefined : { kind, value };
      }
      case "integer": {
        const value = reader.int64();
        return value === undefined ? undefined : { kind, value };
      }
      case "checked": {
        const byte = this.#flag();
        return byte === undefined ? undefined : { kind, areAllPresent: byte === 0 };
      }
      case "waitEnded": {
        const byte = this.#flag();
        return byte === undefined ? undefined : { kind, wasCancelled: byte === 1 };
      }
      case "pong": {
        const nonce = reader.uint32();
        return nonce === undefined ? undefined : { kind, nonce };
      }
      case "popped": {
        const count = reader.count(DEFAULT_LIMITS.keysMax, "queued values");
        const value = count === undefined || count === 0 ? undefined : reader.value();
        return count === undefined || (count > 0 && value === undefined) ? undefined : { kind, count, value };
      }
      case "values": {
        const values = this.#readList(expected.count, () => reader.value(DEFAULT_LIMITS.requestBytesMax));
        return values === undefined ? undefined : { kind, values };
      }
      case "keys": {
        if (this.#list === null) {
          const count = reader.count(DEFAULT_LIMITS.keysMax, "keys");
          if (count === undefined) return undefined;
          reader.commit();
          this.#list = { count, items: [] };
        }
        const keys = this.#readList(this.#list.count, () => reader.key());
        return keys === undefined ? undefined : { kind, keys: keys as Key[] };
      }
      default:
        return unreachable(kind);
    }
  }

  #flag(): number | undefined {
    const byte = this.#reader.uint8();
    if (byte !== undefined && byte > 1) throw new PeerError(`sent ${byte} where 0 or 1 belongs`);
    return byte;
  }

  /** Reads on from the first item that had not arrived whole. */
  #readList(count: number, read: () => Value | undefined): Value[] | undefined {
    this.#list ??= { count, items: [] };
    const { items } = this.#list;
    while (items.length < count) {
      if (!this.#reader.begin()) return undefined;
      const item = read();
      if (item === undefined) return undefined;
      items.push(item);
      this.#reader.commit();
    }
    this.#list = null;
    return items;
  }
}
