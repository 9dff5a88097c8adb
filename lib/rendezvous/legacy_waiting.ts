/** What a node that waits for its seat lets its agent know: told anew when it has changed. */

import type { InstantMs } from "../core/time.ts";
import type { LegacySize, LegacyState } from "./legacy_state.ts";
import type { Waiting } from "./meeting.ts";
import { hereText } from "./texts.ts";

export class LegacyWaiting {
  readonly #size: LegacySize;
  readonly #tell: (waiting: Waiting | null) => void;
  /** A clause: "for nodes: 1 of 2 is here"; empty: it does not wait. */
  text = "";

  constructor(size: LegacySize, tell: (waiting: Waiting | null) => void) {
    this.#size = size;
    this.#tell = tell;
  }

  /** `until`: when the wait is over; undefined: it has no end. */
  update(state: LegacyState, until: InstantMs | undefined, now: InstantMs): void {
    const { nodesMin: min, nodesMax: max } = this.#size;
    const present = state.participants.length;
    const text = waitingText(state, this.#size);
    if (text === this.text) return;
    this.text = text;
    this.#tell({ text, present, min, max, leftMs: until === undefined ? null : Math.max(0, until - now) });
  }

  end(): void {
    if (this.text !== "") this.#tell(null);
    this.text = "";
  }
}

function waitingText({ status, participants }: LegacyState, size: LegacySize): string {
  // Nobody's name is known: nodes are numbers there.
  if (status === "final") return "for the others to begin the next round";
  if (status === "joinable") return hereText(participants.length, [], size);
  return "for those who have joined the round to confirm it";
}
