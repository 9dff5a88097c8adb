/** Who waits for which keys, and who is woken by one that is there. */

import type { Reply } from "./wire.ts";

/** One connection, as far as the table is concerned. */
export interface TableClient {
  reply(reply: Reply): void;
}

export class Waiters {
  /** Who waits for a key, in order of arrival. */
  readonly #byKey = new Map<string, Set<TableClient>>();
  /** The keys that a client still waits for. */
  readonly #awaited = new Map<TableClient, Set<string>>();

  /** Clients that wait. */
  get count(): number {
    return this.#awaited.size;
  }

  has(client: TableClient): boolean {
    return this.#awaited.has(client);
  }

  /** `client`, which must not wait, waits from now on until all `keys` have been there. */
  add(client: TableClient, keys: readonly string[]): void {
    const awaited = new Set(keys);
    this.#awaited.set(client, awaited);
    for (const key of awaited) {
      const waiters = this.#byKey.get(key);
      if (waiters === undefined) this.#byKey.set(key, new Set([client]));
      else waiters.add(client);
    }
  }

  /** Forgets what `client` waits for. */
  remove(client: TableClient): void {
    const awaited = this.#awaited.get(client);
    if (awaited === undefined) return;
    this.#awaited.delete(client);
    for (const key of awaited) {
      const waiters = this.#byKey.get(key)!;
      waiters.delete(client);
      if (waiters.size === 0) this.#byKey.delete(key);
    }
  }

  /** A key is there, for all. */
  onKey(key: string): void {
    const waiters = this.#byKey.get(key);
    if (waiters === undefined) return;
    this.#byKey.delete(key);
    for (const client of waiters) this.#arrived(client, key);
  }

  /** A queue has an entry more. It is for one client: the first whose wait it ends. */
  onEntry(key: string): void {
    const waiters = this.#byKey.get(key);
    if (waiters === undefined) return;
    for (const client of waiters) {
      waiters.delete(client);
      if (this.#arrived(client, key)) break;
    }
    if (waiters.size === 0) this.#byKey.delete(key);
  }

  /** One key that `client` waits for is there; returns whether that ended its wait. */
  #arrived(client: TableClient, key: string): boolean {
    const awaited = this.#awaited.get(client)!;
    awaited.delete(key);
    if (awaited.size > 0) return false;
    this.#awaited.delete(client);
    client.reply({ kind: "waitEnded", wasCancelled: false });
    return true;
  }
}
