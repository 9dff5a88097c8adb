/**
 * A client for PyTorch's TCPStore, for workers and tools in TypeScript (exported as `./store`). It speaks to muster's
 * store and to PyTorch's own servers, to those before 2.2 if it is told so (`dialect`). What a server's generation does
 * not have fails with `StoreOperationError`.
 *
 * ```ts
 * const store = await StoreClient.fromEnvironment();
 * await store.set("address/0", "10.0.0.7:4000");
 * const peer = await store.getText("address/1"); // waits until rank 1 has set it
 * store.close();
 * ```
 *
 * Any number of operations may be under way at once. They share one connection; each operation that has to wait borrows
 * a further one, of which there are few, and beyond those asks again and again. A lost connection is made anew for the
 * next operation; what only reads or waits is repeated on it, anything else fails with `StoreConnectionError`, because
 * it may have happened. The next operation fails so, too, if something was set that the server may not have taken.
 */

import { bytesOf, byteString, fromUtf8, utf8 } from "../core/bytes.ts";
import { durationText } from "../core/time.ts";
import type { Outcome } from "../store/client.ts";
import { type Key, type Request, type Value, valueOf } from "../store/wire.ts";
import { reply, type StoreAddress, StoreConnections } from "./store_connections.ts";

export type { Dialect } from "../store/wire.ts";
export { type StoreAddress, StoreOperationError } from "./store_connections.ts";
export { StoreConnectionError } from "./store_link.ts";

/** A key did not appear, or a barrier did not fill, in time. */
export class StoreTimeoutError extends Error {
  override readonly name = "StoreTimeoutError";
}

export interface ConnectOptions extends StoreAddress {
  /** For connecting, and for operations that are given no time of their own. PyTorch's default: 300 s. */
  readonly timeoutMs?: number;
  /** For making a lost connection anew; `timeoutMs` by default. Shorter where a lost server is lost for good. */
  readonly reconnectMs?: number;
  /** Stands before every key; "/" by default, as in PyTorch's Python client. Its C++ has a few keys without. */
  readonly keyPrefix?: string;
}

export interface WaitOptions {
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 300_000;
export class StoreClient {
  readonly #connections: StoreConnections;
  /** What stands before every key: "/" as in PyTorch's Python client, and the prefixes. */
  readonly #prefix: string;

  private constructor(connections: StoreConnections, prefix: string) {
    this.#connections = connections;
    this.#prefix = prefix;
  }

  /**
   * Connects; retries until `timeoutMs` is over, for a server that is not there yet.
   * @throws {StoreConnectionError} Nobody answered; one line with the last reason.
   */
  static async connect(options: ConnectOptions): Promise<StoreClient> {
    const { timeoutMs = TIMEOUT_MS, reconnectMs = timeoutMs } = options;
    const connections = new StoreConnections(options, timeoutMs, reconnectMs);
    await connections.connect();
    return new StoreClient(connections, options.keyPrefix ?? "/");
  }

  /**
   * Connects to the store of the job that this worker belongs to.
   * @throws {TypeError} MASTER_ADDR or MASTER_PORT is missing: this process was not started by a launcher.
   */
  static fromEnvironment(options: WaitOptions = {}): Promise<StoreClient> {
    const host = Deno.env.get("MASTER_ADDR"), port = Number(Deno.env.get("MASTER_PORT"));
    if (!host || !Number.isInteger(port) || port < 1) {
      throw new TypeError(
        `Cannot find the store: MASTER_ADDR is ${host ?? "not set"} and MASTER_PORT is ` +
          `${Deno.env.get("MASTER_PORT") ?? "not set"}; start this program with muster`,
      );
    }
    return StoreClient.connect({ host, port, ...options });
  }

