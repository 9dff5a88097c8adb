import { assertEquals, assertStringIncludes } from "@std/assert";
import type { WorkerFacts } from "../../lib/agent/facts.ts";
import { judge } from "../../lib/agent/report.ts";
import { failedAttempt, recordText, STARTED_AT, stoppedWorker, workerFacts } from "./attempts.ts";
import { sampleLines, SAMPLES, sampleStatus } from "./samples.ts";

const LOST_PEER = sampleLines("peer_raises");
const OWN_EXCEPTION = sampleLines("plain_exception");

function roles(workers: readonly WorkerFacts[]) {
  const { rootCause, others, consequences, stopped } = judge(failedAttempt(workers));
  const ranks = (failures: readonly { facts: WorkerFacts }[]) => failures.map(({ facts }) => facts.rank);
  return {
    cause: rootCause?.facts.rank,
    others: ranks(others),
    consequences: ranks(consequences),
    stopped: ranks(stopped),
  };
}

/** An error file with its time of writing, in milliseconds after the workers' start. */
function errorFile(exception: string, writtenAfterMs: number) {
  const writtenAt = STARTED_AT + writtenAfterMs;
  return {
    path: "error.json",
    text: recordText(exception, Math.floor(writtenAt / 1000)),
    writtenAt,
    problem: null,
  };
}

for (const sample of SAMPLES) {
  Deno.test(`judge() understands a recorded failure: ${sample.name}`, () => {
    const worker = workerFacts(0, { status: sampleStatus(sample), tail: sampleLines(sample.name) });
    const { explanation } = judge(failedAttempt([worker])).rootCause!;
    assertEquals([explanation.kind, explanation.isConsequence], [sample.kind, sample.isConsequence ?? false]);
    assertEquals(sample.summary.test(explanation.summary), true, explanation.summary);
  });
}

Deno.test("judge() never blames a worker that we stopped", () => {
  const workers = [
    stoppedWorker(0, { endOrder: 0, tail: OWN_EXCEPTION }),
    stoppedWorker(1, { endOrder: 1, status: { kind: "exited", code: 0 } }),
    workerFacts(2, { endOrder: 2, status: { kind: "exited", code: 3 } }),
  ];
  assertEquals(roles(workers), { cause: 2, others: [], consequences: [], stopped: [0, 1] });
});

Deno.test("judge() takes the first of several that failed by themselves", () => {
  const workers = [workerFacts(0, { endOrder: 1 }), workerFacts(1, { endOrder: 0 }), workerFacts(2)];
  assertEquals(roles(workers), { cause: 1, others: [0, 2], consequences: [], stopped: [] });
});

Deno.test("judge() ranks who lost a peer behind the one with a failure of his own, whoever ended first", () => {
  const workers = [
    workerFacts(0, { endOrder: 0, tail: LOST_PEER }),
    workerFacts(1, { endOrder: 1, tail: OWN_EXCEPTION }),
    workerFacts(2, { endOrder: 2, status: { kind: "signalled", signal: "SIGSEGV" } }),
  ];
  assertEquals(roles(workers), { cause: 1, others: [2], consequences: [0], stopped: [] });
});

Deno.test("judge() orders by when the exceptions were recorded, finer than their whole seconds", () => {
  const workers = [
    workerFacts(0, { endOrder: 0, errorFile: errorFile("ValueError: second", 900) }),
    workerFacts(1, { endOrder: 1, errorFile: errorFile("ValueError: first", 800) }),
  ];
  assertEquals(roles(workers).cause, 1);
});

Deno.test("judge() falls back on the worker's own time, then on the order of ends", () => {
  const told = (rank: number, seconds: number) =>
    workerFacts(rank, {
      errorFile: {
        path: "error.json",
        text: recordText("ValueError: x", STARTED_AT / 1000 + seconds),
        writtenAt: null,
        problem: null,
      },
    });
  assertEquals(roles([told(0, 1.9), told(1, 1.2)]).cause, 1);
  // Both times lie before the worker's start: a clock that can't be trusted.
  assertEquals(roles([told(0, -7), told(1, -9)]).cause, 0);
});

Deno.test("judge() blames a worker that had recorded its exception before anybody ended and was slow to go", () => {
  const slow = stoppedWorker(1, { endOrder: 2, errorFile: errorFile("ValueError: NaN", 1500) });
  const victim = workerFacts(0, { endOrder: 0, tail: LOST_PEER });
  const { rootCause } = judge(failedAttempt([victim, slow]));
  assertEquals([rootCause?.facts.rank, rootCause?.explanation.summary], [1, "ValueError: NaN"]);
  assertEquals(roles([victim, slow]), { cause: 1, others: [], consequences: [0], stopped: [] });
});

