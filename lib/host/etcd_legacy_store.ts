/**
 * Carries out what a meeting over torchrun's legacy etcd rendezvous asks (`LegacyOperation`): keys and folders of etcd's v2
 * API, as `etcd_rendezvous.py` of 2.15 has them.
 */

import { utf8 } from "../core/bytes.ts";
import { unreachable } from "../core/assert.ts";
import type { LegacyAnswer, LegacyOperation } from "../rendezvous/legacy_operations.ts";
import type { V2Condition, V2Node } from "../etcd/v2_wire.ts";
import { monotonicNow } from "./clock.ts";
import { type EtcdV2, EtcdV2Error, type V2Result } from "./etcd_v2.ts";
import { EtcdV2Keys } from "./etcd_v2_keys.ts";

const JOB_TTL_SECONDS = 7200;
const ALIVE_TTL_SECONDS = 10;
/** How long the end waits for etcd. */
const GOODBYE_MS = 1000;

export class EtcdLegacyStore {
  readonly #client: EtcdV2;
  readonly #folder: string;
  readonly #answer: (answer: LegacyAnswer) => void;
  readonly #keys = new Map<string, EtcdV2Keys>();
  /** What is done in order: the folders are there before what is in them. */
  #before: Promise<void> = Promise.resolve();
  #read = new AbortController();
  #last: Promise<void> = Promise.resolve();
  /** Index of the store when the members were last listed: their ends are waited for from there on. */
  #listedAt = 0;

  /** `folder`: "/torchelastic/p2p/run_ID". */
  constructor(client: EtcdV2, folder: string, answer: (answer: LegacyAnswer) => void) {
    this.#client = client;
    this.#folder = folder;
    this.#answer = answer;
  }

