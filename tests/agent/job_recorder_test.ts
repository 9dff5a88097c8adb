import { assertEquals } from "@std/assert";
import type { MeetingNews } from "../../lib/rendezvous/meeting.ts";
import { failedWith, killedBy, OK } from "./played_job.ts";
import { recordedJob, restartedJob } from "./recorded.ts";

Deno.test("JobRecorder tells a good job from its start to its end, with durations", () => {
  const job = recordedJob();
  job.tell(50, { kind: "start" });
  job.end(1_000, 1, OK);
  job.end(1_500, 0, OK);
  assertEquals(job.events.map(({ event, elapsedMs }) => `${elapsedMs} ${event}`), [
    "50 job-started",
    "50 store-opened",
    "50 round-formed",
    "50 worker-started",
    "50 worker-started",
    "50 workers-running",
    "1000 worker-ended",
    "1500 worker-ended",
    "1500 attempt-ended",
    "1500 job-ended",
  ]);
  assertEquals(job.of("worker-ended").map(({ rank, outcome, durationMs }) => [rank, outcome, durationMs]), [
    [1, "succeeded", 950],
    [0, "succeeded", 1450],
  ]);
  const [end] = job.of("job-ended");
  assertEquals([end?.outcome, end?.attempts, end?.lostMs, end?.firstWorkerMs], ["succeeded", 1, 0, 50]);
});

Deno.test("JobRecorder names the cause of each stop and of the restart, and counts the time that it cost", () => {
  const job = restartedJob();
  assertEquals(job.of("worker-ended").map(({ rank, outcome, cause }) => [rank, outcome, cause]), [
    [1, "failed", null],
    [0, "stopped", "rank 1 failed: exit code 3"],
  ]);
  assertEquals(job.of("signal-sent").map(({ signal, ranks, cause }) => [signal, ranks, cause]), [
    ["SIGTERM", "0", "rank 1 failed: exit code 3"],
  ]);
  assertEquals(job.of("attempt-ended").map(({ outcome, durationMs }) => [outcome, durationMs]), [[
    "failed",
    2450,
  ]]);
  assertEquals(job.of("restart").map(({ nextAttempt, cause }) => [nextAttempt, cause.split(":")[0]]), [[
    1,
    "rank 1",
  ]]);
  assertEquals(job.of("workers-running").map(({ lostMs }) => lostMs), [null, 500]);
  job.end(9_000, 0, failedWith(1));
  job.end(9_100, 1, killedBy("SIGTERM"));
  const [end] = job.of("job-ended");
  assertEquals([end?.outcome, end?.attempts, end?.lostMs, end?.attempt, end?.round], [
    "failed",
    2,
    600,
    1,
    1,
  ]);
});

Deno.test("JobRecorder tells a stop from a second press, a doubled one and a signal that is passed on", () => {
  const job = recordedJob({ forwardSignals: ["SIGUSR1"] });
  job.tell(0, { kind: "start" });
  job.tell(100, { kind: "signal", signal: "SIGUSR1" });
  job.tell(200, { kind: "signal", signal: "SIGTERM" });
  job.tell(210, { kind: "signal", signal: "SIGTERM" });
  job.tell(900, { kind: "signal", signal: "SIGTERM" });
  job.end(950, 0, killedBy("SIGTERM"));
  job.end(950, 1, { kind: "signalled", signal: "SIGKILL" });
  assertEquals(job.of("signal-received").map(({ action, elapsedMs }) => [action, elapsedMs]), [
    ["forward", 100],
    ["stop", 200],
    ["again", 900],
  ]);
  assertEquals(
    job.of("signal-sent").map(({ signal, target, ranks, cause }) => [signal, target, ranks, cause]),
    [
      ["SIGUSR1", "worker", "0-1", "passed on"],
      ["SIGTERM", "worker", "0-1", "SIGTERM received"],
      ["SIGKILL", "group", "0-1", "SIGTERM received"],
    ],
  );
  assertEquals(job.of("worker-ended").map(({ outcome, cause }) => [outcome, cause]), [
    ["stopped", "SIGTERM received"],
    ["stopped", "SIGTERM received"],
  ]);
  const [end] = job.of("job-ended");
  assertEquals([end?.outcome, end?.exitCode], ["stopped", 143]);
});

Deno.test("JobRecorder ends a job that could not be started with the reason", () => {
  const refused = recordedJob({}, {}, { storeOpens: false });
  refused.tell(0, { kind: "start" });
  refused.tell(0, { kind: "not-possible", reason: "port 29500 is in use" });
  const [end] = refused.of("job-ended");
  assertEquals([end?.outcome, end?.cause, end?.attempts, end?.firstWorkerMs], [
    "failed",
    "port 29500 is in use",
    0,
    null,
  ]);
  assertEquals(refused.of("message").map(({ level, text }) => [level, text]), [[
    "error",
    "port 29500 is in use",
  ]]);
});

Deno.test("JobRecorder signals thousands of workers in one line", () => {
  const job = recordedJob({ workerCount: 4096 });
  job.tell(0, { kind: "start" });
  job.end(100, 2000, failedWith(1));
  assertEquals(job.of("signal-sent").map(({ ranks }) => ranks), ["0-1999,2001-4095"]);
});

Deno.test("JobRecorder tells of a round that ends elsewhere, and of what it waits for", () => {
  const job = recordedJob();
  const news = (at: number, news: MeetingNews) => job.tell(at, { kind: "news", news, verdict: null });
  const waiting = (text: string, leftMs: number): MeetingNews => ({
    kind: "waiting",
    waiting: { text, present: 1, min: 2, max: 2, leftMs },
  });
  news(0, waiting("for nodes: 1 of 2 is here", 900));
  news(100, waiting("for nodes: 1 of 2 is here", 800));
  assertEquals(job.of("waiting").map(({ text, leftMs }) => [text, leftMs]), [[
    "for nodes: 1 of 2 is here",
    900,
  ]]);
  job.tell(200, { kind: "start" });
  news(1_000, { kind: "round-over", round: 0, text: "Node b was lost", needsReport: false });
  assertEquals([job.progress.phase, job.progress.cause], ["stopping", "Node b was lost"]);
  job.end(1_500, 0, killedBy("SIGTERM"));
  job.end(1_500, 1, killedBy("SIGTERM"));
  assertEquals(job.of("round-over").map(({ cause }) => cause), ["Node b was lost"]);
  assertEquals(job.of("signal-sent").map(({ ranks, cause }) => [ranks, cause]), [["0-1", "Node b was lost"]]);
  assertEquals(job.of("attempt-ended").map(({ outcome, cause }) => [outcome, cause]), [[
    "stopped",
    "Node b was lost",
  ]]);
});
