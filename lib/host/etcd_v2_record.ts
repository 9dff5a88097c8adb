/**
 * torchrun's shared record in etcd's v2 API (`etcd_rendezvous_backend.py` of 2.15): base64 at
 * `/torch/elastic/rendezvous/ID` for two hours, replaced only where its index is the one that was read.
 */

import { type EtcdV2, EtcdV2Error, type V2Result } from "./etcd_v2.ts";
import { monotonicNow } from "./clock.ts";

export interface RecordState {
  readonly bytes: Uint8Array;
  /** torchrun's fencing token: etcd's modifiedIndex. */
  readonly token: string;
}

const TTL_SECONDS = 7200;

export class EtcdV2Record {
  readonly #client: EtcdV2;
  readonly #key: string;

  constructor(client: EtcdV2, jobId: string) {
    this.#client = client;
    this.#key = `/torch/elastic/rendezvous/${jobId}`;
  }

  /**
   * The record, null if there is none: at once, or where it is still the one of `token`, when it changes, `afterMs` later
   * at the latest. @throws {EtcdV2Error}
   */
  async read(token: string | null = null, afterMs = 0): Promise<RecordState | null> {
    const deadline = monotonicNow() + afterMs;
    while (true) {
      const result = await this.#client.ask({ kind: "get", key: this.#key });
      const state = stateOf(result);
      if ((state?.token ?? null) !== token || monotonicNow() >= deadline) return state;
      await this.#client.wait(this.#key, result.index + 1, false, deadline);
    }
  }

  /**
   * Replaces the record of `token`, null: if there is none. `written` false: somebody else was first, and `state` is
   * what they wrote. @throws {EtcdV2Error}
   */
  async write(
    bytes: Uint8Array,
    token: string | null,
  ): Promise<{ readonly written: boolean; readonly state: RecordState | null }> {
    const value = bytes.toBase64();
    const result = await this.#client.ask({
      kind: "put",
      key: this.#key,
      value,
      ttlSeconds: TTL_SECONDS,
      condition: token === null ? { prevExist: false } : { prevIndex: Number(token) },
    });
    if (result.kind === "node") {
      return { written: true, state: { bytes, token: String(result.node.modifiedIndex) } };
    }
    const found = await this.#client.ask({ kind: "get", key: this.#key });
    // Ours, if only the answer to an earlier attempt was lost.
    return { written: found.kind === "node" && found.node.value === value, state: stateOf(found) };
  }
}

/** @throws {EtcdV2Error} It is no base64. */
function stateOf(result: V2Result): RecordState | null {
  if (result.kind !== "node") return null;
  try {
    return { bytes: Uint8Array.fromBase64(result.node.value), token: String(result.node.modifiedIndex) };
  } catch {
    throw new EtcdV2Error(`What stands at ${result.node.key} is no record of torchrun's: it is not base64`);
  }
}
