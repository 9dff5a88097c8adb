import { assertEquals } from "@std/assert";
import { judge, judgeJob } from "../../lib/agent/report.ts";
import { verdictJson } from "../../lib/agent/report_json.ts";
import { failedAttempt, STARTED_AT, stoppedWorker, workerFacts } from "./attempts.ts";
import { lostNode, nodeReport, reported } from "./node_reports.ts";
import { sampleLines } from "./samples.ts";

Deno.test("verdictJson() tells everything that the report knows", () => {
  const verdict = judge(failedAttempt([
    workerFacts(0, { endOrder: 1, tail: sampleLines("peer_raises") }),
    workerFacts(1, {
      endOrder: 0,
      endedAt: STARTED_AT + 1007,
      status: { kind: "signalled", signal: "SIGKILL" },
      errorFile: { path: "1/error.json", text: null, writtenAt: null, problem: null },
      tail: Array.from({ length: 30 }, (_, line) => `\x1b[32mline ${line}\x1b[0m`),
      logFiles: ["1/stderr.log"],
      linesAfterFailure: 7,
    }),
    stoppedWorker(2),
  ]));
  const document = verdictJson(verdict, [verdict, verdict]);
  assertEquals(document.version, 1);
  const { tail, ...cause } = document.rootCause!;
  assertEquals(cause, {
    host: "node-a",
    groupRank: 0,
    rank: 1,
    localRank: 1,
    pid: 4001,
    time: "2026-11-23T21:49:21.007Z",
    ranMs: 1007,
    exitCode: -9,
    signal: "SIGKILL",
    kind: "signal",
    summary: "SIGKILL (9): killed from outside, by the kernel for lack of memory or by somebody's kill -9",
    advice: "dmesg | grep -i 'killed process' tells which, with the rights to see it.",
    traceback: null,
    tracebackSource: null,
    errorFile: "1/error.json",
    errorFileProblem: null,
    logFiles: ["1/stderr.log"],
    tailAfterFailure: 7,
  });
  assertEquals([tail?.length, tail?.[0], tail?.at(-1)], [20, "line 10", "line 29"]);
  assertEquals(document.consequences.map(({ rank, kind }) => [rank, kind]), [[0, "lost-peer"]]);
  assertEquals(document.stopped.map(({ rank, kind }) => [rank, kind]), [[2, "stopped"]]);
  assertEquals(document.earlierAttempts.map(({ rootCause }) => rootCause?.rank), [1]);
});

Deno.test("verdictJson() leaves out no field when little is known", () => {
  const document = verdictJson(judge(failedAttempt([stoppedWorker(0)])));
  assertEquals(document.rootCause, null);
  assertEquals(JSON.parse(JSON.stringify(document)), document);
});

Deno.test("verdictJson() tells of every node, of those that were lost, and of each attempt in full", () => {
  const first = judgeJob({ nodes: [reported(nodeReport(0, [stoppedWorker(0)]))], lost: [lostNode(1)] });
  const report = nodeReport(1, [workerFacts(2), stoppedWorker(3)], { attempt: 1 });
  const group = { part: "stopped", text: "SIGTERM", ranks: [[4, 7], [9, 9]], unnamed: 2 } as const;
  const second = judgeJob({ nodes: [reported({ ...report, groups: [group] })], lost: [] });
  const { earlierAttempts, ...last } = verdictJson(second, [first, second]);
  assertEquals([last.host, last.nodeCount, last.rootCause?.groupRank, last.groups], ["node-1", 1, 1, [
    group,
  ]]);
  const [earlier] = earlierAttempts;
  assertEquals([earlier?.attempt, earlier?.nodeCount, earlier?.rootCause, earlier?.host], [
    0,
    2,
    null,
    "node-1",
  ]);
  assertEquals([earlier?.lostFirst, earlier?.lost], [earlier?.lost[0], [{
    host: "node-1",
    groupRank: 1,
    ranks: [[2, 3]],
    time: "2026-11-23T21:49:22.010Z",
    reason: "its connection was reset, and it did not come back",
  }]]);
  assertEquals(earlier?.stopped.map(({ rank }) => rank), [0]);
});
