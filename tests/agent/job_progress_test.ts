import { assertEquals } from "@std/assert";
import { eventLine, parseEventLine } from "../../lib/agent/job_event.ts";
import { JobProgress } from "../../lib/agent/job_progress.ts";
import { failedWith } from "./played_job.ts";
import { recordedJob, restartedJob } from "./recorded.ts";

Deno.test("JobProgress shows the attempt that runs, and what the ones before it cost", () => {
  const { progress } = restartedJob();
  assertEquals([progress.phase, progress.attempt, progress.round, progress.up], ["running", 1, 1, 2]);
  assertEquals([progress.lostMs, progress.firstWorkerMs, progress.lastRootCause?.rank], [500, 50, 1]);
  assertEquals(progress.workers.map(({ pid, ending }) => [pid, ending]), [[102, null], [103, null]]);
});

Deno.test("JobProgress knows who ended how while the others are being stopped", () => {
  const job = recordedJob();
  job.tell(0, { kind: "start" });
  job.end(100, 1, failedWith(9));
  assertEquals([job.progress.phase, job.progress.cause, job.progress.up], [
    "stopping",
    "rank 1: exit code 9",
    1,
  ]);
  assertEquals(job.progress.workers.map(({ stage, ending }) => [stage, ending]), [
    ["running", null],
    ["failed", "exit code 9"],
  ]);
});

Deno.test("JobProgress comes out the same from a file's lines", () => {
  const job = restartedJob();
  const read = new JobProgress();
  for (const event of job.events) read.apply(parseEventLine(eventLine(event))!);
  assertEquals(read, job.progress);
});
