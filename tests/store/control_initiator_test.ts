import { assert, assertEquals, assertMatch } from "@std/assert";
import { concat, utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { encodeFrame, FrameDecoder } from "../../lib/store/control_codec.ts";
import { OVERSLEPT_MS } from "../../lib/store/control_heartbeat.ts";
import {
  ControlInitiator,
  type InitiatorEffect,
  type InitiatorOptions,
} from "../../lib/store/control_initiator.ts";
import { DEFAULT_CONTROL_LIMITS } from "../../lib/store/control_limits.ts";
import { ControlSecret } from "../../lib/store/control_secret.ts";
import {
  CONTROL_PREAMBLE,
  type ControlFrame,
  type Hello,
  type Refusal,
  type Welcome,
} from "../../lib/store/control_wire.ts";
import { playPart, playPartCut, readDialogue, recordDialogue } from "./control_dialogue.ts";
import { counting, HEARTBEAT, NODE, only, saying } from "./control_samples.ts";
import { WAYS_TO_CUT } from "./wire_cases.ts";

const SESSION = "s".repeat(16);
const RESUME_MS = DEFAULT_CONTROL_LIMITS.resumeMs;

const WELCOME: Welcome = {
  ...{ kind: "welcome", protocol: 1, version: "0.2.0", nodeId: "node-0", epoch: 3, sessionId: SESSION },
  ...{ received: 0, proof: new Uint8Array(0) },
};

function refusal(reason: Refusal["reason"]): Refusal {
  return { kind: "refusal", reason, epoch: 3, hostAddress: "", detail: "says no" };
}

function started(options: Partial<InitiatorOptions> = {}): ControlInitiator {
  const it = new ControlInitiator({
    ...{ self: NODE, secret: null, heartbeat: HEARTBEAT, limits: DEFAULT_CONTROL_LIMITS, connectMs: 5000 },
    ...{ instance: "i".repeat(16), prng: new Prng(3) },
    ...options,
  });
  assertEquals(it.step({ kind: "start" }, 0), [{ kind: "connect", connection: 1 }]);
  return it;
}

/** Connects `connection` and says what the host says on it. */
function answer(
  it: ControlInitiator,
  connection: number,
  frames: readonly ControlFrame[],
  now = 0,
): InitiatorEffect[] {
  const bytes = concat([CONTROL_PREAMBLE, ...frames.map(encodeFrame)]);
  return [
    ...it.step({ kind: "connected", connection, nonce: counting(32, connection) }, now),
    ...it.step({ kind: "received", connection, bytes }, now),
  ];
}

function said(effects: readonly InitiatorEffect[]): ControlFrame[] {
  const decoder = new FrameDecoder(DEFAULT_CONTROL_LIMITS);
  decoder.allowMessages();
  decoder.push(concat(effects.flatMap((effect) => effect.kind === "write" ? [effect.bytes] : [])));
  const frames: ControlFrame[] = [];
  for (let next = decoder.next(); next !== undefined; next = decoder.next()) frames.push(next);
  return frames;
}

function kinds(effects: readonly InitiatorEffect[]): string[] {
  return effects.map(({ kind }) => kind).filter((kind) => kind !== "write");
}

for (const name of ["protocol_1", "protocol_1_with_secret", "protocol_1_refused"]) {
  Deno.test(`ControlInitiator holds the recorded dialogue ${name} word for word, and however it is cut`, () => {
    const lines = readDialogue(name);
    const events = playPart("initiator", lines);
    const expected = {
      protocol_1: [
        ...["joined node-0 by protocol 1", "message 2 you are rank 0", "resumed"],
        ...["message 4 told meanwhile", "ended finished"],
      ],
      protocol_1_with_secret: ["joined node-0 by protocol 1", "ended goodbye"],
      protocol_1_refused: ["ended refused noCommonProtocol"],
    }[name];
    assertEquals(events, expected!);
    for (const cut of Object.values(WAYS_TO_CUT)) assertEquals(playPartCut("initiator", lines, cut), events);
    // What is kept is what the two say to each other today.
    const settings = lines.slice(0, lines.indexOf("connect"));
    assertEquals([...settings, ...recordDialogue(lines)], lines);
  });
}

Deno.test("ControlInitiator offers all that it speaks, and takes the protocol that the host chose", () => {
  for (const [protocol, end] of [[1, "joined"], [2, "joined"], [3, "ended"]] as const) {
    const it = started({ self: { ...NODE, protocols: { min: 1, max: 2 } } });
    const effects = answer(it, 1, [{ ...WELCOME, protocol }]);
    const [hello] = said(effects);
    assertEquals(hello?.kind === "hello" && hello.protocols, { min: 1, max: 2 });
    if (end === "joined") assertEquals(only(effects, "joined").host.protocol, protocol);
    else assertEquals(only(effects, "ended").end.kind, "broken");
  }
});

Deno.test("ControlInitiator tries again, ever more slowly, until its time is over", () => {
  const it = started();
  const pauses: number[] = [];
  let now = 0, connection = 1, ended: InitiatorEffect | undefined;
  while (ended === undefined) {
    const problem = "can't be reached";
    const failed = it.step({ kind: "connectFailed", connection, wasRefused: true, problem }, now);
    assertEquals(failed, [{ kind: "attemptFailed", problem }]);
    const at = it.nextWakeup()!;
    pauses.push(at - now);
    now = at;
    const effects = it.step({ kind: "wakeup" }, now);
    ended = effects.find(({ kind }) => kind === "ended");
    if (ended === undefined) connection = only(effects, "connect").connection;
  }
  assertEquals(ended, {
    ...{ kind: "ended", end: { kind: "unreachable", problem: "can't be reached", attempts: connection } },
  });
  assertEquals(now, 5000);
  assert(
    pauses.every((pause, index) => pause >= Math.min(5 * 1.25 ** index, 500) || index === pauses.length - 1),
  );
  assert(pauses.every((pause) => pause <= 1000) && connection < 40, `${pauses}`);
  assertEquals(it.nextWakeup(), undefined);
  assertEquals(it.step({ kind: "send", message: saying("x") }, now), []);
});

Deno.test("ControlInitiator waits for a place, and for its predecessor's end, and takes every other refusal", () => {
  for (const reason of ["isFull", "nodeIsPresent"] as const) {
    const it = started();
    const effects = answer(it, 1, [refusal(reason)]);
    assertEquals(kinds(effects), ["close", "attemptFailed"]);
    const again = it.step({ kind: "wakeup" }, it.nextWakeup()!);
    assertEquals(kinds(answer(it, only(again, "connect").connection, [WELCOME])), ["joined"]);
  }
  for (const reason of ["wrongJob", "settingsDiffer", "wrongSecret", "epochIsOld", "other"] as const) {
    const effects = answer(started(), 1, [refusal(reason)]);
    assertEquals(only(effects, "ended").end, { kind: "refused", refusal: refusal(reason) });
  }
});

Deno.test("ControlInitiator gives up on a host that takes its connection and says nothing", () => {
  const it = started({ connectMs: 100_000 });
  it.step({ kind: "connected", connection: 1, nonce: counting(32) }, 10);
  const effects = it.step({ kind: "wakeup" }, it.nextWakeup()!);
  assertEquals(effects, [
    { kind: "close", connection: 1 },
    { kind: "attemptFailed", problem: "did not answer within 10 s" },
  ]);
  // What that connection still brings means nothing.
  assertEquals(it.step({ kind: "received", connection: 1, bytes: CONTROL_PREAMBLE }, 10_000), []);
  assertEquals(it.step({ kind: "closed", connection: 1 }, 10_000), []);
});

Deno.test("ControlInitiator comes back at once when its connection is lost, and says what it has", () => {
  const it = started();
  answer(it, 1, [WELCOME, { kind: "message", sequence: 1, ...saying("one") }]);
  it.step({ kind: "send", message: saying("two") }, 0);
  assertEquals(it.step({ kind: "closed", connection: 1 }, 500), [{ kind: "connect", connection: 2 }]);
  const effects = answer(it, 2, [WELCOME], 510);
  assertEquals(kinds(effects), ["resumed"]);
  const [hello, message] = said(effects);
  assert(hello?.kind === "hello");
  const { attempt, sessionId, received, epoch }: Hello = hello;
  assertEquals([attempt, sessionId, received, epoch], [2, SESSION, 1, 3]);
  assertEquals(message, { kind: "message", sequence: 1, ...saying("two") });
});

Deno.test("ControlInitiator counts as lost what it can't resume within 300 ms", () => {
  const it = started();
  answer(it, 1, [WELCOME]);
  it.step({ kind: "closed", connection: 1 }, 1000);
  const problem = "can't be reached";
  it.step({ kind: "connectFailed", connection: 2, wasRefused: false, problem }, 1001);
  let effects: InitiatorEffect[] = [];
  for (let at = it.nextWakeup(); at !== undefined; at = it.nextWakeup()) {
    assert(at <= 1000 + RESUME_MS);
    effects = it.step({ kind: "wakeup" }, at);
  }
  assertEquals(only(effects, "ended").end, { kind: "notResumed" });
});

Deno.test("ControlInitiator knows at once that the host is gone when nobody listens there, or it refuses", () => {
  const refused = started();
  answer(refused, 1, [WELCOME]);
  refused.step({ kind: "closed", connection: 1 }, 1000);
  const failure = { kind: "connectFailed", connection: 2, wasRefused: true, problem: "" } as const;
  assertEquals(refused.step(failure, 1001), [{ kind: "ended", end: { kind: "hostIsGone" } }]);
  const over = started();
  answer(over, 1, [WELCOME]);
  over.step({ kind: "closed", connection: 1 }, 1000);
  assertEquals(only(answer(over, 2, [refusal("sessionIsOver")]), "ended").end, { kind: "notResumed" });
});

Deno.test("ControlInitiator has finished when the host forgot the session that it was ending", () => {
  const it = started();
  answer(it, 1, [WELCOME]);
  it.step({ kind: "end" }, 0);
  it.step({ kind: "closed", connection: 1 }, 10);
  assertEquals(only(answer(it, 2, [refusal("sessionIsOver")]), "ended").end, { kind: "finished" });
});

Deno.test("ControlInitiator that ends before a welcome just goes", () => {
  assertEquals(started().step({ kind: "end" }, 0), [
    { kind: "close", connection: 1 },
    { kind: "ended", end: { kind: "finished" } },
  ]);
});

Deno.test("ControlInitiator takes its 300 ms again when it did not run in them", () => {
  const it = started();
  answer(it, 1, [WELCOME]);
  it.step({ kind: "closed", connection: 1 }, 1000);
  const late = 1000 + RESUME_MS + OVERSLEPT_MS + 1;
  assertEquals(kinds(it.step({ kind: "wakeup" }, late)), []);
  assertEquals(kinds(it.step({ kind: "wakeup" }, late + RESUME_MS)), ["close", "ended"]);
});

Deno.test("ControlInitiator with a secret believes only a host that proves it", () => {
  const secret = new ControlSecret(utf8("secret"));
  const challenge = { kind: "challenge", nonce: counting(32, 9) } as const;
  const proof = secret.prove({
    ...{ role: "acceptor", initiatorNonce: counting(32, 1), acceptorNonce: counting(32, 9) },
    ...{ jobId: NODE.jobId, nodeId: NODE.nodeId },
  });
  assertEquals(kinds(answer(started({ secret }), 1, [challenge, { ...WELCOME, proof }])), ["joined"]);
  const reflected = secret.prove({
    ...{ role: "initiator", initiatorNonce: counting(32, 1), acceptorNonce: counting(32, 9) },
    ...{ jobId: NODE.jobId, nodeId: NODE.nodeId },
  });
  for (
    const frames of [
      [WELCOME],
      [{ ...WELCOME, proof }],
      [challenge, WELCOME],
      [challenge, { ...WELCOME, proof: reflected }],
    ]
  ) {
    assertEquals(only(answer(started({ secret }), 1, frames), "ended").end, {
      ...{ kind: "broken", problem: "did not prove that it has the job's secret" },
    });
  }
});

for (
  const [what, frames, problem] of [
    [
      "asks for a secret that was never promised",
      [{ kind: "challenge", nonce: counting(32) }],
      "asks for a secret",
    ],
    ["goes on without a welcome", [{ kind: "ping", id: 1 }], "sent a ping frame before its welcome"],
    ["welcomes twice", [WELCOME, WELCOME], "sent a welcome frame after its welcome"],
    [
      "sends a hello",
      [WELCOME, { kind: "proof", proof: counting(32) }],
      "sent a proof frame after its welcome",
    ],
    ["names no session", [{ ...WELCOME, sessionId: "" }], "sent a session id of a wrong length"],
  ] as const
) {
  Deno.test(`ControlInitiator breaks with a host that ${what}`, () => {
    const { end } = only(answer(started(), 1, frames), "ended");
    assert(end.kind === "broken" && end.problem.startsWith(problem), JSON.stringify(end));
  });
}

Deno.test("ControlInitiator tries again where something else answers, which may stand before a host to come", () => {
  const it = started();
  it.step({ kind: "connected", connection: 1, nonce: counting(32) }, 0);
  const bytes = utf8("HTTP/1.1 503 Service Unavailable\r\n\r\n");
  const [close, failed] = it.step({ kind: "received", connection: 1, bytes }, 0);
  assertEquals(close, { kind: "close", connection: 1 });
  assertMatch(failed?.kind === "attemptFailed" ? failed.problem : "", /^speaks no protocol known here/);
  const again = it.step({ kind: "wakeup" }, it.nextWakeup()!);
  assertEquals(kinds(answer(it, only(again, "connect").connection, [WELCOME])), ["joined"]);
});

Deno.test("ControlInitiator breaks with a host that resumes another session, or falls back in epoch", () => {
  for (
    const [welcome, problem] of [
      [{ ...WELCOME, sessionId: "t".repeat(16) }, "resumed another session"],
      [{ ...WELCOME, epoch: 2 }, "is host number 2, after number 3"],
    ] as const
  ) {
    const it = started();
    answer(it, 1, [WELCOME]);
    it.step({ kind: "closed", connection: 1 }, 100);
    assertEquals(only(answer(it, 2, [welcome]), "ended").end, { kind: "broken", problem });
  }
});
