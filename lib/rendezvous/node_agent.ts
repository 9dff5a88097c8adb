/** Where the agent of a node stands whose host may change, so that a new host can take it up there. */

import type { MeetingNews, MeetingRequest } from "./meeting.ts";

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "joined" }
  /** It has workers, or is ending them (`isTold`). `isLost`: nobody is left who wants to know of that. */
  | { readonly kind: "in-round"; readonly round: number; readonly isTold: boolean; readonly isLost: boolean }
  /** It has told the host that nothing of the round is alive, and waits to hear what comes next. */
  | { readonly kind: "cleared" };

export class NodeAgent {
  #state: State = { kind: "idle" };
  #wasSeated = false;

  get kind(): State["kind"] {
    return this.#state.kind;
  }

  /** The round of which it may have workers; null: it has none. */
  get round(): number | null {
    return this.#state.kind === "in-round" ? this.#state.round : null;
  }

  /** It has had a seat in some round. */
  get wasSeated(): boolean {
    return this.#wasSeated;
  }

  /** True: it has cleared a round of which nobody wants to know any more. */
  asks(request: MeetingRequest): boolean {
    const wasLost = this.#state.kind === "in-round" && this.#state.isLost;
    if (request.kind === "join") this.#state = { kind: "joined" };
    else if (request.kind === "cleared") this.#state = { kind: "cleared" };
    return request.kind === "cleared" && wasLost;
  }

  told(news: MeetingNews): void {
    if (news.kind === "round") {
      this.#state = { kind: "in-round", round: news.seat.round, isTold: false, isLost: false };
      this.#wasSeated = true;
    } else if (news.kind === "round-over" && this.#state.kind === "in-round") {
      this.#state = { ...this.#state, isTold: true };
    } else if (news.kind === "go-on") this.#state = { kind: "idle" };
  }

  /** Its round has no host any more. Returns the round if the agent is still to be told; null: it knows, or has none. */
  lose(): number | null {
    if (this.#state.kind !== "in-round" || this.#state.isLost) return null;
    this.#state = { ...this.#state, isLost: true };
    return this.#state.isTold ? null : this.#state.round;
  }
}
