/**
 * A node's way out of the shared record, its outcome decided: it closes the job for everybody, takes itself out, or does
 * so in a way that the others notice. Nothing of it is worth more than a short time: the outcome stands.
 */

import { assertDefined } from "../core/assert.ts";
import { Deadlines, type InstantMs } from "../core/time.ts";
import type { JobOutcome } from "./meeting.ts";
import type { RecordLoop } from "./record_loop.ts";
import type { TorchRecord } from "./torch_record.ts";
import type { TorchDecision } from "./torch_rules.ts";

export type DepartureWay = "close" | "break-up" | "leave" | "hand-over";

/**
 * How long a node that hands over stays on the wait list: torchrun's agents look there every second, and begin another
 * round when somebody is on it. They look for nothing else.
 */
const NUDGE_MS = 2500;

export class Departure {
  readonly #loop: RecordLoop;
  readonly #end: (outcome: JobOutcome) => void;
  readonly #deadlines = new Deadlines<"nudge" | "limit">();
  #outcome: JobOutcome | null = null;

  constructor(loop: RecordLoop, end: (outcome: JobOutcome) => void) {
    this.#loop = loop;
    this.#end = end;
  }

  begin(way: DepartureWay, outcome: JobOutcome, limitMs: number, now: InstantMs): void {
    this.#outcome = outcome;
    this.#loop.wish = way;
    if (way === "hand-over") this.#deadlines.set("nudge", now + NUDGE_MS);
    this.#deadlines.set("limit", now + limitMs);
    this.#loop.poke();
  }

  nextWakeup(): InstantMs | undefined {
    return this.#deadlines.next();
  }

  wake(now: InstantMs): void {
    for (const name of this.#deadlines.takeDue(now)) {
      if (name === "limit") return this.conclude();
      this.#leave();
    }
  }

  seen(record: TorchRecord, decision: TorchDecision): void {
    if (decision.kind !== "done") return;
    if (this.#loop.wish !== "hand-over") return this.conclude();
    const isNoticed = !record.isComplete || record.round !== this.#loop.lastRound;
    if (isNoticed) this.#leave();
  }

  /** Nothing more can be done, or has to be. */
  conclude(): void {
    this.#end(assertDefined(this.#outcome));
  }

  stop(): void {
    for (const name of ["nudge", "limit"] as const) this.#deadlines.clear(name);
  }

  #leave(): void {
    this.#deadlines.clear("nudge");
    this.#loop.wish = "leave";
    this.#loop.poke();
  }
}
