/**
 * torchrun's key store in etcd's v2 API (`etcd_store.py` of 2.15): keys and values in base64, below one directory. torchrun
 * reads the whole directory to wait for a key; here each key is waited for by itself, which it can't tell.
 */

import { fromUtf8, utf8 } from "../core/bytes.ts";
import { monotonicNow } from "./clock.ts";
import { type EtcdV2, EtcdV2Error } from "./etcd_v2.ts";

export class EtcdV2Keys {
  readonly #client: EtcdV2;
  readonly #directory: string;
  /** `set` has no answer, so later operations come after it by waiting for it. */
  #lastSet: Promise<void> = Promise.resolve();

  /** `directory`: `/torch/elastic/store` with etcd-v2. */
  constructor(client: EtcdV2, directory: string) {
    this.#client = client;
    this.#directory = directory;
  }

  /** @throws {EtcdV2Error} */
  set(key: string, value: Uint8Array): Promise<void> {
    const set = async () => {
      await this.#client.ask({
        kind: "put",
        key: this.#path(key),
        value: value.toBase64(),
        ttlSeconds: null,
      });
    };
    return this.#lastSet = this.#lastSet.then(set, set);
  }

  /** The values in the order of `keys` once all are there; null: some are not after `limitMs`. @throws {EtcdV2Error} */
  async get(keys: readonly string[], limitMs: number): Promise<Uint8Array[] | null> {
    await this.#lastSet;
    const deadline = monotonicNow() + limitMs;
    const values: Uint8Array[] = [];
    for (const key of keys) {
      const value = await this.#getOne(key, deadline);
      if (value === null) return null;
      values.push(value);
    }
    return values;
  }

  /** The values that are there now. @throws {EtcdV2Error} */
  async look(keys: readonly string[]): Promise<(Uint8Array | null)[]> {
    await this.#lastSet;
    return await Promise.all(keys.map((key) => this.#getOne(key, 0)));
  }

  /** Adds to the number under `key`, which starts at 0; decimal text, as in a TCPStore. @throws {EtcdV2Error} */
  async add(key: string, amount: number): Promise<number> {
    await this.#lastSet;
    const path = this.#path(key), text = (sum: number) => utf8(String(sum)).toBase64();
    const put = { kind: "put", key: path, ttlSeconds: null } as const;
    const created = await this.#client.ask({ ...put, value: text(amount), condition: { prevExist: false } });
    if (created.kind === "node") return amount;
    while (true) {
      const found = await this.#client.ask({ kind: "get", key: path });
      if (found.kind !== "node") throw new EtcdV2Error(`${path} has gone while it was added to`);
      const before = found.node.value, sum = Number(fromUtf8(decoded(path, before))) + amount;
      if (!Number.isSafeInteger(sum)) throw new EtcdV2Error(`${path} holds no number to add to`);
      const condition = { prevValue: before, prevIndex: found.node.modifiedIndex };
      const swapped = await this.#client.ask({ ...put, value: text(sum), condition });
      if (swapped.kind === "node") return sum;
    }
  }

  async #getOne(key: string, deadline: number): Promise<Uint8Array | null> {
    const path = this.#path(key);
    while (true) {
      const found = await this.#client.ask({ kind: "get", key: path });
      if (found.kind === "node") return decoded(path, found.node.value);
      if (monotonicNow() >= deadline) return null;
      await this.#client.wait(path, found.index + 1, false, deadline);
    }
  }

  #path(key: string): string {
    return `${this.#directory}/${utf8(key).toBase64()}`;
  }
}

function decoded(path: string, value: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(value);
  } catch {
    throw new EtcdV2Error(`What stands at ${path} is no value of torchrun's: it is not base64`);
  }
}
