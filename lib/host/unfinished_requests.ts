/** What peers have begun to send and not finished: how much of it there is, and since when. One timer for all. */

import type { InstantMs } from "../core/time.ts";

interface Begun {
  readonly deadline: InstantMs;
  /** Requests of the peer that were finished before. */
  readonly finished: number;
  bytes: number;
}

export class UnfinishedRequests<Peer> {
  readonly #limitMs: number;
  readonly #onOverdue: (peer: Peer) => void;
  /** The earliest deadline first: all have the same time. */
  readonly #begun = new Map<Peer, Begun>();
  #bytes = 0;
  /** Runs on when nothing is left to wait for: with long values there is something a moment later. */
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `onOverdue` is called for a peer that has not finished within `limitMs` what it had begun at its first note. */
  constructor(limitMs: number, onOverdue: (peer: Peer) => void) {
    this.#limitMs = limitMs;
    this.#onOverdue = onOverdue;
  }

  /** Bytes kept of all that has begun. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `peer` is inside a request of which `bytes` are kept, after so many that it has finished. */
  note(peer: Peer, bytes: number, finished: number): void {
    // Who sends one after the other may never be between two when it is looked at.
    if (this.#begun.get(peer)?.finished !== finished) this.forget(peer);
    let begun = this.#begun.get(peer);
    if (begun === undefined) {
      begun = { deadline: performance.now() + this.#limitMs, finished, bytes: 0 };
      this.#begun.set(peer, begun);
      this.#timer ??= setTimeout(() => this.#wake(), this.#limitMs);
    }
    this.#bytes += bytes - begun.bytes;
    begun.bytes = bytes;
  }

  /** `peer` is inside nothing, or gone. */
  forget(peer: Peer): void {
    if (this.#begun.size === 0) return;
    this.#bytes -= this.#begun.get(peer)?.bytes ?? 0;
    this.#begun.delete(peer);
  }

  /** Waits no more. */
  close(): void {
    this.#begun.clear();
    this.#bytes = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wake(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [peer, { deadline }] of this.#begun) {
      if (deadline > now) {
        this.#timer = setTimeout(() => this.#wake(), deadline - now);
        return;
      }
      this.forget(peer);
      this.#onOverdue(peer);
    }
  }
}
