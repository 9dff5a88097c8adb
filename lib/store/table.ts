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

import { assert, unreachable } from "../core/assert.ts";
import { bytesOf, concat, copySpan, isSameSpan, type Span, writeUint32 } from "../core/bytes.ts";
import { ByteMap, LENGTH_BYTES, NONE } from "./byte_map.ts";
import { addInt64, type Int64, INT64_TEXT_BYTES_MAX, int64Of, parseInt64, writeInt64Text } from "./int64.ts";
import { KEY_BYTES_MOST, type StoreLimits } from "./limits.ts";
import type { OutputQueue } from "./output_queue.ts";
import { spanText, spanValue, TextSpan } from "./text_span.ts";
import { ValueQueue } from "./value_queue.ts";
import { type TableClient, Waiters } from "./waiters.ts";
import { type Key, PeerError, type Request, type Value, valueOf } from "./wire.ts";

export interface TableOptions {
  /** Told of every key that a SET or COMPARE_SET was for. */
  readonly onWrite?: ((key: Key) => void) | undefined;
  /** Drawn by chance, or strangers could choose keys that make the table slow. */
  readonly hashSeed?: number;
}

export class Table {
  readonly #limits: StoreLimits;
  readonly #onWrite: ((key: Key) => void) | undefined;
  readonly #values: ByteMap;
  /** Never holds an empty queue. */
  readonly #queues = new Map<Key, ValueQueue>();
  readonly #waiters = new Waiters();
  #queuedCount = 0;
  #queuedBytes = 0;
  readonly #sumText: Span = { bytes: new Uint8Array(INT64_TEXT_BYTES_MAX), start: 0, end: 0 };
  readonly #keyText = new TextSpan();
  readonly #valueText = new TextSpan();
  readonly #desiredText = new TextSpan();

  constructor(limits: StoreLimits, { onWrite, hashSeed = 0 }: TableOptions = {}) {
    assert(limits.keyBytesMax <= KEY_BYTES_MOST, "Keys can't be that long");
    this.#limits = limits;
    this.#onWrite = onWrite;
    this.#values = new ByteMap(hashSeed);
  }

  get keyCount(): number {
    return this.#values.size;
  }

  /** Bytes of all keys and values, queues included. */
  get storedBytes(): number {
    return this.#values.keyBytes + this.#values.valueBytes + this.#queuedBytes;
  }

  /** Clients in a WAIT or BARRIER. */
  get waitingCount(): number {
    return this.#waiters.count;
  }

  /** Whether `client` is in a WAIT or BARRIER. */
  isWaiting(client: TableClient): boolean {
    return this.#waiters.has(client);
  }

