/**
 * The server's half of reading: bytes in, whole requests out. `next` gives a request, or undefined when it takes more
 * bytes, or throws `PeerError`; the three are never confused, and nothing is given out before it is there whole.
 *
 * Work is never done twice because of how the bytes were cut: a short request is read again only once enough bytes for
 * its next field are there, and a list (up to 131,072 keys) is read on from where it stopped.
 *
 * Which generation the peer speaks is found out by its first bytes. Generations A and B look alike up to operation 8,
 * which is A's DELETE_KEY (a key, then silence: the client waits for the reply) or B's APPEND (a key and a value);
 * `awaitsSilence` tells the host to call `silence` after a moment without bytes (tcpstore-protocol, "Generations A
 * and B").
 */

import { unreachable } from "../core/assert.ts";
import { ByteReader } from "./byte_reader.ts";
import type { StoreLimits } from "./limits.ts";
import { isPlain, type PlainRequest, readPlain } from "./plain_request.ts";
import { strangerName } from "./stranger.ts";
import {
  type Dialect,
  HANDSHAKE,
  type Key,
  OPERATIONS,
  PeerError,
  type Request,
  type RequestKind,
  type Value,
} from "./wire.ts";

/** The operation that is DELETE_KEY in A and APPEND in B. */
const DELETE_OR_APPEND = 8;
/** A's clients never send it; in B it is DELETE_KEY. */
const ONLY_B = 7;

/** A request with a list of which a part has arrived. */
interface PartialList {
  readonly kind: "check" | "wait" | "multiGet" | "multiSet";
  readonly count: number;
  readonly keys: Key[];
  readonly entries: [Key, Value][];
  bytes: number;
}

/** "unknown": nothing seen yet. "early": "a" or "b", not known which. */
export type SpokenDialect = Dialect | "early" | "unknown";

export class RequestDecoder {
  readonly #limits: StoreLimits;
  readonly #reader: ByteReader;
  readonly #pinned: Dialect | null;
  #dialect: SpokenDialect;
  #list: PartialList | null = null;
  #awaitsSilence = false;

  /** `dialect`: what every peer is known to speak; null: find out. */
  constructor(limits: StoreLimits, dialect: Dialect | null = null) {
    this.#limits = limits;
    this.#reader = new ByteReader(limits);
    this.#pinned = dialect;
    this.#dialect = this.#atFirst;
  }

  /** What the peer speaks, as far as that is known. */
  get spoken(): SpokenDialect {
    return this.#dialect;
  }

  /** Begins anew, when nothing has begun, with a peer that speaks `spoken`. */
  restart(spoken: SpokenDialect = this.#atFirst): void {
    this.#dialect = spoken;
  }

