import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  commonProtocol,
  type ControlIdentity,
  isPassing,
  isViewer,
  judgeGreeting,
  judgeHello,
  quoted,
  refuse,
  viewerId,
} from "../../lib/store/control_identity.ts";
import { type Hello, REFUSAL_KINDS } from "../../lib/store/control_wire.ts";
import { PeerError } from "../../lib/store/wire.ts";
import { counting, HOST, NODE } from "./control_samples.ts";

const HELLO: Hello = {
  kind: "hello",
  protocols: { min: 1, max: 1 },
  ...{ version: "0.1.0", jobId: NODE.jobId, nodeId: NODE.nodeId, epoch: 0, hostAddress: "" },
  settingsHash: NODE.settingsHash,
  instance: "i".repeat(16),
  ...{ attempt: 1, sessionId: "", received: 0, hasSecret: false, nonce: counting(32) },
};

Deno.test("commonProtocol() is the newest that both speak", () => {
  const table: [ours: [number, number], theirs: [number, number], common: number | undefined][] = [
    [[1, 1], [1, 1], 1],
    [[1, 2], [1, 1], 1],
    [[1, 2], [2, 3], 2],
    [[1, 2], [1, 2], 2],
    [[2, 3], [1, 1], undefined],
    [[1, 5], [3, 4], 4],
  ];
  const range = ([min, max]: [number, number]) => ({ min, max });
  for (const [ours, theirs, common] of table) {
    assertEquals(commonProtocol(range(ours), range(theirs)), common);
    assertEquals(commonProtocol(range(theirs), range(ours)), common);
  }
  assertEquals(commonProtocol({ min: 1, max: 2 }, { min: 2, max: 1 }), undefined);
});

Deno.test("judgeGreeting() asks for a common protocol and for the same idea of a secret", () => {
  assertEquals(judgeGreeting(HELLO, HOST, false), null);
  assertEquals(judgeGreeting({ ...HELLO, hasSecret: true }, HOST, true), null);
  assertEquals(judgeGreeting(HELLO, HOST, true)?.reason, "secretRequired");
  assertEquals(judgeGreeting({ ...HELLO, hasSecret: true }, HOST, false)?.reason, "secretUnknown");
  const newer: ControlIdentity = { ...HOST, version: "0.9.0", protocols: { min: 2, max: 3 } };
  const refusal = judgeGreeting(HELLO, newer, true);
  assertEquals(refusal?.reason, "noCommonProtocol");
  assertEquals(refusal?.detail, "speaks protocol 2 to 3 (version 0.9.0), not 1");
  assertThrows(() => judgeGreeting({ ...HELLO, instance: "" }, HOST, false), PeerError, "instance id");
  assertThrows(
    () => judgeGreeting({ ...HELLO, nodeId: "a\x1b[2J" }, HOST, false),
    PeerError,
    "control characters",
  );
});

for (
  const [what, hello, reason, detail] of [
    [
      "of another job",
      { jobId: "oth\ner" },
      "wrongJob",
      'serves job "llama", not "oth\\ner"',
    ],
    [
      "with other settings",
      { settingsHash: "\x01" },
      "settingsDiffer",
      "was started with other settings: --nnodes 2:4",
    ],
    [
      "of an older epoch",
      { epoch: 4, hostAddress: "node3:29400" },
      "epochIsOld",
      "is host number 5 of the job, which went on from number 4",
    ],
    [
      "of a later epoch",
      { epoch: 6 },
      "hostIsOld",
      "is host number 5 of the job, which went on to number 6",
    ],
    [
      "with everything wrong",
      { jobId: "x", settingsHash: "", epoch: 9 },
      "wrongJob",
      'serves job "llama", not "x"',
    ],
  ] as const
) {
  Deno.test(`judgeHello() refuses a node ${what}, with both sides' values`, () => {
    const refusal = judgeHello({ ...HELLO, ...hello }, { ...HOST, epoch: 5 });
    assertEquals(refusal, { kind: "refusal", reason, epoch: 5, hostAddress: HOST.hostAddress, detail });
  });
}

Deno.test("judgeHello() takes a newcomer, who knows no epoch, and a node of the same one", () => {
  assertEquals(judgeHello({ ...HELLO, epoch: 0 }, { ...HOST, epoch: 5 }), null);
  assertEquals(judgeHello({ ...HELLO, epoch: 5 }, { ...HOST, epoch: 5 }), null);
});

Deno.test("a viewer need not know the job's name and settings, but its secret", () => {
  const nodeId = viewerId("1234");
  const viewer = { ...HELLO, nodeId, jobId: "", settingsHash: "" };
  assert(isViewer(nodeId) && !isViewer(HELLO.nodeId));
  assertEquals(judgeHello(viewer, HOST), null);
  assertEquals(judgeGreeting(viewer, HOST, true)?.reason, "secretRequired");
});

Deno.test("isPassing() is true of what time may heal", () => {
  const passing = Object.keys(REFUSAL_KINDS).filter((kind) => isPassing(kind as keyof typeof REFUSAL_KINDS));
  assertEquals(passing, ["nodeIsPresent", "isFull"]);
  assertEquals(isPassing("other"), false);
});

Deno.test("quoted() and refuse() keep long and strange names short and harmless", () => {
  assertEquals(quoted("a\x1b[2J\n"), '"a\\u001b[2J\\n"');
  assertEquals(quoted("x".repeat(5000)).length, 131);
  const { detail } = refuse("settingsDiffer", HOST, "y".repeat(100_000));
  assert(detail.length <= 1024);
});