Deno.test("judge() believes a record whose file was stamped with the last tick before the worker's start", () => {
  const slow = stoppedWorker(1, { endOrder: 2, errorFile: errorFile("ValueError: at once", -6) });
  const victim = workerFacts(0, { endOrder: 0, tail: LOST_PEER });
  assertEquals(roles([victim, slow]).cause, 1);
});

Deno.test("judge() does not blame for an exception that came of being stopped", () => {
  const stopped = stoppedWorker(1, { endOrder: 1, errorFile: errorFile("Terminated: SIGTERM", 2005) });
  const workers = [workerFacts(0, { endOrder: 0, tail: LOST_PEER }), stopped];
  assertEquals(roles(workers), { cause: 0, others: [], consequences: [], stopped: [1] });
  // Nobody ended first: all were stopped from outside, and what they recorded came of it.
  assertEquals(roles([stopped]).cause, undefined);
});

Deno.test("judge() names the watchdog's victim although we ended it", () => {
  const reason = "its timer 'step' expired";
  const workers = [stoppedWorker(0, { endedByWatchdog: reason }), stoppedWorker(1)];
  const { rootCause } = judge(failedAttempt(workers));
  assertEquals([rootCause?.explanation.kind, rootCause?.explanation.summary], ["watchdog", reason]);
  assertEquals(roles(workers), { cause: 0, others: [], consequences: [], stopped: [1] });
});

Deno.test("judge() names a victim when nobody else can be, and says what makes that doubtful", () => {
  const workers = [
    workerFacts(0, { endOrder: 1, tail: LOST_PEER }),
    workerFacts(1, { endOrder: 0, status: { kind: "exited", code: 0 } }),
    // Read after the first failure: it may have come of the stop.
    stoppedWorker(2, { tail: OWN_EXCEPTION, linesAfterFailure: OWN_EXCEPTION.length }),
    stoppedWorker(3, { tail: LOST_PEER }),
  ];
  assertEquals(roles(workers).cause, 0);
  const { doubts } = judge(failedAttempt(workers));
  assertEquals(doubts.length, 2);
  assertStringIncludes(doubts[0]!, "Rank 2, which was stopped, had printed an exception");
  assertStringIncludes(doubts[1]!, "Rank 1 had ended with code 0 while others were still working");
});

Deno.test("judge() names who had printed its exception before its peers failed, and was stopped on its way out", () => {
  const victim = workerFacts(0, { endOrder: 0, tail: LOST_PEER });
  const slow = (tail: readonly string[], linesAfterFailure: number) =>
    stoppedWorker(1, { endOrder: 1, tail, linesAfterFailure });
  const noise = ["/usr/lib/resource_tracker.py:254: UserWarning: 1 leaked semaphore", "Terminated"];
  const { rootCause, reasons } = judge(failedAttempt([victim, slow([...OWN_EXCEPTION, ...noise], 1)]));
  assertEquals([rootCause?.facts.rank, rootCause?.explanation.kind], [1, "exception"]);
  assertStringIncludes(reasons[0]!, "it had printed its exception before any worker ended");
  // One that came only after the failure, and one that the program survived.
  assertEquals(roles([victim, slow([...OWN_EXCEPTION, ...noise], 8)]).cause, 0);
  const survived = [...OWN_EXCEPTION, ...Array.from({ length: 9 }, (_, step) => `step ${step}`)];
  assertEquals(roles([victim, slow(survived, 0)]).cause, 0);
});

Deno.test("judge() prefers the error file to what was printed", () => {
  const worker = workerFacts(0, { tail: OWN_EXCEPTION, errorFile: errorFile("KeyError: 'recorded'", 1000) });
  const { rootCause } = judge(failedAttempt([worker]));
  assertEquals(rootCause?.traceback?.source, "error file");
  assertEquals(rootCause?.explanation.summary, "KeyError: 'recorded'");
});

Deno.test("judge() loses nothing but the record when the error file is broken", () => {
  const broken = { path: "error.json", text: '{"message": {"mess', writtenAt: STARTED_AT, problem: null };
  const { rootCause } = judge(failedAttempt([workerFacts(0, { tail: OWN_EXCEPTION, errorFile: broken })]));
  assertEquals(rootCause?.traceback?.source, "stderr");
  assertStringIncludes(rootCause?.errorFileProblem ?? "", "isn't JSON");
});

Deno.test("judge() does not take an old traceback for the reason of a kill", () => {
  const worker = workerFacts(0, { status: { kind: "signalled", signal: "SIGKILL" }, tail: OWN_EXCEPTION });
  const { rootCause } = judge(failedAttempt([worker]));
  assertEquals(rootCause?.traceback, null);
  assertEquals(rootCause?.explanation.kind, "signal");
});
