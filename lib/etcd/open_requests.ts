/** What an election has asked of etcd and not heard of yet, by what it was for. */

import type { InstantMs } from "../core/time.ts";
import type { DeparturePurpose } from "./host_departure.ts";
import type { RecordPurpose } from "./record_keeper.ts";

export type Purpose = "look" | "grant" | "take" | "renew" | "revoke" | RecordPurpose | DeparturePurpose;

/** What is between a host and etcd, and means nothing once it is deposed. */
const OF_A_REIGN: readonly Purpose[] = ["renew", "save", "grant-record", "keep-record"];

interface OpenRequest {
  readonly purpose: Purpose;
  readonly sentAt: InstantMs;
}

export class OpenRequests {
  readonly #open = new Map<number, OpenRequest>();
  #nextId = 1;

  /** The number by which its answer will name it. */
  add(purpose: Purpose, sentAt: InstantMs): number {
    const id = this.#nextId++;
    this.#open.set(id, { purpose, sentAt });
    return id;
  }

  /** Undefined: nobody waits for it any more. */
  take(id: number): OpenRequest | undefined {
    const open = this.#open.get(id);
    this.#open.delete(id);
    return open;
  }

  has(purpose: Purpose): boolean {
    return this.#open.values().some((open) => open.purpose === purpose);
  }

  forgetReign(): void {
    for (const [id, { purpose }] of this.#open) if (OF_A_REIGN.includes(purpose)) this.#open.delete(id);
  }

  forgetAll(): void {
    this.#open.clear();
  }
}
