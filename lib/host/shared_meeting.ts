/**
 * The meeting of a node with torchrun's agents, as the launch sees it: `TorchMeeting` on a store that they share. Rounds
 * and restarts are counted on from those that the job had before torchrun's agents came.
 */

import type { LaunchPlan, MeetingPlan } from "../options/launch_plan.ts";
import type { MeetingNews, MeetingRequest } from "../rendezvous/meeting.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";
import type { SharedStore } from "./shared_store.ts";
import { type MeetingLink, startTorchMeeting, startTorchStaticMeeting } from "./torch_meeting_link.ts";
import { torchMeetingOptions, torchStaticOptions } from "./torch_setup.ts";

export interface SharedParts extends MeetingParts {
  readonly plan: LaunchPlan;
  readonly meeting: MeetingPlan;
  readonly store: SharedStore;
  /** Where the others reach this node. */
  readonly address: string;
  readonly claimMs: number;
  /** What the job had before: its rounds and its restarts. */
  readonly before: { readonly rounds: number; readonly restarts: number };
}

export class SharedMeeting implements Meeting {
  readonly workerStore = null;
  readonly #parts: SharedParts;
  readonly #link: MeetingLink;
  /** The job ended well: who shares a store with others lets them see that. */
  #hasSucceeded = false;

  constructor(parts: SharedParts) {
    const { plan, meeting, address, claimMs, before, store, say } = parts;
    this.#parts = parts;
    const callbacks = { onNews: (news: MeetingNews) => this.#onNews(news), onSay: say };
    if (meeting.backend === "static") {
      const options = torchStaticOptions(plan, meeting, before.restarts);
      this.#link = startTorchStaticMeeting(options, store, callbacks);
    } else {
      const options = torchMeetingOptions(plan, meeting, { address, restarts: before.restarts, claimMs });
      this.#link = startTorchMeeting(options, store, callbacks);
    }
  }

  get hasSucceeded(): boolean {
    return this.#hasSucceeded;
  }

  request(request: MeetingRequest): void {
    if (!("round" in request)) return this.#link.request(request);
    const round = request.round - this.#parts.before.rounds;
    // Of a round before.
    if (round < 0) return;
    if (request.kind !== "store-served") return this.#link.request({ ...request, round });
    const { store } = request;
    const address = store.address === "" ? this.#parts.address : store.address;
    this.#link.request({ ...request, round, store: { ...store, address } });
  }

  close(): Promise<void> {
    this.#link.close();
    return Promise.resolve();
  }

  #onNews(news: MeetingNews): void {
    const { before: { rounds, restarts }, onNews } = this.#parts;
    switch (news.kind) {
      case "serve-store":
      case "round-over":
        return onNews({ ...news, round: news.round + rounds });
      case "round": {
        const { seat } = news;
        const restartCount = seat.restartCount + restarts;
        return onNews({ ...news, seat: { ...seat, round: seat.round + rounds, restartCount } });
      }
      case "job-over":
        this.#hasSucceeded = news.outcome.code === 0;
        return onNews(news);
      default:
        return onNews(news);
    }
  }
}
