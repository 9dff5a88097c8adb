/** judgeJob() over several nodes; report_test.ts has what concerns one. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JobFacts } from "../../lib/agent/job_facts.ts";
import { judgeJob } from "../../lib/agent/report.ts";
import { verdictText } from "../../lib/agent/report_text.ts";
import { stoppedWorker } from "./attempts.ts";
import { endedAfter, lostNode, nodeReport, reported } from "./node_reports.ts";
import { sampleLines } from "./samples.ts";

const LOST_PEER = { tail: sampleLines("peer_raises") };
const OWN = { tail: sampleLines("plain_exception") };
const TIMED_OUT = { tail: sampleLines("peer_is_late") };

const textOf = (job: JobFacts) =>
  verdictText(judgeJob(job), { width: 100, colour: false, utcOffsetMinutes: 0 });

Deno.test("judgeJob() shows one block for the whole job: cause, why, and the others by kind", () => {
  const job: JobFacts = {
    nodes: [
      reported(nodeReport(1, [endedAfter(2, 2000, OWN), stoppedWorker(3)]), 3),
      reported(nodeReport(0, [endedAfter(0, 1500, LOST_PEER), endedAfter(1, 3200)])),
    ],
    lost: [lostNode(2, { lastHeard: 4000, noticed: 9000, reason: "no sign of life for 5 s" })],
  };
  assertEquals(
    textOf(job),
    `\
============================================================
train.py FAILED
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-23_21:49:22
  host      : node-1
  rank      : 2 (local_rank: 2)
  exitcode  : 1 (pid: 4002)
  error_file: <N/A>
  cause     : ValueError: the learning rate must be positive: got -1
  ran       : 2 s, in attempt 0
  why       : the next to fail by itself, rank 1 on node-0, did so 1.2 s later (± 5 ms); rank 0
              ended before it, but of what a lost peer leaves behind
${sampleTraceback()}
------------------------------------------------------------
Failures:
[1]:
  time      : 2026-11-23_21:49:23
  host      : node-0
  rank      : 1 (local_rank: 1)
  exitcode  : 1 (pid: 4001)
  error_file: <N/A>
  cause     : ended itself with exit code 1 and printed nothing on stderr
------------------------------------------------------------
What followed:
  rank 0 failed as a consequence: the connection to a peer broke
  rank 3 was stopped by muster (SIGTERM)
  ranks 4-5 were lost with node node-2: no sign of life for 5 s
============================================================
`,
  );
});

function sampleTraceback(): string {
  const lines = sampleLines("plain_exception");
  const start = lines.findIndex((line) => line.startsWith("Traceback"));
  return lines.slice(start).map((line, index) => (index === 0 ? `  traceback : ${line}` : `  ${line}`)).join(
    "\n",
  );
}

Deno.test("judgeJob() blames a node that was lost before anybody failed", () => {
  const job = {
    nodes: [reported(nodeReport(0, [endedAfter(0, 2100, LOST_PEER), stoppedWorker(1)]))],
    lost: [lostNode(1)],
  };
  const { rootCause, lostFirst, consequences } = judgeJob(job);
  assertEquals([rootCause, lostFirst?.host, consequences.length], [null, "node-1", 1]);
  const text = textOf(job);
  assertStringIncludes(text, "  host      : node-1\n");
  assertStringIncludes(text, "the node was lost with ranks 2-3: its connection was reset");
  assertStringIncludes(text, "rank 0 failed as a consequence");
});

Deno.test("judgeJob() says when the clocks and the evidence leave it undecided", () => {
  const nodes = (errorMs: number) => [
    reported(nodeReport(0, [endedAfter(0, 2000, OWN)])),
    reported(nodeReport(1, [endedAfter(2, 2006, OWN)]), errorMs),
  ];
  assertEquals(judgeJob({ nodes: nodes(5), lost: [] }).doubts, [
    "Rank 2 on node-1 failed within 7 ms of it, closer than the nodes' clocks can be told apart: either may have " +
    "been first",
  ]);
  assertEquals(judgeJob({ nodes: nodes(1), lost: [] }).doubts, []);
  const unknown = { ...nodes(1)[1]!, clock: null };
  assertStringIncludes(judgeJob({ nodes: [nodes(1)[0]!, unknown], lost: [] }).doubts[0]!, "never compared");
});

Deno.test("judgeJob() prefers what explains itself to a bare exit code, within the clocks' error only", () => {
  const nodes = (errorMs: number) => [
    reported(nodeReport(0, [endedAfter(0, 2000)])),
    reported(nodeReport(1, [endedAfter(2, 2006, OWN)]), errorMs),
  ];
  const near = judgeJob({ nodes: nodes(5), lost: [] });
  assertEquals(near.rootCause?.facts.rank, 2);
  assertStringIncludes(
    near.reasons[0]!,
    "rank 0 on node-0 may have failed as early, but with less to show for it",
  );
  assertEquals(judgeJob({ nodes: nodes(1), lost: [] }).rootCause?.facts.rank, 0);
});

Deno.test("judgeJob() names the one worker that all others waited for, not those who waited", () => {
  const nodes = [
    reported(nodeReport(0, [endedAfter(0, 2000, TIMED_OUT), endedAfter(1, 2001, TIMED_OUT)])),
    // Rank 2 had timed out as well, and was stopped on its way out.
    reported(nodeReport(1, [stoppedWorker(2, TIMED_OUT), stoppedWorker(3)]), 1),
  ];
  const { rootCause, consequences, doubts } = judgeJob({ nodes, lost: [] });
  assertEquals([rootCause?.facts.rank, rootCause?.explanation.kind], [3, "missing-from-collective"]);
  assertStringIncludes(rootCause!.explanation.summary, "ranks 0-2 waited for it and all timed out");
  assertEquals([consequences.length, doubts], [2, []]);
});

Deno.test("judgeJob() names what the missing worker had printed, where it had", () => {
  const nodes = [
    reported(nodeReport(0, [endedAfter(0, 2000, TIMED_OUT), endedAfter(1, 2001, TIMED_OUT)])),
    reported(nodeReport(1, [endedAfter(2, 2003, TIMED_OUT), stoppedWorker(3, OWN)]), 1),
  ];
  const { rootCause } = judgeJob({ nodes, lost: [] });
  assertEquals([rootCause?.facts.rank, rootCause?.explanation.kind], [3, "exception"]);
});

Deno.test("judgeJob() can't tell which of several was missing, and says among whom it is", () => {
  const nodes = [
    reported(nodeReport(0, [endedAfter(0, 2000, TIMED_OUT), stoppedWorker(1)])),
    reported(nodeReport(1, [stoppedWorker(2), stoppedWorker(3)]), 1),
  ];
  const { rootCause, doubts } = judgeJob({ nodes, lost: [] });
  assertEquals(rootCause?.facts.rank, 0);
  assertStringIncludes(doubts[0]!, "Ranks 1-3 had not timed out when stopped");
});

Deno.test("judgeJob() does not take a clean end after the cause on another node for a doubt", () => {
  const done = { status: { kind: "exited", code: 0 } } as const;
  const nodes = (afterMs: number) => [
    reported(nodeReport(0, [endedAfter(0, 2000, LOST_PEER)])),
    reported(nodeReport(1, [endedAfter(2, afterMs, done)]), 5),
  ];
  assertEquals(judgeJob({ nodes: nodes(2004), lost: [] }).doubts, []);
  assertStringIncludes(judgeJob({ nodes: nodes(1900), lost: [] }).doubts[0]!, "Rank 2 had ended with code 0");
});
