/**
 * What one worker has printed, for people who look at a running job: how much, when last, and the last lines. It costs
 * a few numbers and a short copy for each read, whether anybody looks or not.
 */

import type { InstantMs } from "../core/time.ts";
import { Tail } from "./tail.ts";

/** Some forty lines; for 4,096 workers 16 MiB at most. */
const RECENT_BYTES_MAX = 4096;

export class Activity {
  #bytes = 0;
  #lastAt: InstantMs | null = null;
  readonly #recent = new Tail(RECENT_BYTES_MAX);

  /** Printed so far, on both streams. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When something was printed last; null: nothing was. */
  get lastAt(): InstantMs | null {
    return this.#lastAt;
  }

  push(chunk: Uint8Array, now: InstantMs): void {
    this.#bytes += chunk.length;
    this.#lastAt = now;
    this.#recent.push(chunk);
  }

  /** The last lines of both streams, oldest first. */
  lines(linesMax: number): string[] {
    return this.#recent.lines(linesMax);
  }
}