  get #atFirst(): SpokenDialect {
    return this.#pinned === null || this.#pinned === "c" ? "unknown" : this.#pinned;
  }

  /** A request or handshake has begun and is not complete. */
  get isInside(): boolean {
    return this.#reader.available > 0 || this.#list !== null;
  }

  /** Bytes kept of an unfinished request. */
  get keptBytes(): number {
    return this.#reader.available + (this.#list?.bytes ?? 0);
  }

  /** All that has arrived is an operation 8 with its key, and only silence tells what it is. */
  get awaitsSilence(): boolean {
    return this.#awaitsSilence;
  }

  /**
   * Takes the first `length` bytes of `chunk` as they were read. It stays the caller's; call `next` until it gives
   * nothing, then `settle`.
   */
  push(chunk: Uint8Array, length = chunk.length): void {
    this.#awaitsSilence = false;
    this.#reader.push(chunk, length);
  }

  /** Copies what is left of the last chunk, which the caller may use again from then on. */
  settle(): void {
    this.#reader.settle();
  }

  /**
   * The next request if it is a plain one and there whole; to be read before anything else is called. Undefined means
   * nothing: `next` may give a request or find fault.
   */
  nextPlain(): PlainRequest | undefined {
    const reader = this.#reader;
    if (this.#list !== null || !reader.begin()) return undefined;
    if (this.#dialect === "unknown" && !(this.#readHandshake() && reader.begin())) return undefined;
    const dialect = this.#dialect as Dialect | "early";
    if (dialect === "early") return undefined;
    const kind = OPERATIONS[dialect][reader.uint8()!];
    if (!isPlain(kind)) return undefined;
    const request = readPlain(reader, kind, this.#limits);
    if (request !== undefined) reader.commit();
    return request;
  }

  /**
   * The next whole request, or undefined when it has not arrived.
   * @throws {PeerError} The peer does not speak the protocol, or passes a limit. Nothing can follow.
   */
  next(): Request | undefined {
    const reader = this.#reader;
    if (!reader.begin()) return undefined;
    if (this.#list !== null) return this.#continueList(this.#list);
    if (this.#dialect === "unknown") {
      if (!this.#readHandshake() || !reader.begin()) return undefined;
    }
    const request = this.#readRequest(reader.uint8()!);
    if (request !== undefined) reader.commit();
    return request;
  }

  /** Nothing followed for a moment: the operation 8 is A's DELETE_KEY. */
  silence(): Request | undefined {
    if (!this.#awaitsSilence) return undefined;
    this.#awaitsSilence = false;
    this.#dialect = "a";
    this.#reader.lookAgain();
    return this.next();
  }

  /** True once the handshake, or its absence, is certain. */
  #readHandshake(): boolean {
    const first = this.#reader.peek();
    const length = Math.min(first.length, HANDSHAKE.length);
    let matching = 0;
    while (matching < length && first[matching] === HANDSHAKE[matching]) matching++;
    if (matching === HANDSHAKE.length) {
      this.#dialect = "c";
      this.#reader.uint8();
      this.#reader.uint32();
      this.#reader.commit();
      return true;
    }
    if (matching === length) return false;
    // Early clients begin with any of their operations; what can't be one fails as such.
    if (this.#pinned !== null || first[0]! >= OPERATIONS.b.length) throw new PeerError(strangerName(first));
    this.#dialect = "early";
    return true;
  }

  #readRequest(opcode: number): Request | undefined {
    let dialect = this.#dialect as Dialect | "early";
    if (dialect === "early") {
      if (opcode === DELETE_OR_APPEND) return this.#readDeleteOrAppend();
      if (opcode === ONLY_B || opcode > DELETE_OR_APPEND) this.#dialect = "b";
      dialect = "b";
    }
    const kind = OPERATIONS[dialect][opcode];
    if (kind === undefined) {
      throw new PeerError(`sent ${opcode}, which is no operation of generation ${dialect.toUpperCase()}`);
    }
    return this.#readBody(kind);
  }

  #readDeleteOrAppend(): Request | undefined {
    const request = this.#readBody("append");
    if (request === undefined) {
      this.#reader.begin();
      this.#reader.uint8();
      const { length } = this.#reader.key() ?? {};
      this.#awaitsSilence = length !== undefined && this.#reader.available === 1 + 8 + length;
      return undefined;
    }
    this.#dialect = "b";
    return request;
  }

  #readBody(kind: RequestKind): Request | undefined {
    const reader = this.#reader;
    switch (kind) {
      case "set":
      case "append":
      case "queuePush": {
        const key = reader.key();
        const value = key === undefined ? undefined : reader.value();
        return key === undefined || value === undefined ? undefined : { kind, key, value };
      }
      case "compareSet": {
        const key = reader.key();
        const expected = key === undefined ? undefined : reader.value();
        const desired = expected === undefined ? undefined : reader.value();
        return key === undefined || expected === undefined || desired === undefined
          ? undefined
          : { kind, key, expected, desired };
      }
      case "get":
      case "delete":
      case "queuePop":
      case "queueLength": {
        const key = reader.key();
        return key === undefined ? undefined : { kind, key };
      }
      case "add": {
        const key = reader.key();
        const delta = key === undefined ? undefined : reader.int64();
        return key === undefined || delta === undefined ? undefined : { kind, key, delta };
      }
      case "barrier": {
        const key = reader.key();
        const worldSize = key === undefined ? undefined : reader.int64();
        return key === undefined || worldSize === undefined ? undefined : { kind, key, worldSize };
      }
      case "ping": {
        const nonce = reader.uint32();
        return nonce === undefined ? undefined : { kind, nonce };
      }
      case "countKeys":
      case "listKeys":
      case "cancelWait":
        return { kind };
      case "check":
      case "wait":
      case "multiGet":
      case "multiSet": {
        const count = reader.count(this.#limits.keysPerRequestMax, "keys in one request");
        if (count === undefined) return undefined;
        reader.commit();
        this.#list = { kind, count, keys: [], entries: [], bytes: 0 };
        return this.#continueList(this.#list);
      }
      default:
        return unreachable(kind);
    }
  }

  /** Reads on from the first element that had not arrived whole. */
  #continueList(list: PartialList): Request | undefined {
    const reader = this.#reader;
    const isMultiSet = list.kind === "multiSet";
    const read = isMultiSet ? list.entries : list.keys;
    while (read.length < list.count) {
      if (!reader.begin()) return undefined;
      const key = reader.key();
      if (key === undefined) return undefined;
      list.bytes += key.length;
      if (isMultiSet) {
        const value = reader.value();
        if (value === undefined) {
          list.bytes -= key.length;
          return undefined;
        }
        list.bytes += value.length;
        list.entries.push([key, value]);
      } else {
        list.keys.push(key);
      }
      reader.commit();
      const max = this.#limits.requestBytesMax;
      if (list.bytes > max) {
        throw new PeerError(`sent ${list.bytes} bytes in one request, over the limit of ${max}`);
      }
    }
    this.#list = null;
    return list.kind === "multiSet"
      ? { kind: list.kind, entries: list.entries }
      : { kind: list.kind, keys: list.keys };
  }
}
