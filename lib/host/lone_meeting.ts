/** The meeting of a job with one node, at once and without a timer. */

import { LoneNode } from "../rendezvous/lone_node.ts";
import { monotonicNow } from "./clock.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";

export function openLoneMeeting({ plan, onNews }: Pick<MeetingParts, "plan" | "onNews">): Meeting {
  const node = new LoneNode(plan);
  return {
    request: (request) => {
      for (const news of node.request(request, monotonicNow())) onNews(news);
    },
    workerStore: null,
    close: () => Promise.resolve(),
  };
}
