/**
 * Whether the other side of a connection is still there, how far away it is, and what its clock shows. Each side relies
 * on its own pings being answered, so that the two need no common interval; any byte counts as a sign of life.
 */

import { assert } from "../core/assert.ts";
import type { InstantMs } from "../core/time.ts";

export interface HeartbeatSettings {
  /** Between two pings. */
  readonly intervalMs: number;
  /** Without a sign of life for this long the other side counts as lost; at least two intervals. */
  readonly silenceMs: number;
}

/** The other side's monotonic clock against ours. */
export interface ClockEstimate {
  /** What to add to an instant of ours to get theirs. */
  readonly offsetMs: number;
  /** The true offset is at most this far away: half the round trip of the measurement. */
  readonly errorMs: number;
}

/**
 * A wake-up that comes this much late shows that we did not run (stopped, swapped out, a paused machine): what was
 * due meanwhile says nothing about the others, whose bytes may lie unread.
 */
export const OVERSLEPT_MS = 250;

/** Measurements of which the best counts: few enough that clocks do not drift apart meanwhile. */
const ESTIMATES_KEPT = 8;
/** A ping that is due within this part of the interval is sent now, so that those of many sessions go out together. */
const EARLY_PART = 1 / 8;

export class Heartbeat {
  readonly #settings: HeartbeatSettings;
  #heardAt: InstantMs = 0;
  #pingAt: InstantMs = 0;
  #pingId = 0;
  /** When the ping that was not answered yet was sent. */
  #openSince: InstantMs | undefined;
  #provedAt: InstantMs = -Infinity;
  #estimates: ClockEstimate[] = [];

  constructor(settings: HeartbeatSettings) {
    const { intervalMs, silenceMs } = settings;
    assert(
      intervalMs > 0 && silenceMs >= 2 * intervalMs,
      "Silence must last two intervals to mean something",
    );
    this.#settings = settings;
  }

  /** The best of the last measurements; null: there is none. */
  get clock(): ClockEstimate | null {
    let best: ClockEstimate | null = null;
    for (const estimate of this.#estimates) {
      if (best === null || estimate.errorMs <= best.errorMs) best = estimate;
    }
    return best;
  }

  /** The other side kept the session at this instant or later: when the last ping that it answered was sent. */
  get provedAt(): InstantMs {
    return this.#provedAt;
  }

  /** A connection begins. */
  start(now: InstantMs): void {
    this.#heardAt = now;
    this.#pingAt = now;
    this.#openSince = undefined;
  }

  /** A sign of life. */
  heard(now: InstantMs): void {
    this.#heardAt = now;
  }

  /** A ping was answered; `theirs`: what the other side's clock showed. */
  answered(id: number, theirs: InstantMs, now: InstantMs): void {
    if (this.#openSince === undefined || id !== this.#pingId) return;
    this.#provedAt = this.#openSince;
    const roundTripMs = now - this.#openSince;
    this.#openSince = undefined;
    this.#estimates.push({ offsetMs: theirs - (now - roundTripMs / 2), errorMs: roundTripMs / 2 });
    if (this.#estimates.length > ESTIMATES_KEPT) this.#estimates.shift();
  }

  /** What is due: a ping with this id, or to give the other side up, or nothing. */
  wake(now: InstantMs): { readonly kind: "ping"; readonly id: number } | { readonly kind: "silent" } | null {
    const { intervalMs, silenceMs } = this.#settings;
    if (now - this.nextWakeup() > OVERSLEPT_MS) {
      this.#heardAt = Math.max(this.#heardAt, now + intervalMs - silenceMs);
    }
    if (now >= this.#heardAt + silenceMs) return { kind: "silent" };
    if (this.#openSince !== undefined || now + intervalMs * EARLY_PART < this.#pingAt) return null;
    this.#pingId = (this.#pingId + 1) >>> 0;
    this.#pingAt = now + intervalMs;
    this.#openSince = now;
    return { kind: "ping", id: this.#pingId };
  }

  nextWakeup(): InstantMs {
    const silentAt = this.#heardAt + this.#settings.silenceMs;
    return this.#openSince === undefined ? Math.min(this.#pingAt, silentAt) : silentAt;
  }
}