  /** The same store with `prefix/` before every key, as PyTorch's PrefixStore; both share their connections. */
  prefixed(prefix: string): StoreClient {
    return new StoreClient(this.#connections, `${this.#prefix}${prefix}/`);
  }

  /** Sets a key. Resolves once it is sent: a server does not confirm it. A later operation of this client sees it. */
  async set(key: string, value: Uint8Array | string): Promise<void> {
    await this.#ask({ kind: "set", key: this.#key(key), value: valueFrom(value) });
  }

  /**
   * The value of a key, once it is there.
   * @throws {StoreTimeoutError} It did not appear in time.
   */
  async get(key: string, options: WaitOptions = {}): Promise<Uint8Array> {
    await this.wait([key], options);
    return bytesFrom(reply(await this.#ask({ kind: "get", key: this.#key(key) }), "value").value);
  }

  /** As `get`, read as UTF-8. */
  async getText(key: string, options: WaitOptions = {}): Promise<string> {
    return fromUtf8(await this.get(key, options));
  }

  /**
   * Adds to the number under a key, which starts at 0, and returns the sum.
   * @throws {RangeError} The sum is no exact JavaScript number; `addInt64` gives it.
   */
  async add(key: string, amount: number): Promise<number> {
    const sum = Number(await this.addInt64(key, BigInt(amount)));
    if (!Number.isSafeInteger(sum)) throw new RangeError(`The sum under ${key} is too large for a number`);
    return sum;
  }

  /** As `add`, for all 64-bit numbers. */
  async addInt64(key: string, amount: bigint): Promise<bigint> {
    return reply(await this.#ask({ kind: "add", key: this.#key(key), delta: amount }), "integer").value;
  }

  /**
   * Sets a key if its value is `expected` (empty: also if it is absent), and returns the value that is there now. An
   * absent key with an expectation stays absent, and the expectation is returned, as PyTorch does.
   */
  async compareSet(
    key: string,
    expected: Uint8Array | string,
    desired: Uint8Array | string,
  ): Promise<Uint8Array> {
    const request = {
      kind: "compareSet",
      key: this.#key(key),
      expected: valueFrom(expected),
      desired: valueFrom(desired),
    } as const;
    return bytesFrom(reply(await this.#ask(request), "value").value);
  }

  /** Whether all keys are there. */
  async check(keys: readonly string[]): Promise<boolean> {
    return reply(await this.#ask({ kind: "check", keys: this.#keys(keys) }), "checked").areAllPresent;
  }

  /**
   * Waits until all keys are there.
   * @throws {StoreTimeoutError} They were not in time.
   */
  async wait(keys: readonly string[], options: WaitOptions = {}): Promise<void> {
    const timeoutMs = options.timeoutMs ?? this.#connections.timeoutMs;
    const deadline = performance.now() + timeoutMs;
    // Most often they are there already, and the connection for everything can tell.
    if (await this.check(keys)) return;
    const outcome = await this.#connections.wait({ kind: "wait", keys: this.#keys(keys) }, deadline);
    if (outcome?.kind !== "timedOut") return;
    const missing = await this.#missing(keys);
    throw new StoreTimeoutError(`Not in the store after ${durationText(timeoutMs)}: ${keysText(missing)}`);
  }

  /** Those of `keys` that are not there now, if there are few enough to ask for each; all of them where all are. */
  async #missing(keys: readonly string[]): Promise<readonly string[]> {
    if (keys.length === 1 || keys.length > KEYS_EXAMINED_MAX) return keys;
    const areThere = await Promise.all(keys.map((key) => this.check([key])));
    const missing = keys.filter((_, index) => !areThere[index]);
    return missing.length === 0 ? keys : missing;
  }

  /** Deletes a key; tells whether it was there. */
  async delete(key: string): Promise<boolean> {
    return reply(await this.#ask({ kind: "delete", key: this.#key(key) }), "integer").value === 1n;
  }

  /** Puts `value` behind what is under the key. */
  async append(key: string, value: Uint8Array | string): Promise<void> {
    await this.#ask({ kind: "append", key: this.#key(key), value: valueFrom(value) });
  }

  /** The values of several keys, once all are there. Throws as `get` does. */
  async multiGet(keys: readonly string[], options: WaitOptions = {}): Promise<Uint8Array[]> {
    if (keys.length === 0) return [];
    await this.wait(keys, options);
    return reply(await this.#ask({ kind: "multiGet", keys: this.#keys(keys) }), "values").values.map(
      bytesFrom,
    );
  }

  /** Sets several keys at once. */
  async multiSet(entries: Iterable<readonly [string, Uint8Array | string]>): Promise<void> {
    const encoded = [...entries].map(([key, value]) => [this.#key(key), valueFrom(value)] as const);
    await this.#ask({ kind: "multiSet", entries: encoded });
  }

  /** Puts a value at the end of a queue. Queues live apart from keys. */
  async queuePush(key: string, value: Uint8Array | string): Promise<void> {
    await this.#ask({ kind: "queuePush", key: this.#key(key), value: valueFrom(value) });
  }

  /**
   * Takes the first value of a queue, and waits for one if it is empty; with `timeoutMs: 0` an empty queue gives null.
   * @throws {StoreTimeoutError} It stayed empty.
   */
  async queuePop(key: string, options: WaitOptions = {}): Promise<Uint8Array | null> {
    const deadline = performance.now() + (options.timeoutMs ?? this.#connections.timeoutMs);
    while (true) {
      const { value } = reply(await this.#ask({ kind: "queuePop", key: this.#key(key) }), "popped");
      if (value !== undefined) return bytesFrom(value);
      if (options.timeoutMs === 0) return null;
      // Another client may be faster: then wait again for what is left of the time.
      await this.wait([key], { timeoutMs: Math.max(1, deadline - performance.now()) });
    }
  }

  /** Number of values in a queue. */
  async queueLength(key: string): Promise<number> {
    return Number(reply(await this.#ask({ kind: "queueLength", key: this.#key(key) }), "integer").value);
  }

  /** All keys of this store (of this prefix), queues not included. Not in PyTorch's servers before 2.15. */
  async listKeys(): Promise<string[]> {
    const { keys } = reply(await this.#ask({ kind: "listKeys" }), "keys");
    const prefix = this.#key("");
    return keys.filter((key) => key.startsWith(prefix)).map((key) =>
      fromUtf8(bytesOf(key.slice(prefix.length)))
    );
  }

  /** Number of keys in the whole store, whatever the prefix. */
  async countKeys(): Promise<number> {
    return Number(reply(await this.#ask({ kind: "countKeys" }), "integer").value);
  }

  /**
   * Waits until `worldSize` clients have called it with this key. What each of them set before is there then.
   * Not in PyTorch's servers before 2.15.
   * @throws {StoreTimeoutError} Too few came in time. Who came stays counted.
   */
  async barrier(key: string, worldSize: number, options: WaitOptions = {}): Promise<void> {
    const timeoutMs = options.timeoutMs ?? this.#connections.timeoutMs;
    // What was set before must be there when the others go on, and the barrier takes another connection.
    await this.countKeys();
    const request = { kind: "barrier", key: this.#key(key), worldSize: BigInt(worldSize) } as const;
    const outcome = await this.#connections.wait(request, performance.now() + timeoutMs);
    if (outcome?.kind === "timedOut") {
      throw new StoreTimeoutError(
        `Fewer than ${worldSize} came to barrier ${key} in ${durationText(timeoutMs)}`,
      );
    }
  }

  /** Resolves when the server has answered; everything sent before has been applied then. */
  async ping(): Promise<void> {
    await this.#ask({ kind: "ping", nonce: 1 });
  }

  /** Closes the connections, of all prefixes. Sent requests still arrive; open ones fail. */
  close(): void {
    this.#connections.close();
  }

  #ask(request: Request): Promise<Outcome | null> {
    return this.#connections.ask(request);
  }

  #key(key: string): Key {
    return byteString(utf8(this.#prefix + key));
  }

  #keys(keys: readonly string[]): Key[] {
    return keys.map((key) => this.#key(key));
  }
}

function valueFrom(value: Uint8Array | string): Value {
  return valueOf(typeof value === "string" ? utf8(value) : value);
}

function bytesFrom(value: Value): Uint8Array {
  return typeof value === "string" ? bytesOf(value) : value;
}

const KEYS_EXAMINED_MAX = 1000;
const KEYS_NAMED_MAX = 5;

function keysText(keys: readonly string[]): string {
  const named = keys.slice(0, KEYS_NAMED_MAX).join(", ");
  return keys.length > KEYS_NAMED_MAX ? `${named} and ${keys.length - KEYS_NAMED_MAX} more` : named;
}
