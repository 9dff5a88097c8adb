/** The end of a job: every node is told, and its host leaves last. */

import { assert } from "../core/assert.ts";
import type { InstantMs } from "../core/time.ts";
import type { CoordinatorEffect } from "./coordinator_events.ts";
import type { JobOutcome } from "./meeting.ts";
import type { Members } from "./members.ts";

/** How long the host stays for nodes that do not take the job's end. */
const FAREWELL_MS = 5_000;

export class Farewell {
  readonly #members: Members;
  readonly #selfId: string;
  #outcome: JobOutcome | null = null;
  #scope: "all" | "self" = "all";
  #isClosed = false;
  #leaveAt: InstantMs | undefined;

  constructor(members: Members, selfId: string) {
    this.#members = members;
    this.#selfId = selfId;
  }

  get hasBegun(): boolean {
    return this.#outcome !== null;
  }

  nextWakeup(): InstantMs | undefined {
    return this.#leaveAt;
  }

  /** `self`: only this node leaves; the others are sent away to go on under another host. */
  begin(outcome: JobOutcome, scope: "all" | "self", now: InstantMs): CoordinatorEffect[] {
    assert(this.#outcome === null, "A job ends once");
    this.#outcome = outcome;
    this.#scope = scope;
    const others = this.#members.ids.filter((nodeId) => nodeId !== this.#selfId);
    const effects = others.flatMap((nodeId): CoordinatorEffect[] =>
      scope === "all" ? sendAway(nodeId, outcome) : [{ kind: "dismiss", nodeId }]
    );
    this.#leaveAt = now + FAREWELL_MS;
    return [...effects, ...this.closeWhenAlone()];
  }

  /** For a node that comes now. Of a host that leaves the job it hears nothing, and looks on once the host is gone. */
  greet(nodeId: string): CoordinatorEffect[] {
    return this.#outcome === null || this.#scope === "self" ? [] : sendAway(nodeId, this.#outcome);
  }

  closeWhenAlone(): CoordinatorEffect[] {
    const isAlone = this.#members.ids.every((nodeId) => nodeId === this.#selfId);
    return isAlone && this.#outcome !== null ? this.#close(this.#outcome) : [];
  }

  wake(now: InstantMs): CoordinatorEffect[] {
    const isDue = this.#leaveAt !== undefined && this.#leaveAt <= now;
    return isDue && this.#outcome !== null ? this.#close(this.#outcome) : [];
  }

  #close(outcome: JobOutcome): CoordinatorEffect[] {
    if (this.#isClosed) return [];
    this.#isClosed = true;
    this.#leaveAt = undefined;
    return [{ kind: "tell", nodeId: this.#selfId, message: { kind: "job-over", outcome } }];
  }
}

/** Tells a node its outcome and ends its session. */
export function sendAway(nodeId: string, outcome: JobOutcome): CoordinatorEffect[] {
  return [
    { kind: "tell", nodeId, message: { kind: "job-over", outcome } },
    { kind: "dismiss", nodeId },
  ];
}
