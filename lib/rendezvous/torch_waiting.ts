/** What a node that waits for its seat lets its agent know: told anew when something has changed. */

import { unreachable } from "../core/assert.ts";
import type { InstantMs } from "../core/time.ts";
import type { MeetingNews } from "./meeting.ts";
import type { SpareWatch } from "./spare_watch.ts";
import { hereText } from "./texts.ts";
import type { TorchRecord } from "./torch_record.ts";
import type { TorchRules, WaitCause } from "./torch_rules.ts";

export class TorchWaiting {
  readonly #rules: TorchRules;
  readonly #tell: (news: MeetingNews) => void;
  readonly #spare: SpareWatch;
  /** As a clause: "for nodes: 1 of 2 is here (a)"; empty: it does not wait. */
  text = "";
  /** What the node waits for; null: it does not wait, or nobody said for what. */
  cause: WaitCause | null = null;
  #lastCallUntil: InstantMs | null = null;

  constructor(rules: TorchRules, spare: SpareWatch, tell: (news: MeetingNews) => void) {
    this.#rules = rules;
    this.#spare = spare;
    this.#tell = tell;
  }

  /** `until`: when the join time is over; undefined: it has no end. */
  update(record: TorchRecord, cause: WaitCause, until: InstantMs | undefined, now: InstantMs): void {
    const { nodesMin, nodesMax, lastCallMs } = this.#rules;
    const text = waitingText(cause, record, this.#rules);
    if (cause === "free-seat") this.#spare.watch(record);
    // Who comes later does not make it longer.
    this.#lastCallUntil = cause === "last-call" ? this.#lastCallUntil ?? now + lastCallMs : null;
    const isNews = text !== this.text || cause !== this.cause;
    this.cause = cause;
    if (!isNews) return;
    this.text = text;
    const end = this.#lastCallUntil ?? until;
    const leftMs = end === undefined ? null : Math.max(0, end - now);
    const waiting = { text, present: record.participants.size, min: nodesMin, max: nodesMax, leftMs };
    this.#tell({ kind: "waiting", waiting });
  }

  end(): void {
    if (this.text !== "") this.#tell({ kind: "waiting", waiting: null });
    this.text = "";
    this.cause = null;
    this.#lastCallUntil = null;
    this.#spare.stop();
  }
}

function waitingText(cause: WaitCause, { participants, nodes }: TorchRecord, rules: TorchRules): string {
  switch (cause) {
    case "nodes":
    case "last-call": {
      const names = [...participants.keys()].map((name) => nodes.get(name)?.address ?? name);
      return hereText(participants.size, names, rules);
    }
    case "next-round":
      return "for the others to begin the next round";
    case "free-seat":
      return "for a free seat";
    default:
      return unreachable(cause);
  }
}
