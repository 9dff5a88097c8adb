/** The closing line of a job that was restarted or ran long: what it took, and what failures cost. */

import { durationText } from "../core/time.ts";
import type { JobEvent } from "./job_event.ts";

/** A job that ran this long is worth a line, even without restarts. */
const LONG_MS = 10 * 60_000;

/** The line; null where the job was short and ran through: its exit code says it all. */
export function jobSummary(end: JobEvent & { readonly event: "job-ended" }): string | null {
  const { attempts, durationMs, lostMs, firstWorkerMs } = end;
  if (attempts < 2 && durationMs < LONG_MS) return null;
  const parts = [`${attempts} ${attempts === 1 ? "attempt" : "attempts"} in ${durationText(durationMs)}`];
  if (lostMs > 0) parts.push(`${durationText(lostMs)} lost to failures`);
  if (firstWorkerMs !== null) parts.push(`first worker after ${durationText(firstWorkerMs)}`);
  return parts.join(", ");
}
