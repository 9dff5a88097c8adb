import { assert, assertEquals, assertThrows } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { utf8 } from "../../lib/core/bytes.ts";
import type { NodeReport } from "../../lib/agent/finding.ts";
import { sizeOfRanges } from "../../lib/core/ranges.ts";
import { judgeJob } from "../../lib/agent/report.ts";
import {
  decodeNodeReport,
  decodeVerdict,
  encodeNodeReport,
  encodeVerdict,
  NODE_REPORT_BYTES_MAX,
  VERDICT_BYTES_MAX,
} from "../../lib/agent/report_codec.ts";
import { verdictText } from "../../lib/agent/report_text.ts";
import { MessageError } from "../../lib/core/json_fields.ts";
import { recordText, STARTED_AT, stoppedWorker, workerFacts } from "./attempts.ts";
import { lostNode, nodeReport, reported } from "./node_reports.ts";
import { sampleLines, SAMPLES, sampleStatus } from "./samples.ts";

const OPTIONS = { width: 100, colour: false, utcOffsetMinutes: 0 };
const textOf = (report: NodeReport) =>
  verdictText(judgeJob({ nodes: [reported(report)], lost: [] }), OPTIONS);

const RECORD = {
  path: "/logs/1/error.json",
  text: recordText("ValueError: recorded", STARTED_AT / 1000 + 1),
  writtenAt: STARTED_AT + 1500,
  problem: null,
};

const ORDINARY = nodeReport(1, [
  workerFacts(4, { tail: ["step 1", ...sampleLines("plain_exception")], logFiles: ["/logs/0/stderr.log"] }),
  workerFacts(5, { errorFile: RECORD }),
  workerFacts(6, { status: { kind: "signalled", signal: "signal 42", coreDumped: true }, tail: null }),
  workerFacts(7, { errorFile: { ...RECORD, text: "{" } }),
  stoppedWorker(8, { tail: sampleLines("plain_exception") }),
  workerFacts(9, { status: { kind: "exited", code: 0 } }),
]);

Deno.test("decodeNodeReport() gives back what decides a verdict, and what it shows", () => {
  const back = decodeNodeReport(encodeNodeReport(ORDINARY));
  assertEquals(textOf(back), textOf(ORDINARY));
  assertEquals(judgeJob({ nodes: [reported(back)], lost: [] }).doubts, []);
  assertEquals(back.successes, ORDINARY.successes);
  assertEquals(
    back.failures.map(({ told }) => told),
    ORDINARY.failures.map(({ told }) => told),
  );
  // The record goes on into the launcher's own error file as the worker wrote it.
  assertEquals(
    back.failures.find(({ facts }) => facts.rank === 5)?.record?.document,
    JSON.parse(RECORD.text),
  );
});

Deno.test("decodeNodeReport() gives back every recorded failure", () => {
  for (const sample of SAMPLES) {
    const report = nodeReport(0, [
      workerFacts(0, { status: sampleStatus(sample), tail: sampleLines(sample.name) }),
    ]);
    const back = decodeNodeReport(encodeNodeReport(report));
    assertEquals(back.failures[0]?.explanation, report.failures[0]?.explanation, sample.name);
  }
});

Deno.test("encodeNodeReport() tells of thousands of workers by their ranks, within its limit", () => {
  const tail = Array.from({ length: 20 }, () => "é".repeat(600));
  const report = nodeReport(0, [
    ...Array.from({ length: 2000 }, (_, rank) => stoppedWorker(rank, { tail })),
    ...Array.from({ length: 2000 }, (_, rank) => workerFacts(2000 + rank, { tail })),
    workerFacts(4000, { tail: sampleLines("peer_raises"), logFiles: ["/" + "x".repeat(5000)] }),
  ]);
  const bytes = encodeNodeReport(report);
  assert(bytes.length <= NODE_REPORT_BYTES_MAX, `${bytes.length} bytes`);
  const back = decodeNodeReport(bytes);
  const told = back.groups.reduce((count, { ranks, unnamed }) => count + sizeOfRanges(ranks) + unnamed, 0);
  assertEquals(told + back.failures.length, 4001);
  const { rootCause } = judgeJob({ nodes: [reported(back)], lost: [] });
  assertEquals([rootCause?.facts.rank, rootCause?.explanation.kind], [2000, "exit-code"]);
});

