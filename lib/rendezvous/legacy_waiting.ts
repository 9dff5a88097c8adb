/** What a node that waits for its seat lets its agent know: told anew when it has changed. */

import type { InstantMs } from "../core/time.ts";
import type { LegacySize, LegacyState } from "./legacy_state.ts";
import type { Waiting } from "./meeting.ts";

export class LegacyWaiting {
  readonly #size: LegacySize;
  readonly #tell: (waiting: Waiting | null) => void;
  /** A clause: "for 2 more nodes"; empty: it does not wait. */
  text = "";

  constructor(size: LegacySize, tell: (waiting: Waiting | null) => void) {
    this.#size = size;
    this.#tell = tell;
  }

  /** `until`: when the wait is over; undefined: it has no end. */
  update(state: LegacyState, until: InstantMs | undefined, now: InstantMs): void {
    const { nodesMin: min, nodesMax: max } = this.#size;
    const present = state.participants.length;
    const text = waitingText(state, min - present);
    if (text === this.text) return;
    this.text = text;
    this.#tell({ text, present, min, max, leftMs: until === undefined ? null : Math.max(0, until - now) });
  }

  end(): void {
    if (this.text !== "") this.#tell(null);
    this.text = "";
  }
}

function waitingText({ status }: LegacyState, missing: number): string {
  if (status === "final") return "for the others to begin the next round";
  if (missing > 0) return missing === 1 ? "for 1 more node" : `for ${missing} more nodes`;
  return "for more nodes, as the last call";
}
