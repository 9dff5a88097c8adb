/** The two clocks: monotonic for deadlines, wall time for people. */

import type { InstantMs, WallMs } from "../core/time.ts";

/** Milliseconds since the launcher's start; never goes back. */
export function monotonicNow(): InstantMs {
  return performance.now();
}

export function wallNow(): WallMs {
  return Date.now();
}
