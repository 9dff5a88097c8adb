/**
 * etcd in memory, as far as a host's election needs it: one linear history of revisions, transactions, leases on a clock of
 * its own that may run faster or slower than the agents', and watches. It answers the real requests with the real answers.
 */

import { unreachable } from "../../lib/core/assert.ts";
import type { Change } from "../../lib/etcd/v3_watch.ts";
import type { KeyValue, V3Answer, V3Compare, V3Operation, V3Request } from "../../lib/etcd/v3_wire.ts";

interface ModelLease {
  readonly ttlMs: number;
  endsAt: number;
}

export class EtcdModel {
  revision = 1;
  readonly keys = new Map<string, KeyValue>();
  readonly history: { readonly key: string; readonly change: Change }[] = [];
  compactedBefore = 0;
  readonly #leases = new Map<string, ModelLease>();
  #nextLease = 1;
  /** How fast its clock runs against the world's: 1.01 ends leases early. */
  readonly #rate: number;

  constructor(rate: number) {
    this.#rate = rate;
  }

  /** Ends leases that are due at `now` (world time). */
  tick(now: number): void {
    for (const [id, lease] of [...this.#leases]) {
      if (lease.endsAt <= now * this.#rate) this.#end(id);
    }
  }

  /** A string: an error that etcd answers with. */
  apply(request: V3Request, now: number): V3Answer | string {
    this.tick(now);
    switch (request.kind) {
      case "transaction": {
        const succeeded = request.compare.every((compare) => this.#holds(compare));
        const operations = succeeded ? request.success : request.failure;
        for (const operation of operations) {
          if (
            operation.kind === "put" && operation.lease !== undefined && !this.#leases.has(operation.lease)
          ) {
            return "requested lease not found";
          }
        }
        if (operations.some(({ kind }) => kind !== "range")) this.revision++;
        const found = new Map<string, KeyValue | null>();
        for (const operation of operations) this.#operate(operation, found);
        return { kind: "transaction", revision: this.revision, succeeded, found };
      }
      case "lease-grant": {
        const id = String(this.#nextLease++), ttlMs = request.ttlSeconds * 1000;
        this.#leases.set(id, { ttlMs, endsAt: now * this.#rate + ttlMs });
        return { kind: "lease-grant", lease: id, ttlSeconds: request.ttlSeconds };
      }
      case "lease-keep-alive": {
        const lease = this.#leases.get(request.lease);
        if (lease === undefined) return { kind: "lease-keep-alive", ttlSeconds: 0 };
        lease.endsAt = now * this.#rate + lease.ttlMs;
        return { kind: "lease-keep-alive", ttlSeconds: lease.ttlMs / 1000 };
      }
      case "lease-revoke":
        if (!this.#leases.has(request.lease)) return "requested lease not found";
        this.#end(request.lease);
        return { kind: "lease-revoke" };
      case "authenticate":
        return { kind: "authenticate", token: "model" };
      default:
        return unreachable(request);
    }
  }

  /** Changes of `key` from a revision on; null: they have been forgotten. */
  changesSince(key: string, fromRevision: number): Change[] | null {
    if (fromRevision < this.compactedBefore) return null;
    return this.history.filter((entry) => entry.key === key && entry.change.revision >= fromRevision)
      .map(({ change }) => change);
  }

  #holds(compare: V3Compare): boolean {
    const kv = this.keys.get(compare.key);
    return "createRevision" in compare
      ? (kv?.createRevision ?? 0) === compare.createRevision
      : (kv?.modRevision ?? 0) === compare.modRevision;
  }

  #operate(operation: V3Operation, found: Map<string, KeyValue | null>): void {
    const before = this.keys.get(operation.key);
    switch (operation.kind) {
      case "range":
        found.set(operation.key, before ?? null);
        return;
      case "put":
        return this.#write(operation.key, {
          key: operation.key,
          value: operation.value,
          createRevision: before?.createRevision ?? this.revision,
          modRevision: this.revision,
          lease: operation.lease ?? null,
        });
      case "delete":
        if (before !== undefined) this.#write(operation.key, null);
        return;
      default:
        return unreachable(operation);
    }
  }

  #write(key: string, value: KeyValue | null): void {
    if (value === null) this.keys.delete(key);
    else this.keys.set(key, value);
    this.history.push({ key, change: { revision: this.revision, value } });
  }

  #end(lease: string): void {
    this.#leases.delete(lease);
    const held = [...this.keys.values()].filter((kv) => kv.lease === lease);
    if (held.length === 0) return;
    this.revision++;
    for (const { key } of held) this.#write(key, null);
  }
}
