import { assertEquals } from "@std/assert";
import { jobSummary } from "../../lib/agent/job_summary.ts";
import { OK } from "./played_job.ts";
import { recordedJob, restartedJob } from "./recorded.ts";

Deno.test("jobSummary() says what failures cost, and nothing of a short job without any", () => {
  const restarted = restartedJob();
  restarted.end(63_000, 0, OK);
  restarted.end(63_000, 1, OK);
  assertEquals(
    jobSummary(restarted.of("job-ended")[0]!),
    "2 attempts in 1 min 3 s, 500 ms lost to failures, first worker after 50 ms",
  );
  const play = (lengthMs: number) => {
    const job = recordedJob();
    job.tell(20, { kind: "start" });
    job.end(lengthMs, 0, OK);
    job.end(lengthMs, 1, OK);
    return jobSummary(job.of("job-ended")[0]!);
  };
  assertEquals(play(60_000), null);
  assertEquals(play(7_200_000), "1 attempt in 2 h, first worker after 20 ms");
});
