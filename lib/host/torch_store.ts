/**
 * What torchrun's agents share in a PyTorch TCPStore, ours or PyTorch's: the record as base64 text under a key of its
 * own, and keys as they are called (`c10d_rendezvous_backend.py`; torchrun.md 4.2). The store's reads wait for a key, so
 * a sentinel stands where there is no record yet. The stored text itself is the fencing token.
 */

import { fromUtf8 } from "../core/bytes.ts";
import type { RecordState, SharedKeys, SharedRecord, SharedStore } from "./shared_store.ts";
import { StoreClient, StoreConnectionError, StoreTimeoutError } from "./store_client.ts";

export interface TorchStoreOptions {
  readonly host: string;
  readonly port: number;
  readonly jobId: string;
  /** For one operation (rdzv-conf `read_timeout`), and for connecting. */
  readonly timeoutMs: number;
  /** A static job has keys, but no record; its host waits for every node to show itself. */
  readonly isStatic?: boolean;
}

/** Whoever hosts the store never comes back under its name: only a disturbance of the network is waited out. */
const RECONNECT_MS = 2000;

/** Counts the nodes of a static job; without the slash of other keys. */
export const NODES_KEY = "init/";

/** Stands where there is no record (`_NULL_SENTINEL`). */
export const NO_RECORD = "Y2FuaW1hZGFt";

export class TorchStore implements SharedStore, SharedRecord, SharedKeys {
  readonly record = this;
  readonly keys = this;
  readonly #client: StoreClient;
  readonly #key: string;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();

  private constructor(client: StoreClient, { jobId, timeoutMs }: TorchStoreOptions) {
    this.#client = client;
    this.#key = `torch.rendezvous.${jobId}`;
    this.#timeoutMs = timeoutMs;
  }

  /** Connects; retries until `timeoutMs` is over. @throws {StoreConnectionError} Nobody answered. */
  static async connect(options: TorchStoreOptions): Promise<TorchStore> {
    const { host, port, timeoutMs } = options;
    const store = new TorchStore(
      await StoreClient.connect({ host, port, timeoutMs, reconnectMs: RECONNECT_MS }),
      options,
    );
    if (options.isStatic) await showNode(host, port, timeoutMs);
    else await store.#client.compareSet(store.#key, "", NO_RECORD);
    return store;
  }

  /** A TCPStore does not tell of changes, so `afterMs` is always waited for. */
  async read(_token: string | null = null, afterMs = 0): Promise<RecordState | null> {
    if (afterMs > 0) await pause(afterMs, this.#closing.signal);
    return stateFrom(await this.#client.get(this.#key, { timeoutMs: this.#timeoutMs }));
  }

  async write(
    bytes: Uint8Array,
    token: string | null,
  ): Promise<{ readonly written: boolean; readonly state: RecordState | null }> {
    const text = bytes.toBase64();
    try {
      const found = await this.#client.compareSet(this.#key, token ?? NO_RECORD, text);
      return { written: fromUtf8(found) === text, state: stateFrom(found) };
    } catch (error) {
      if (!(error instanceof StoreConnectionError)) throw error;
      // The write may have happened before the connection was lost.
      const state = await this.read();
      return { written: state?.token === text, state };
    }
  }

  set(key: string, value: Uint8Array): Promise<void> {
    return this.#client.set(key, value);
  }

  async get(keys: readonly string[], limitMs: number): Promise<Uint8Array[] | null> {
    try {
      await this.#client.wait(keys, { timeoutMs: limitMs });
    } catch (error) {
      if (error instanceof StoreTimeoutError) return null;
      throw error;
    }
    return await Promise.all(keys.map((key) => this.#client.get(key, { timeoutMs: this.#timeoutMs })));
  }

  async look(keys: readonly string[]): Promise<(Uint8Array | null)[]> {
    return await Promise.all(keys.map(async (key) => {
      // Keys of a round are never deleted: one that is there stays.
      return await this.#client.check([key])
        ? await this.#client.get(key, { timeoutMs: this.#timeoutMs })
        : null;
    }));
  }

  add(key: string, amount: number): Promise<number> {
    return this.#client.add(key, amount);
  }

  lossText(error: unknown): string | null {
    return error instanceof StoreConnectionError || error instanceof StoreTimeoutError ? error.message : null;
  }

  close(): void {
    this.#closing.abort();
    this.#client.close();
  }
}

/** PyTorch's server counts the nodes that came before it lets its own go on (`TCPStore::waitForWorkers`). */
async function showNode(host: string, port: number, timeoutMs: number): Promise<void> {
  const client = await StoreClient.connect({ host, port, timeoutMs, keyPrefix: "" });
  await client.add(NODES_KEY, 1);
  client.close();
}

/** Resolves after `limitMs`, or when `signal` is aborted. */
export async function pause(limitMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, limitMs);
  const onAbort = () => resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
}

/** Text of a store to a record; text that no bytes can be made of becomes an empty record, which its reader refuses. */
export function stateFrom(value: Uint8Array): RecordState | null {
  const token = fromUtf8(value);
  if (token === NO_RECORD) return null;
  try {
    return { bytes: Uint8Array.fromBase64(token), token };
  } catch {
    return { bytes: new Uint8Array(), token };
  }
}
