/** Events files for the report's tests, made as a launcher makes them. */

import { eventLine, type JobEvent } from "../../lib/agent/job_event.ts";
import { failedWith, killedBy, OK } from "../agent/played_job.ts";
import { recordedJob } from "../agent/recorded.ts";

export const linesOf = (events: readonly JobEvent[]): string => events.map(eventLine).join("");

/** Rank 1 fails after a minute; all are started again, and end well half an hour later. */
export function restartedEvents(workerCount: number): JobEvent[] {
  const job = recordedJob({ workerCount, maxRestarts: 1, jobId: "llm-7b" });
  job.tell(80, { kind: "start" });
  job.end(60_000, 1, failedWith(3));
  for (let rank = 0; rank < workerCount; rank++) if (rank !== 1) job.end(65_000, rank, killedBy("SIGTERM"));
  for (let rank = 0; rank < workerCount; rank++) job.end(1_800_000 + rank, rank, OK);
  return job.events;
}
