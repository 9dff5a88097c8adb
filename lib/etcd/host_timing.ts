/** When the host renews its lease, when it must count it as lost, and how long one member of etcd may take. */

import type { Prng } from "../core/prng.ts";
import type { InstantMs } from "../core/time.ts";

/** A lease of etcd's as we know it. */
export interface Lease {
  readonly id: string;
  /** As granted, which may be more than was asked for. */
  readonly ttlMs: number;
  /** By our clock, from before the last request that was answered: etcd's own end is never before it. */
  validUntil: InstantMs;
}

/** Renewals in the time of a lease: enough for two that fail before the owner is deposed. */
const RENEWALS = 5;
/**
 * A member is given up after this part of a lease; others are asked beside it long before (`etcd_cluster.ts`).
 */
const ATTEMPTS = 6;
const ATTEMPT_MS_MIN = 200;
const ATTEMPT_MS_MAX = 3000;

/** A view of the host key is taken anew after this many times of a lease, should a watch have gone silent. */
export const LOOK_AGAIN_LEASES = 2;

/** From then on the owner has a third of the lease left to end its world. */
export function deposeAt(lease: Lease): InstantMs {
  return lease.validUntil - lease.ttlMs / 3;
}

/** Of the time that a deposed host has, so much is for its workers' own end; the rest is for killing them. */
const LIFE_SHARE = 3 / 4;

/** How long the workers of a host that is deposed at `now` may live: they are gone before the lease can have ended. */
export function lifeAfterMs(lease: Lease, now: InstantMs): number {
  return Math.max(0, (lease.validUntil - now) * LIFE_SHARE);
}

/** The same for the workers of a node that has lost its host, which may just have been deposed. */
export function orphanMs(ttlMs: number): number {
  return ttlMs / 3 * LIFE_SHARE;
}

export function renewEveryMs(lease: Lease): number {
  return lease.ttlMs / RENEWALS;
}

export function attemptMs(ttlMs: number): number {
  return Math.min(ATTEMPT_MS_MAX, Math.max(ATTEMPT_MS_MIN, ttlMs / ATTEMPTS));
}

/** How long to wait after the `failures`-th failure in a row: growing, and a little different for each agent. */
export function backoffMs(failures: number, ttlMs: number, prng: Prng): number {
  const most = Math.min(2000, ttlMs / RENEWALS);
  const delay = Math.min(most, 50 * 2 ** Math.min(failures, 10));
  return delay / 2 + prng.below(Math.max(1, Math.ceil(delay / 2)));
}
