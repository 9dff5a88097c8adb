/**
 * What a TCPStore server knows, and how it answers: keys and values, queues, and who waits for what. Pure: a request
 * goes in with the client that sent it, replies come out through the clients' `reply`, also those of others that it
 * wakes. Rules as measured with PyTorch 2.15's libuv server (tcpstore-protocol, "Rules"); the differential test
 * (tests/interop) holds the two together. Deliberately different:
 * - a request is applied whole or not at all, MULTI_SET too;
 * - a key that is already there is never waited for again, and a second WAIT of a client replaces its first;
 * - only what makes a key or fills a queue ends a wait: not a COMPARE_SET that stores nothing, nor a push to a queue at
 *   which the client waited earlier;
 * - GET of an absent key is answered by an empty value on every server of ours (PyTorch's legacy server hangs up).
 */

import { bytesOf, byteString, concat } from "../core/bytes.ts";
import { unreachable } from "../core/assert.ts";
import type { StoreLimits } from "./limits.ts";
import { type Key, PeerError, type Reply, type Request, type Value, VALUE_TEXT_BYTES_MAX } from "./wire.ts";

/** One connection, as far as the table is concerned. */
export interface TableClient {
  reply(reply: Reply): void;
}

export class Table {
  readonly #limits: StoreLimits;
  readonly #onWrite: ((key: Key) => void) | undefined;
  readonly #values = new Map<Key, Value>();
  /** Never holds an empty queue. */
  readonly #queues = new Map<Key, Queue>();
  /** Who waits for a key, in order of arrival. */
  readonly #waiters = new Map<Key, Set<TableClient>>();
  /** The keys that a client still waits for. */
  readonly #awaited = new Map<TableClient, Set<Key>>();
  #queuedCount = 0;
  #storedBytes = 0;

  /** `onWrite`: told of every key that a SET or COMPARE_SET was for. */
  constructor(limits: StoreLimits, onWrite?: (key: Key) => void) {
    this.#limits = limits;
    this.#onWrite = onWrite;
  }

  get keyCount(): number {
    return this.#values.size;
  }

  /** Bytes of all keys and values, queues included. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  /** Clients in a WAIT or BARRIER. */
  get waitingCount(): number {
    return this.#awaited.size;
  }

  /** Whether `client` is in a WAIT or BARRIER. */
  isWaiting(client: TableClient): boolean {
    return this.#awaited.has(client);
  }

  /** All keys with their values, for people who debug; queues are not in it. */
  entries(): IterableIterator<[Key, Value]> {
    return this.#values.entries();
  }

