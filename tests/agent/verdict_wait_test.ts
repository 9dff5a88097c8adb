import { assertEquals, assertThrows } from "@std/assert";
import { encodeNodeReport } from "../../lib/agent/report_codec.ts";
import { verdictText } from "../../lib/agent/report_text.ts";
import { decodeVerdict } from "../../lib/agent/report_codec.ts";
import { VerdictWait, type VerdictWaitEvent } from "../../lib/agent/verdict_wait.ts";
import { PeerError } from "../../lib/store/wire.ts";
import type { WorkerFacts } from "../../lib/agent/facts.ts";
import { stoppedWorker } from "./attempts.ts";
import { endedAfter, lostNode, nodeReport } from "./node_reports.ts";
import { sampleLines } from "./samples.ts";

const VICTIM = [endedAfter(0, 2000, { tail: sampleLines("peer_raises") }), stoppedWorker(1)];
const CULPRIT = [endedAfter(2, 1990, { tail: sampleLines("plain_exception") }), stoppedWorker(3)];

function waiting(groupRanks: readonly number[] = [0, 1]) {
  const wait = new VerdictWait({ groupRanks, attempt: 0, settleMs: 200, limitMs: 30_000 });
  const told: string[] = [];
  return {
    wait,
    told,
    tell(at: number, event: VerdictWaitEvent) {
      for (const { verdict, isComplete } of wait.step(event, at)) {
        const cause = verdict.rootCause?.facts.rank ?? verdict.lostFirst?.host;
        told.push(`${at} ${cause}${isComplete ? " complete" : ""}`);
      }
    },
  };
}

const report = (groupRank: number, workers: readonly WorkerFacts[], errorMs = 1): VerdictWaitEvent => ({
  kind: "report",
  groupRank,
  bytes: encodeNodeReport(nodeReport(groupRank, workers)),
  clock: { offsetMs: 0, errorMs },
});
const ownReport = (workers: readonly WorkerFacts[]): VerdictWaitEvent => ({
  kind: "own-report",
  report: nodeReport(0, workers),
});

Deno.test("VerdictWait judges one node at once, without a message to anybody", () => {
  const { wait } = waiting([0]);
  const [effect] = wait.step(ownReport(VICTIM), 10);
  assertEquals([effect?.isComplete, effect?.message, wait.nextWakeup()], [true, null, undefined]);
});

Deno.test("VerdictWait names the culprit although its report comes 50 ms after the victim's", () => {
  const { told, tell, wait } = waiting();
  tell(100, ownReport(VICTIM));
  assertEquals([told, wait.nextWakeup()], [[], 300]);
  tell(150, report(1, CULPRIT));
  assertEquals(told, ["150 2 complete"]);
});

Deno.test("VerdictWait takes a report that comes too late into account, and tells when it changes the cause", () => {
  const { told, tell } = waiting([0, 1, 2]);
  tell(100, ownReport(VICTIM));
  tell(299, { kind: "wakeup" });
  tell(300, { kind: "wakeup" });
  tell(400, report(1, CULPRIT));
  tell(500, report(2, [stoppedWorker(4), stoppedWorker(5)]));
  assertEquals(told, ["300 0", "400 2", "500 2 complete"]);
});

Deno.test("VerdictWait waits longer for a node that said it is failing, but not for ever", () => {
  const { told, tell, wait } = waiting();
  tell(50, { kind: "failing", groupRank: 1 });
  tell(100, ownReport(VICTIM));
  tell(300, { kind: "wakeup" });
  assertEquals([told, wait.nextWakeup()], [[], 30_050]);
  tell(30_050, { kind: "wakeup" });
  tell(30_060, report(1, CULPRIT));
  assertEquals(told, ["30050 0 complete"]);
});

Deno.test("VerdictWait needs no report of a node that is lost, unless one comes", () => {
  const lost = waiting();
  lost.tell(100, ownReport(VICTIM));
  lost.tell(120, { kind: "lost", node: lostNode(1, { lastHeard: 2900, noticed: 2950 }) });
  assertEquals(lost.told, ["120 node-1 complete"]);
  const both = waiting([0, 1, 2]);
  both.tell(90, { kind: "lost", node: lostNode(1) });
  both.tell(100, report(1, CULPRIT));
  both.tell(110, { kind: "lost", node: lostNode(1) });
  both.tell(120, ownReport(VICTIM));
  both.tell(130, report(2, [stoppedWorker(4)]));
  assertEquals(both.told, ["130 2 complete"]);
});

Deno.test("VerdictWait leaves out reports of another attempt and of strangers, and refuses what is none", () => {
  const { told, tell } = waiting();
  tell(100, ownReport(VICTIM));
  const old = encodeNodeReport(nodeReport(1, CULPRIT, { attempt: 3 }));
  tell(110, { kind: "report", groupRank: 1, bytes: old, clock: null });
  tell(120, report(7, CULPRIT));
  const wrong = encodeNodeReport(nodeReport(0, CULPRIT));
  assertThrows(
    () => tell(130, { kind: "report", groupRank: 1, bytes: wrong, clock: null }),
    PeerError,
    "being node 1",
  );
  assertThrows(
    () => tell(140, { kind: "report", groupRank: 1, bytes: new Uint8Array(3), clock: null }),
    PeerError,
  );
  assertEquals(told, []);
  tell(150, report(1, CULPRIT));
  assertEquals(told, ["150 2 complete"]);
});

Deno.test("VerdictWait gives the judge what the others make of its message", () => {
  const { wait } = waiting();
  wait.step(ownReport(VICTIM), 100);
  const [effect] = wait.step(report(1, CULPRIT), 150);
  const options = { width: 80, colour: false, utcOffsetMinutes: 0 };
  assertEquals(verdictText(decodeVerdict(effect!.message!), options), verdictText(effect!.verdict, options));
});