  /**
   * Answers one request.
   * @throws {PeerError} It passes a limit, or adds to a text that is no number. Nothing was changed.
   */
  apply(client: TableClient, request: Request): void {
    switch (request.kind) {
      case "set":
        this.set(this.#keyText.of(request.key), this.#valueText.of(request.value));
        return;
      case "get":
        client.reply({ kind: "value", value: this.#valueOf(request.key) ?? "" });
        return;
      case "add": {
        const sum = this.add(this.#keyText.of(request.key), int64Of(request.delta));
        client.reply({ kind: "integer", value: BigInt(sum) });
        return;
      }
      case "wait":
        this.#wait(client, request.keys);
        return;
      case "check":
        client.reply({ kind: "checked", areAllPresent: request.keys.every((key) => this.#isPresent(key)) });
        return;
      case "compareSet": {
        const { key, expected, desired } = request;
        const texts = [
          this.#keyText.of(key),
          this.#valueText.of(expected),
          this.#desiredText.of(desired),
        ] as const;
        const isThere = this.compareSet(...texts);
        client.reply({ kind: "value", value: isThere ? this.#valueOf(key)! : expected });
        return;
      }
      case "multiGet":
        client.reply({ kind: "values", values: this.#multiGet(request.keys) });
        return;
      case "multiSet":
        this.#checkRoomForAll(request.entries);
        for (const [key, value] of request.entries) this.#put(key, value);
        return;
      case "append":
        this.#checkRoom(this.#keyText.of(request.key), request.value.length);
        this.#put(request.key, this.#joined(this.#valueOf(request.key) ?? "", request.value));
        return;
      case "delete":
        client.reply({
          kind: "integer",
          value: this.#values.delete(this.#keyText.of(request.key)) ? 1n : 0n,
        });
        return;
      case "countKeys":
        client.reply({ kind: "integer", value: BigInt(this.#values.size) });
        return;
      case "listKeys":
        client.reply({ kind: "keys", keys: this.#listKeys() });
        return;
      case "queuePush":
        this.#queuePush(request.key, request.value);
        return;
      case "queuePop":
        client.reply({
          kind: "popped",
          count: this.#queues.get(request.key)?.length ?? 0,
          value: this.#queuePop(request.key),
        });
        return;
      case "queueLength":
        client.reply({ kind: "integer", value: BigInt(this.#queues.get(request.key)?.length ?? 0) });
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

  /** GET without a request: writes the value's length and the value. */
  get(key: Span, output: OutputQueue): void {
    const place = this.#values.find(key);
    if (place === NONE) return output.uint53(0);
    const block = this.#values.blockAt(place);
    if (block !== undefined) return output.block(block);
    const { start, end } = this.#values.wireAt(place);
    output.copyView(this.#values.viewAt(place), start, end);
  }

  /** SET without a request. Throws as `apply` does. */
  set(key: Span, value: Span): void {
    this.#checkRoom(key, value.end - value.start);
    this.#values.set(key, value);
    this.#wakeAll(key);
    this.#onWrite?.(spanText(key));
  }

  /** ADD without a request: returns the sum. Throws as `apply` does. */
  add(key: Span, delta: Int64): Int64 {
    const sum = this.#count(key, delta);
    this.#wakeAll(key);
    this.#onWrite?.(spanText(key));
    return sum;
  }

  /** CHECK of the first `count` of `keys` without a request. */
  areAllPresent(keys: readonly Span[], count: number): boolean {
    for (let index = 0; index < count; index++) {
      const key = keys[index]!;
      const isAbsent = this.#values.find(key) === NONE;
      if (isAbsent && !(this.#queues.size > 0 && this.#queues.has(spanText(key)))) return false;
    }
    return true;
  }

  /** MULTI_GET of the first `count` of `keys` without a request. Throws as `apply` does. */
  multiGet(keys: readonly Span[], count: number, output: OutputQueue): void {
    let bytes = 0;
    for (let index = 0; index < count; index++) {
      const place = this.#values.find(keys[index]!);
      bytes += LENGTH_BYTES + (place === NONE ? 0 : this.#values.valueLength(place));
    }
    this.#checkReply(bytes);
    for (let index = 0; index < count; index++) this.get(keys[index]!, output);
  }

  /** LIST_KEYS without a request, which would be a string for each. Throws as `apply` does. */
  listKeys(output: OutputQueue): void {
    this.#checkReply(this.#listBytes);
    const bytes = new Uint8Array(LENGTH_BYTES + this.#listBytes);
    writeUint32(bytes, 0, this.#values.size);
    let at = LENGTH_BYTES;
    this.#values.forEachKey((key) => {
      writeUint32(bytes, at, key.end - key.start);
      copySpan(bytes, at + LENGTH_BYTES, key);
      at += LENGTH_BYTES + key.end - key.start;
    });
    output.raw(bytes);
  }

  /**
   * COMPARE_SET without a request. True: the reply is the key's value now. False: it is the expectation, as with PyTorch's
   * server: the key is absent and stays so. Throws as `apply` does.
   */
  compareSet(key: Span, expected: Span, desired: Span): boolean {
    const place = this.#values.find(key);
    const isThere = place !== NONE;
    const isExpected = isThere
      ? isSameSpan(this.#values.valueAt(place), expected)
      : expected.start === expected.end;
    if (isExpected) {
      this.#checkRoom(key, desired.end - desired.start);
      this.#values.set(key, desired);
      this.#wakeAll(key);
    }
    this.#onWrite?.(spanText(key));
    return isThere || isExpected;
  }

  /** Forgets what `client` waits for. What it set, pushed or counted stays. */
  leave(client: TableClient): void {
    this.#waiters.remove(client);
  }

  #has(key: Key): boolean {
    return this.#values.find(this.#keyText.of(key)) !== NONE;
  }

  #isPresent(key: Key): boolean {
    return this.#has(key) || this.#queues.has(key);
  }

  #valueOf(key: Key): Value | undefined {
    const place = this.#values.find(this.#keyText.of(key));
    if (place === NONE) return undefined;
    return spanValue(this.#values.valueAt(place));
  }

  #put(key: Key, value: Value): void {
    const span = this.#keyText.of(key);
    this.#values.set(span, this.#valueText.of(value));
    this.#wakeAll(span);
  }

  /** That the key may be set to `bytes` bytes. What they replace is not taken off: the limit is far away. */
  #checkRoom(key: Span, bytes: number): void {
    const count = this.#values.size + this.#queuedCount;
    if (count >= this.#limits.keysMax && this.#values.find(key) === NONE) this.#checkCount(count + 1);
    this.#checkBytes(key.end - key.start + bytes);
  }

  #checkRoomForAll(entries: readonly (readonly [Key, Value])[]): void {
    const count = this.#values.size + this.#queuedCount;
    if (count + entries.length > this.#limits.keysMax) {
      const added = new Set(entries.map(([key]) => key));
      for (const key of added) if (this.#has(key)) added.delete(key);
      this.#checkCount(count + added.size);
    }
    let bytes = 0;
    for (const [key, value] of entries) bytes += key.length + value.length;
    this.#checkBytes(bytes);
  }

  #checkCount(after: number): void {
    const { keysMax } = this.#limits;
    if (after > keysMax) throw new PeerError(`would make ${after} keys, over the limit of ${keysMax}`);
  }

  #checkBytes(added: number): void {
    const after = this.storedBytes + added, max = this.#limits.storedBytesMax;
    if (after > max) throw new PeerError(`would make ${after} bytes in all, over the limit of ${max}`);
  }

  /** Adds to the number under `key`. */
  #count(key: Span, delta: Int64): Int64 {
    this.#checkRoom(key, INT64_TEXT_BYTES_MAX);
    const values = this.#values;
    const place = values.find(key);
    let sum = delta;
    if (place !== NONE) {
      const before = parseInt64(values.valueAt(place));
      if (before === undefined) {
        throw new PeerError(`added to ${JSON.stringify(spanText(key))}, whose value is no 64-bit number`);
      }
      sum = addInt64(before, delta);
    }
    const text = this.#sumText;
    writeInt64Text(text, sum);
    if (place !== NONE && values.valueLength(place) === text.end - text.start) {
      const { bytes, start } = values.valueAt(place);
      copySpan(bytes, start, text);
    } else {
      values.set(key, text);
    }
    return sum;
  }

  #multiGet(keys: readonly Key[]): Value[] {
    const values = keys.map((key) => this.#valueOf(key) ?? "");
    let bytes = 0;
    for (const { length } of values) bytes += LENGTH_BYTES + length;
    this.#checkReply(bytes);
    return values;
  }

  #listKeys(): Key[] {
    this.#checkReply(this.#listBytes);
    const keys: Key[] = [];
    this.#values.forEachKey((key) => keys.push(spanText(key)));
    return keys;
  }

  /** Of a list of all keys, without its count. */
  get #listBytes(): number {
    return LENGTH_BYTES * this.#values.size + this.#values.keyBytes;
  }

  #checkReply(bytes: number): void {
    const max = this.#limits.requestBytesMax;
    if (bytes > max) throw new PeerError(`asked for ${bytes} bytes in one reply, over the limit of ${max}`);
  }

  #joined(head: Value, tail: Value): Value {
    const length = head.length + tail.length;
    const max = this.#limits.requestBytesMax;
    if (length > max) throw new PeerError(`would make a value of ${length} bytes, over the limit of ${max}`);
    return valueOf(concat([
      typeof head === "string" ? bytesOf(head) : head,
      typeof tail === "string" ? bytesOf(tail) : tail,
    ]));
  }

  #wait(client: TableClient, keys: readonly Key[]): void {
    this.leave(client);
    const missing = keys.filter((key) => !this.#isPresent(key));
    if (missing.length === 0) client.reply({ kind: "waitEnded", wasCancelled: false });
    else this.#waiters.add(client, missing);
  }

  /**
   * A barrier is a number under its key, as in PyTorch: an arrival adds one, and the arrival that completes it wakes the
   * others. It stays complete until the key is deleted; who leaves while waiting stays counted.
   */
  #barrier(client: TableClient, key: Key, worldSize: bigint): void {
    const span = this.#keyText.of(key);
    const arrived = this.#count(span, 1);
    this.leave(client);
    if (arrived < worldSize) {
      this.#waiters.add(client, [key]);
    } else {
      client.reply({ kind: "waitEnded", wasCancelled: false });
      this.#wakeAll(span);
    }
  }

  #wakeAll(key: Span): void {
    if (this.#waiters.count > 0) this.#waiters.onKey(spanText(key));
  }

  #queuePush(key: Key, value: Value): void {
    this.#checkCount(this.#values.size + this.#queuedCount + 1);
    this.#checkBytes(key.length + value.length);
    let queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, queue = new ValueQueue());
    queue.push(value);
    this.#queuedCount++;
    this.#queuedBytes += key.length + value.length;
    this.#waiters.onEntry(key);
  }

  #queuePop(key: Key): Value | undefined {
    const queue = this.#queues.get(key);
    if (queue === undefined) return undefined;
    const value = queue.take();
    if (queue.length === 0) this.#queues.delete(key);
    this.#queuedCount--;
    this.#queuedBytes -= key.length + value.length;
    return value;
  }
}