  perform(operation: LegacyOperation): void {
    const work = this.#carryOut(operation).catch((error) => {
      if (!(error instanceof EtcdV2Error)) throw error;
      this.#answer({ kind: "store-lost", text: error.message });
    });
    if (operation.kind === "drop-alive") this.#last = work;
  }

  /** Resolves once this node's sign of life is gone, or a moment later. */
  async settled(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLate = new Promise<void>((resolve) => timer = setTimeout(resolve, GOODBYE_MS));
    await Promise.race([this.#last, tooLate]);
    clearTimeout(timer);
  }

  close(): void {
    this.#read.abort();
    this.#client.close();
  }

  async #carryOut(operation: LegacyOperation): Promise<void> {
    switch (operation.kind) {
      case "keep-job":
        return await this.#inOrder(this.#keepJob());
      case "read-state":
        return await this.#readState(operation);
      case "swap-state":
        return await this.#swapState(operation);
      case "delete-state":
        return await this.#deleteState(operation);
      case "next-version":
        return this.#answer({
          kind: "version",
          ticket: operation.ticket,
          version: await this.#nextVersion(),
        });
      case "list-alive": {
        const found = await this.#ask({ kind: "get", key: `${this.#folder}/rdzv/v_${operation.version}` });
        this.#listedAt = found.index;
        const nodes: readonly V2Node[] = found.kind === "node" ? found.node.nodes : [];
        const paths = nodes.filter(({ isDirectory }) => !isDirectory).map(({ key }) => key);
        return this.#answer({ kind: "alive", ticket: operation.ticket, paths });
      }
      case "set-alive":
        await this.#setAlive(operation.path);
        return this.#answer({ kind: "set", ticket: operation.ticket });
      case "drop-alive":
        await this.#ask({ kind: "delete", key: operation.path, prevValue: "" });
        return;
      case "set-keys":
        await Promise.all(operation.entries.map(([key, value]) => {
          const { keys, name } = this.#keysOf(key);
          return keys.set(name, utf8(value));
        }));
        return;
      case "get-keys":
      case "look-keys": {
        const all = operation.keys.map((key) => this.#keysOf(key));
        const names = all.map(({ name }) => name), keys = all[0]?.keys;
        const values = keys === undefined
          ? []
          : operation.kind === "look-keys"
          ? await keys.look(names)
          : await keys.get(names, operation.limitMs);
        return this.#answer({ kind: "values", ticket: operation.ticket, values });
      }
      case "add-key": {
        const { keys, name } = this.#keysOf(operation.key);
        const sum = await keys.add(name, operation.amount);
        return this.#answer({ kind: "sum", ticket: operation.ticket, sum });
      }
      default:
        return unreachable(operation);
    }
  }

  /** What is asked later waits for `work`, and goes on without it where it fails. */
  #inOrder(work: Promise<void>): Promise<void> {
    this.#before = work.catch(() => {});
    return work;
  }

  async #ask(request: Parameters<EtcdV2["ask"]>[0]): Promise<V2Result> {
    await this.#before;
    return await this.#client.ask(request);
  }

  async #keepJob(): Promise<void> {
    await this.#client.ask({ kind: "make-directory", key: this.#folder, ttlSeconds: JOB_TTL_SECONDS });
    await this.#client.ask({ kind: "refresh", key: this.#folder, ttlSeconds: JOB_TTL_SECONDS });
    await this.#client.ask({ kind: "make-directory", key: `${this.#folder}/rdzv`, ttlSeconds: null });
    await this.#client.ask({
      kind: "put",
      key: this.#counter,
      value: "0",
      ttlSeconds: null,
      condition: { prevExist: false },
    });
  }

  get #state(): string {
    return `${this.#folder}/rdzv/active_version`;
  }

  get #counter(): string {
    return `${this.#folder}/rdzv/version_counter`;
  }

  async #readState(operation: LegacyOperation & { readonly kind: "read-state" }): Promise<void> {
    this.#read.abort();
    const read = this.#read = new AbortController();
    const deadline = monotonicNow() + operation.afterMs;
    for (let isFirst = true;; isFirst = false) {
      const found = await this.#ask({ kind: "get", key: this.#state });
      if (read.signal.aborted) return;
      const text = found.kind === "node" ? found.node.value : null;
      // With members any change below the folder may matter; whoever asked looks at them.
      const isNews = text !== operation.known || (operation.members && !isFirst);
      if (isNews || monotonicNow() >= deadline) {
        return this.#answer({ kind: "state", ticket: operation.ticket, text, done: false });
      }
      const { members } = operation;
      const [key, index] = members ? [`${this.#folder}/rdzv`, this.#listedAt] : [this.#state, found.index];
      await this.#client.wait(key, index + 1, members, deadline, read.signal);
      if (read.signal.aborted) return;
    }
  }

  async #swapState(operation: LegacyOperation & { readonly kind: "swap-state" }): Promise<void> {
    const { ticket, from, to, ttlSeconds } = operation;
    const condition: V2Condition = from === null ? { prevExist: false } : { prevValue: from };
    const written = await this.#ask({ kind: "put", key: this.#state, value: to, ttlSeconds, condition });
    if (written.kind === "node") return this.#answer({ kind: "state", ticket, text: to, done: true });
    const found = await this.#ask({ kind: "get", key: this.#state });
    const text = found.kind === "node" ? found.node.value : null;
    // No two nodes write the same text: it is there, if only the answer to an earlier attempt was lost.
    this.#answer({ kind: "state", ticket, text, done: text === to });
  }

  async #deleteState(operation: LegacyOperation & { readonly kind: "delete-state" }): Promise<void> {
    await this.#ask({ kind: "delete", key: this.#state, prevValue: operation.from });
    const found = await this.#ask({ kind: "get", key: this.#state });
    const text = found.kind === "node" ? found.node.value : null;
    this.#answer({ kind: "state", ticket: operation.ticket, text, done: text !== operation.from });
  }

  /** As torchrun counts: only who makes a state does. */
  async #nextVersion(): Promise<string> {
    while (true) {
      const found = await this.#ask({ kind: "get", key: this.#counter });
      if (found.kind !== "node" || !/^\d{1,15}$/.test(found.node.value)) {
        throw new EtcdV2Error(`${this.#counter} in etcd holds no number: delete ${this.#folder}`);
      }
      const version = String(Number(found.node.value) + 1);
      const condition = { prevExist: true, prevIndex: found.node.modifiedIndex };
      const counted = await this.#ask({
        kind: "put",
        key: this.#counter,
        value: version,
        ttlSeconds: null,
        condition,
      });
      if (counted.kind !== "node") continue;
      await this.#ask({ kind: "make-directory", key: `${this.#folder}/rdzv/v_${version}`, ttlSeconds: null });
      return version;
    }
  }

  async #setAlive(path: string): Promise<void> {
    const refreshed = await this.#ask({ kind: "refresh", key: path, ttlSeconds: ALIVE_TTL_SECONDS });
    if (refreshed.kind === "node") return;
    await this.#ask({ kind: "put", key: path, value: "", ttlSeconds: ALIVE_TTL_SECONDS });
  }

  /** The store of the round that a key begins with. */
  #keysOf(key: string): { readonly keys: EtcdV2Keys; readonly name: string } {
    const slash = key.indexOf("/"), version = key.slice(0, slash);
    const directory = `${this.#folder}/rdzv/v_${version}/kv`;
    const keys = this.#keys.get(version) ?? new EtcdV2Keys(this.#client, directory);
    this.#keys.set(version, keys);
    return { keys, name: key.slice(slash + 1) };
  }
}
