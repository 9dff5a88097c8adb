/** What a node that waits for its seat lets its agent know: told anew when something has changed. */

import { unreachable } from "../core/assert.ts";
import type { InstantMs } from "../core/time.ts";
import type { Waiting } from "./meeting.ts";
import type { TorchRecord } from "./torch_record.ts";
import type { TorchRules, WaitCause } from "./torch_rules.ts";

export class TorchWaiting {
  readonly #rules: TorchRules;
  readonly #tell: (waiting: Waiting | null) => void;
  #told = "";
  /** What the node waits for; null: it does not wait, or nobody said for what. */
  cause: WaitCause | null = null;

  constructor(rules: TorchRules, tell: (waiting: Waiting | null) => void) {
    this.#rules = rules;
    this.#tell = tell;
  }

  /** As a clause: "for 2 more nodes"; empty: it does not wait. */
  get text(): string {
    return this.#told.replace(/ [^ ]*$/, "");
  }

  /** `until`: when the join time is over; undefined: it has no end. */
  update(record: TorchRecord, cause: WaitCause, until: InstantMs | undefined, now: InstantMs): void {
    const { nodesMin, nodesMax, lastCallMs } = this.#rules;
    const present = record.participants.size;
    const text = waitingText(cause, nodesMin - present);
    this.cause = cause;
    const told = `${text} ${present}`;
    if (told === this.#told) return;
    this.#told = told;
    const leftMs = cause === "last-call" ? lastCallMs : until === undefined ? null : until - now;
    this.#tell({ text, present, min: nodesMin, max: nodesMax, leftMs });
  }

  end(): void {
    if (this.#told !== "") this.#tell(null);
    this.#told = "";
    this.cause = null;
  }
}

function waitingText(cause: WaitCause, missing: number): string {
  switch (cause) {
    case "nodes":
      return missing === 1 ? "for 1 more node" : `for ${missing} more nodes`;
    case "last-call":
      return "for more nodes, as the last call";
    case "next-round":
      return "for the others to begin the next round";
    case "free-seat":
      return "for a free seat";
    default:
      return unreachable(cause);
  }
}