  /**
   * Answers one request.
   * @throws {PeerError} It passes a limit, or adds to a text that is no number. Nothing was changed.
   */
  apply(client: TableClient, request: Request): void {
    switch (request.kind) {
      case "set":
        this.#checkRoom(request.key, request.key.length + request.value.length);
        this.#put(request.key, request.value);
        this.#onWrite?.(request.key);
        return;
      case "get":
        client.reply({ kind: "value", value: this.#values.get(request.key) ?? "" });
        return;
      case "add": {
        const value = this.#add(request.key, request.delta);
        this.#wakeAll(request.key);
        client.reply({ kind: "integer", value });
        return;
      }
      case "wait":
        this.#wait(client, request.keys);
        return;
      case "check":
        client.reply({ kind: "checked", areAllPresent: request.keys.every((key) => this.#isPresent(key)) });
        return;
      case "compareSet":
        client.reply({ kind: "value", value: this.#compareSet(request) });
        this.#onWrite?.(request.key);
        return;
      case "multiGet":
        client.reply({ kind: "values", values: this.#multiGet(request.keys) });
        return;
      case "multiSet":
        this.#checkRoom(request.entries.map(([key]) => key), entriesBytes(request.entries));
        for (const [key, value] of request.entries) this.#put(key, value);
        return;
      case "append": {
        this.#checkRoom(request.key, request.key.length + request.value.length);
        this.#put(request.key, this.#joined(this.#values.get(request.key) ?? "", request.value));
        return;
      }
      case "delete":
        client.reply({ kind: "integer", value: this.#delete(request.key) ? 1n : 0n });
        return;
      case "countKeys":
        client.reply({ kind: "integer", value: BigInt(this.#values.size) });
        return;
      case "listKeys":
        client.reply({ kind: "keys", keys: [...this.#values.keys()] });
        return;
      case "queuePush":
        this.#queuePush(request.key, request.value);
        return;
      case "queuePop":
        client.reply({
          kind: "popped",
          count: queueLength(this.#queues.get(request.key)),
          value: this.#queuePop(request.key),
        });
        return;
      case "queueLength":
        client.reply({ kind: "integer", value: BigInt(queueLength(this.#queues.get(request.key))) });
        return;
      case "barrier":
        this.#barrier(client, request.key, request.worldSize);
        return;
      case "cancelWait":
        this.leave(client);
        client.reply({ kind: "waitEnded", wasCancelled: true });
        return;
      case "ping":
        client.reply({ kind: "pong", nonce: request.nonce });
        return;
      default:
        unreachable(request);
    }
  }

  /** Forgets what `client` waits for. What it set, pushed or counted stays. */
  leave(client: TableClient): void {
    const awaited = this.#awaited.get(client);
    if (awaited === undefined) return;
    this.#awaited.delete(client);
    for (const key of awaited) {
      const waiters = this.#waiters.get(key)!;
      waiters.delete(client);
      if (waiters.size === 0) this.#waiters.delete(key);
    }
  }

  #isPresent(key: Key): boolean {
    return this.#values.has(key) || this.#queues.has(key);
  }

  #put(key: Key, value: Value): void {
    this.#store(key, value);
    this.#wakeAll(key);
  }

  #store(key: Key, value: Value): void {
    const old = this.#values.get(key);
    this.#storedBytes += old === undefined ? key.length + value.length : value.length - old.length;
    this.#values.set(key, value);
  }

  #delete(key: Key): boolean {
    const old = this.#values.get(key);
    if (old === undefined) return false;
    this.#storedBytes -= key.length + old.length;
    return this.#values.delete(key);
  }

  /** That `keys` may be set to `bytes` more in all. What they replace is not taken off: the limit is far away. */
  #checkRoom(keys: Key | readonly Key[], bytes: number): void {
    const count = this.#values.size + this.#queuedCount;
    if (count + (typeof keys === "string" ? 1 : keys.length) > this.#limits.keysMax) {
      const added = new Set(typeof keys === "string" ? [keys] : keys);
      for (const key of added) if (this.#values.has(key)) added.delete(key);
      this.#checkCount(count + added.size);
    }
    this.#checkBytes(bytes);
  }

  #checkCount(after: number): void {
    const { keysMax } = this.#limits;
    if (after > keysMax) throw new PeerError(`would make ${after} keys, over the limit of ${keysMax}`);
  }

  #checkBytes(added: number): void {
    const after = this.#storedBytes + added, max = this.#limits.storedBytesMax;
    if (after > max) throw new PeerError(`would make ${after} bytes in all, over the limit of ${max}`);
  }

  #add(key: Key, delta: bigint): bigint {
    this.#checkRoom(key, key.length + INTEGER_TEXT_BYTES_MAX);
    const old = this.#values.get(key);
    // C++ adds two 64-bit numbers and lets them wrap.
    const sum = old === undefined ? delta : BigInt.asIntN(64, integerOf(key, old) + delta);
    this.#store(key, String(sum));
    return sum;
  }

  /** An absent key with an expectation: nothing is stored and the expectation is echoed, as PyTorch does. */
  #compareSet(request: Request & { kind: "compareSet" }): Value {
    const { key, expected, desired } = request;
    const current = this.#values.get(key);
    if (current === undefined ? expected.length > 0 : !isEqual(current, expected)) return current ?? expected;
    this.#checkRoom(key, key.length + desired.length);
    this.#put(key, desired);
    return desired;
  }

  #multiGet(keys: readonly Key[]): Value[] {
    const values = keys.map((key) => this.#values.get(key) ?? "");
    let bytes = 0;
    for (const value of values) bytes += 8 + value.length;
    const max = this.#limits.requestBytesMax;
    if (bytes > max) throw new PeerError(`asked for ${bytes} bytes in one reply, over the limit of ${max}`);
    return values;
  }

  #joined(head: Value, tail: Value): Value {
    const length = head.length + tail.length;
    const max = this.#limits.requestBytesMax;
    if (length > max) throw new PeerError(`would make a value of ${length} bytes, over the limit of ${max}`);
    if (typeof head === "string" && typeof tail === "string" && length <= VALUE_TEXT_BYTES_MAX) {
      return head + tail;
    }
    return concat([
      typeof head === "string" ? bytesOf(head) : head,
      typeof tail === "string" ? bytesOf(tail) : tail,
    ]);
  }

  #wait(client: TableClient, keys: readonly Key[]): void {
    this.leave(client);
    const missing = keys.filter((key) => !this.#isPresent(key));
    if (missing.length === 0) client.reply({ kind: "waitEnded", wasCancelled: false });
    else this.#enlist(client, missing);
  }

  #enlist(client: TableClient, keys: readonly Key[]): void {
    const awaited = new Set(keys);
    this.#awaited.set(client, awaited);
    for (const key of awaited) {
      const waiters = this.#waiters.get(key);
      if (waiters === undefined) this.#waiters.set(key, new Set([client]));
      else waiters.add(client);
    }
  }

  /**
   * A barrier is a number under its key, as in PyTorch: an arrival adds one, and the arrival that completes it wakes the
   * others. It stays complete until the key is deleted; who leaves while waiting stays counted.
   */
  #barrier(client: TableClient, key: Key, worldSize: bigint): void {
    const arrived = this.#add(key, 1n);
    this.leave(client);
    if (arrived < worldSize) {
      this.#enlist(client, [key]);
    } else {
      client.reply({ kind: "waitEnded", wasCancelled: false });
      this.#wakeAll(key);
    }
  }

  #wakeAll(key: Key): void {
    const waiters = this.#waiters.get(key);
    if (waiters === undefined) return;
    this.#waiters.delete(key);
    for (const client of waiters) this.#arrived(client, key);
  }

  /** One key that `client` waits for is there; returns whether that ended its wait. */
  #arrived(client: TableClient, key: Key): boolean {
    const awaited = this.#awaited.get(client)!;
    awaited.delete(key);
    if (awaited.size > 0) return false;
    this.#awaited.delete(client);
    client.reply({ kind: "waitEnded", wasCancelled: false });
    return true;
  }

  /** One entry is for one client: the first whose wait it ends. */
  #queuePush(key: Key, value: Value): void {
    this.#checkCount(this.#values.size + this.#queuedCount + 1);
    this.#checkBytes(key.length + value.length);
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, { values: [value], head: 0 });
    else queue.values.push(value);
    this.#queuedCount++;
    this.#storedBytes += key.length + value.length;
    const waiters = this.#waiters.get(key);
    if (waiters === undefined) return;
    for (const client of waiters) {
      waiters.delete(client);
      if (this.#arrived(client, key)) break;
    }
    if (waiters.size === 0) this.#waiters.delete(key);
  }

  #queuePop(key: Key): Value | undefined {
    const queue = this.#queues.get(key);
    if (queue === undefined) return undefined;
    const value = takeFirst(queue);
    if (queueLength(queue) === 0) this.#queues.delete(key);
    this.#queuedCount--;
    this.#storedBytes -= key.length + value.length;
    return value;
  }
}

/** First in, first out in constant time: `Array.shift` moves all others once an array is long. */
interface Queue {
  values: Value[];
  /** Index of the first entry; those before it are taken. */
  head: number;
}

const TAKEN_KEPT_MAX = 1024;

function queueLength(queue: Queue | undefined): number {
  return queue === undefined ? 0 : queue.values.length - queue.head;
}

function takeFirst(queue: Queue): Value {
  const value = queue.values[queue.head]!;
  queue.values[queue.head++] = "";
  if (queue.head > TAKEN_KEPT_MAX && 2 * queue.head > queue.values.length) {
    queue.values = queue.values.slice(queue.head);
    queue.head = 0;
  }
  return value;
}

const INTEGER_TEXT_BYTES_MAX = 20;
/** Of this length any number is small enough for arithmetic that takes no BigInt. */
const SMALL_TEXT_BYTES_MAX = 15;
/** More than any number has, white space before it included. */
const NUMBER_PREFIX_BYTES = 1024;
const DIGIT_ZERO = 0x30;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** The number that a value is, or begins with. */
function integerOf(key: Key, value: Value): bigint {
  // What an ADD before has left behind, nearly always.
  if (typeof value === "string" && value.length > 0 && value.length <= SMALL_TEXT_BYTES_MAX) {
    let number = 0;
    for (let index = 0; index < value.length; index++) {
      const digit = value.charCodeAt(index) - DIGIT_ZERO;
      if (digit < 0 || digit > 9) return leadingInteger(key, value);
      number = 10 * number + digit;
    }
    return BigInt(number);
  }
  return leadingInteger(key, value);
}

/** What C++'s `std::stoll` makes of a value: white space, a sign, digits; the rest is ignored. */
function leadingInteger(key: Key, value: Value): bigint {
  const text = typeof value === "string" ? value : byteString(value, 0, NUMBER_PREFIX_BYTES);
  const digits = /^[ \t\n\v\f\r]*([+-]?[0-9]+)/.exec(text)?.[1];
  const number = digits === undefined ? undefined : BigInt(digits.startsWith("+") ? digits.slice(1) : digits);
  if (number === undefined || number < INT64_MIN || number > INT64_MAX) {
    throw new PeerError(`added to ${JSON.stringify(key)}, whose value is no 64-bit number`);
  }
  return number;
}

/** A value's form follows from its length (wire.ts), so values of different forms differ. */
function isEqual(a: Value, b: Value): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function entriesBytes(entries: readonly (readonly [Key, Value])[]): number {
  let bytes = 0;
  for (const [key, value] of entries) bytes += key.length + value.length;
  return bytes;
}