Deno.test("encodeNodeReport() and encodeVerdict() keep their limits whatever the workers print", () => {
  // A control character takes six bytes of JSON, and striped ranks make the most ranges.
  const worst = "\x01".repeat(5000);
  const worker = (rank: number) => ({
    tail: rank < 4 ? Array.from({ length: 200 }, () => worst) : [worst],
    logFiles: Array.from({ length: 9 }, () => worst),
    errorFile: { path: worst, text: recordText(worst, rank), writtenAt: null, problem: null },
  });
  const report = nodeReport(
    0,
    Array.from(
      { length: 9000 },
      (_, rank) => rank % 2 === 0 ? stoppedWorker(rank, worker(rank)) : workerFacts(rank, worker(rank)),
    ),
    { jobId: worst, host: worst, role: worst, displayName: worst },
  );
  const bytes = encodeNodeReport(report);
  assert(bytes.length <= NODE_REPORT_BYTES_MAX, `${bytes.length} bytes`);
  const lost = Array.from(
    { length: 3000 },
    (_, index) => lostNode(1 + index, { reason: worst, host: worst }),
  );
  const verdict = encodeVerdict(
    judgeJob({ nodes: [reported(report), reported(decodeNodeReport(bytes))], lost }),
  );
  assert(verdict.length <= VERDICT_BYTES_MAX, `${verdict.length} bytes`);
  assert(verdictText(decodeVerdict(verdict), OPTIONS).length > 0);
});

Deno.test("decodeVerdict() shows the same block that the judge shows", () => {
  const job = {
    nodes: [
      reported(nodeReport(0, [workerFacts(0, { tail: sampleLines("peer_raises") }), stoppedWorker(1)])),
      { ...reported(ORDINARY), clock: null },
    ],
    lost: [lostNode(2)],
  };
  for (
    const facts of [job, { ...job, lost: [] }, {
      nodes: [reported(nodeReport(0, [stoppedWorker(0)]))],
      lost: [],
    }]
  ) {
    const verdict = judgeJob(facts);
    assertEquals(verdictText(decodeVerdict(encodeVerdict(verdict)), OPTIONS), verdictText(verdict, OPTIONS));
  }
});

Deno.test("decodeNodeReport() skips what a newer version adds", () => {
  const newer = JSON.parse(new TextDecoder().decode(encodeNodeReport(ORDINARY)));
  newer.weather = { sunny: true };
  newer.failures[0].facts.mood = "bad";
  newer.failures[0].explanation.kind = "a-newer-kind";
  const back = decodeNodeReport(utf8(JSON.stringify(newer)));
  assertEquals(back.failures[0]!.explanation.kind as string, "a-newer-kind");
});

/** Makes one place of a JSON value wrong. */
function mutated(value: unknown, prng: Prng): unknown {
  const wrong = [null, -1, 1.5, "x", "x".repeat(70_000), [], {}, true, [[5, 1]], [[1, 2], [2, 3]], Infinity];
  if (typeof value !== "object" || value === null || prng.chance(1, 12)) return prng.pick(wrong);
  const keys = Object.keys(value);
  if (keys.length === 0) return prng.pick(wrong);
  const key = prng.pick(keys);
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
  if (prng.chance(1, 10)) delete copy[key];
  else copy[key] = mutated(copy[key], prng);
  return copy;
}

Deno.test("decodeNodeReport() and decodeVerdict() either understand or refuse: bytes and fields made wrong", () => {
  const verdict = judgeJob({ nodes: [reported(ORDINARY)], lost: [lostNode(3)] });
  const kinds = [
    {
      bytes: encodeNodeReport(ORDINARY),
      decode: (bytes: Uint8Array) => void textOf(decodeNodeReport(bytes)),
    },
    {
      bytes: encodeVerdict(verdict),
      decode: (bytes: Uint8Array) => void verdictText(decodeVerdict(bytes), OPTIONS),
    },
  ];
  let refused = 0;
  let seed = 0;
  const check = (bytes: Uint8Array, decode: (bytes: Uint8Array) => void) => {
    try {
      decode(bytes);
    } catch (error) {
      if (!(error instanceof MessageError)) throw new Error(`seed ${seed}`, { cause: error });
      refused++;
    }
  };
  for (const { bytes, decode } of kinds) {
    const value = JSON.parse(new TextDecoder().decode(bytes));
    for (seed = 1; seed <= 2000; seed++) {
      const prng = new Prng(seed);
      check(utf8(JSON.stringify(mutated(value, prng))), decode);
      const broken = bytes.slice(0, prng.chance(1, 2) ? bytes.length : prng.below(bytes.length));
      for (let flips = 0; flips < 3 && broken.length > 0; flips++) {
        broken[prng.below(broken.length)] = prng.below(256);
      }
      check(broken, decode);
    }
  }
  // Most are found out; a text that was changed within its limits can't be.
  assert(refused > 3000, `${refused} refused`);
});

Deno.test("decodeNodeReport() refuses what is over the limit before it looks at it", () => {
  assertThrows(
    () => decodeNodeReport(new Uint8Array(NODE_REPORT_BYTES_MAX + 1)),
    MessageError,
    `over the limit of ${NODE_REPORT_BYTES_MAX}`,
  );
});
