import { assertEquals, assertMatch } from "@std/assert";
import { concat } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import {
  ACCEPTOR_RANDOM_BYTES,
  type AcceptorEffect,
  type AcceptorOptions,
  ControlAcceptor,
} from "../../lib/store/control_acceptor.ts";
import { encodeFrame, FrameDecoder } from "../../lib/store/control_codec.ts";
import { OVERSLEPT_MS } from "../../lib/store/control_heartbeat.ts";
import { DEFAULT_CONTROL_LIMITS } from "../../lib/store/control_limits.ts";
import {
  CONTROL_PREAMBLE,
  type ControlFrame,
  type Hello,
  type Welcome,
} from "../../lib/store/control_wire.ts";
import { playPart, playPartCut, readDialogue } from "./control_dialogue.ts";
import { fuzzControlMachines } from "./control_fuzzing.ts";
import { counting, HEARTBEAT, HOST, NODE, only, saying } from "./control_samples.ts";
import { WAYS_TO_CUT } from "./wire_cases.ts";

const LIMITS = { ...DEFAULT_CONTROL_LIMITS, greetingsMax: 3, sessionsMax: 2, greetingMs: 1000 };

const HELLO: Hello = {
  kind: "hello",
  protocols: { min: 1, max: 1 },
  ...{ version: "0.1.0", jobId: NODE.jobId, nodeId: "a", epoch: 0, hostAddress: "" },
  settingsHash: NODE.settingsHash,
  instance: "i".repeat(16),
  ...{ attempt: 1, sessionId: "", received: 0, hasSecret: false, nonce: counting(32) },
};

function acceptor(options: Partial<AcceptorOptions> = {}): ControlAcceptor {
  const common = { self: HOST, secret: null, heartbeat: HEARTBEAT, limits: LIMITS };
  return new ControlAcceptor({ ...common, ...options });
}

/** Opens a connection and says `frames` on it; each connection draws other numbers. */
function say(
  it: ControlAcceptor,
  connection: number,
  frames: readonly ControlFrame[],
  now = 0,
): AcceptorEffect[] {
  const random = new Uint8Array(ACCEPTOR_RANDOM_BYTES).fill(connection);
  const bytes = concat([CONTROL_PREAMBLE, ...frames.map(encodeFrame)]);
  return [
    ...it.step({ kind: "connected", connection, random }, now),
    ...it.step({ kind: "received", connection, bytes }, now),
  ];
}

/** What the acceptor wrote to a connection. */
function heard(effects: readonly AcceptorEffect[], connection: number): ControlFrame[] {
  const decoder = new FrameDecoder(DEFAULT_CONTROL_LIMITS);
  decoder.allowMessages();
  const written = effects.flatMap((effect) =>
    effect.kind === "write" && effect.connection === connection ? [effect.bytes] : []
  );
  decoder.push(concat(written));
  const frames: ControlFrame[] = [];
  for (let next = decoder.next(); next !== undefined; next = decoder.next()) frames.push(next);
  return frames;
}

/** The welcome among the frames that a connection was sent. */
function welcome(effects: readonly AcceptorEffect[], connection: number): Welcome {
  return only<ControlFrame, "welcome">(heard(effects, connection), "welcome");
}

function kinds(effects: readonly AcceptorEffect[]): string[] {
  return effects.map(({ kind }) => kind).filter((kind) => kind !== "write");
}

for (const name of ["protocol_1", "protocol_1_with_secret", "protocol_1_refused"]) {
  Deno.test(`ControlAcceptor holds the recorded dialogue ${name} word for word, and however it is cut`, () => {
    const lines = readDialogue(name);
    const events = playPart("acceptor", lines);
    const expected = {
      protocol_1: [
        ...["joined node-1 by protocol 1", "message 1 hello", "resumed"],
        ...["message 3 after the cut", "ended goodbye"],
      ],
      protocol_1_with_secret: ["joined node-1 by protocol 1", "ended finished"],
      protocol_1_refused: ["refused"],
    }[name];
    assertEquals(events, expected!);
    for (const cut of Object.values(WAYS_TO_CUT)) assertEquals(playPartCut("acceptor", lines, cut), events);
  });
}

Deno.test("ControlAcceptor of the next version holds the recorded dialogue with one of this version", () => {
  // The same words, though the acceptor could speak a later protocol.
  const lines = ["acceptor speaks 1 2", ...readDialogue("protocol_1")];
  assertEquals(playPart("acceptor", lines)[0], "joined node-1 by protocol 1");
});

Deno.test("ControlAcceptor takes a hello of the next version, with more in it than is known here", () => {
  const it = acceptor();
  const hello = encodeFrame({ ...HELLO, protocols: { min: 1, max: 2 } });
  const longer = concat([hello, new Uint8Array([1, 2, 3])]);
  longer[1]! += 3;
  const unknown = new Uint8Array([77, 2, 0, 0, 0, 9, 9]);
  say(it, 1, []);
  const bytes = concat([unknown, longer, unknown]);
  const effects = it.step({ kind: "received", connection: 1, bytes }, 0);
  assertEquals(only(effects, "joined").peer, { nodeId: "a", version: "0.1.0", protocol: 1 });
});

Deno.test("ControlAcceptor refuses a second agent of a node's name until the first one's session is over", () => {
  const it = acceptor();
  say(it, 1, [HELLO]);
  const twin = { ...HELLO, instance: "j".repeat(16) };
  const effects = say(it, 2, [twin]);
  assertEquals(kinds(effects), ["refused", "close"]);
  const refusal = only<ControlFrame, "refusal">(heard(effects, 2), "refusal");
  assertEquals(refusal.reason, "nodeIsPresent");
  assertMatch(
    only(effects, "refused").problem,
    /^is node "a", which this host refused: it has another agent/,
  );
  // Also in the moment in which the first may come back.
  it.step({ kind: "closed", connection: 1 }, 0);
  assertEquals(kinds(say(it, 3, [twin])), ["refused", "close"]);
  assertEquals(kinds(it.step({ kind: "wakeup" }, LIMITS.resumeMs)), ["ended"]);
  assertEquals(kinds(say(it, 4, [twin], LIMITS.resumeMs)), ["joined"]);
  assertEquals(it.nodeIds, ["a"]);
});

Deno.test("ControlAcceptor sends away who has the host's own name: nothing of it may count as the host's", () => {
  const it = acceptor();
  const effects = say(it, 1, [{ ...HELLO, nodeId: HOST.nodeId }]);
  assertEquals(kinds(effects), ["refused", "close"]);
  assertEquals(only<ControlFrame, "refusal">(heard(effects, 1), "refusal").reason, "nodeIsPresent");
});

Deno.test("ControlAcceptor gives a session 300 ms to come back, and sends what was missed", () => {
  const it = acceptor();
  const { sessionId } = welcome(say(it, 1, [HELLO]), 1);
  it.step({ kind: "closed", connection: 1 }, 1000);
  it.step({ kind: "send", nodeId: "a", message: saying("missed") }, 1100);
  assertEquals(it.step({ kind: "wakeup" }, 1299), []);
  const effects = say(it, 2, [{ ...HELLO, attempt: 2, sessionId }], 1299);
  assertEquals(kinds(effects), ["resumed"]);
  assertEquals(heard(effects, 2).map(({ kind }) => kind), ["welcome", "message", "ping"]);
  it.step({ kind: "closed", connection: 2 }, 2000);
  const [end] = it.step({ kind: "wakeup" }, 2300);
  assertEquals(end, { kind: "ended", nodeId: "a", end: { kind: "notResumed" } });
  // Too late: the session is over, and stays so.
  const late = say(it, 3, [{ ...HELLO, attempt: 3, sessionId }], 2300);
  assertEquals(only<ControlFrame, "refusal">(heard(late, 3), "refusal").reason, "sessionIsOver");
});

Deno.test("ControlAcceptor lets a new connection take the place of one that it still believes in", () => {
  const it = acceptor();
  const { sessionId } = welcome(say(it, 1, [HELLO]), 1);
  const effects = say(it, 2, [{ ...HELLO, attempt: 2, sessionId }], 10);
  assertEquals(effects.filter(({ kind }) => kind !== "write"), [
    { kind: "close", connection: 1 },
    { kind: "resumed", connection: 2, nodeId: "a" },
  ]);
  assertEquals(it.step({ kind: "closed", connection: 1 }, 20), []);
  assertEquals(it.connectionCount, 1);
});

Deno.test("ControlAcceptor goes on with the session of a node that never heard its welcome", () => {
  const it = acceptor();
  const first = welcome(say(it, 1, [HELLO]), 1);
  it.step({ kind: "send", nodeId: "a", message: saying("one") }, 0);
  it.step({ kind: "closed", connection: 1 }, 0);
  const effects = say(it, 2, [{ ...HELLO, attempt: 2 }]);
  assertEquals(kinds(effects), ["resumed"]);
  assertEquals(welcome(effects, 2).sessionId, first.sessionId);
  assertEquals(heard(effects, 2).map(({ kind }) => kind), ["welcome", "message", "ping"]);
});

Deno.test("ControlAcceptor passes over a connection that was overtaken by a later one", () => {
  const it = acceptor();
  say(it, 1, [{ ...HELLO, attempt: 5 }]);
  for (const attempt of [4, 5]) {
    assertEquals(kinds(say(it, attempt + 10, [{ ...HELLO, attempt }])), ["close"]);
  }
  // The one that counts is still there.
  const [sent] = it.step({ kind: "send", nodeId: "a", message: saying("x") }, 0);
  assertEquals(sent?.kind === "write" && sent.connection, 1);
});

Deno.test("ControlAcceptor refuses to resume another session of the same agent", () => {
  const it = acceptor();
  say(it, 1, [HELLO]);
  const effects = say(it, 2, [{ ...HELLO, attempt: 2, sessionId: "s".repeat(16) }]);
  assertEquals(only<ControlFrame, "refusal">(heard(effects, 2), "refusal").reason, "sessionIsOver");
  assertEquals(it.nodeIds, ["a"]);
});

Deno.test("ControlAcceptor tells its owner of a later host, and where it is", () => {
  const it = acceptor();
  const effects = say(it, 1, [{ ...HELLO, epoch: 2, hostAddress: "10.0.0.9:29400" }]);
  assertEquals(only(effects, "outranked"), {
    ...{ kind: "outranked", nodeId: "a", epoch: 2, hostAddress: "10.0.0.9:29400" },
  });
  assertEquals(only<ControlFrame, "refusal">(heard(effects, 1), "refusal").reason, "hostIsOld");
});

for (
  const [what, frames, problem] of [
    ["a message before the hello", [{ kind: "ack", received: 0 }], "sent a ack frame before it was welcomed"],
    ["a proof that nobody asked for", [{ kind: "proof", proof: counting(32) }], "sent a proof frame before"],
    [
      "what only acceptors send",
      [{ kind: "challenge", nonce: counting(32) }],
      "sent a challenge frame before",
    ],
  ] as const
) {
  Deno.test(`ControlAcceptor turns away who sends ${what}`, () => {
    const effects = say(acceptor(), 1, frames);
    assertEquals(kinds(effects), ["refused", "close"]);
    assertMatch(only(effects, "refused").problem, new RegExp(`^${problem}`));
  });
}

for (
  const [what, frames] of [
    ["greets again", [HELLO, HELLO]],
    ["leaves out a message", [HELLO, { kind: "message", sequence: 2, ...saying("b") }]],
    ["has received what was not sent", [{ ...HELLO, received: 1 }]],
  ] as const
) {
  Deno.test(`ControlAcceptor ends the session of a node that ${what}`, () => {
    const it = acceptor();
    const effects = say(it, 1, frames);
    assertEquals(kinds(effects), ["joined", "ended", "close"]);
    assertEquals(only(effects, "ended").end.kind, "broken");
    assertEquals([it.nodeIds, it.connectionCount], [[], 0]);
  });
}

Deno.test("ControlAcceptor limits connections that do not greet, in number and in time", () => {
  const it = acceptor();
  for (let connection = 1; connection <= 3; connection++) {
    assertEquals(say(it, connection, [], connection), []);
  }
  const [refused] = say(it, 4, [], 4);
  assertEquals(
    refused?.kind === "refused" && refused.problem,
    "is one more than the limit of 3 connections without a welcome",
  );
  assertEquals(it.nextWakeup(), 1001);
  const effects = it.step({ kind: "wakeup" }, 1002);
  assertEquals(kinds(effects), ["refused", "close", "refused", "close"]);
  assertEquals(only([effects[0]!], "refused").problem, "did not greet within 1000 ms");
  assertEquals(it.connectionCount, 1);
  // A welcome gives its place free.
  assertEquals(kinds(say(it, 5, [HELLO], 1003)), ["joined"]);
  for (const connection of [6, 7]) assertEquals(say(it, connection, [], 1004), []);
  assertEquals(kinds(say(it, 8, [], 1005)), ["refused", "close"]);
});

Deno.test("ControlAcceptor has no more sessions than its limit", () => {
  const it = acceptor();
  for (const [connection, nodeId] of ["a", "b"].entries()) say(it, connection, [{ ...HELLO, nodeId }]);
  const effects = say(it, 3, [{ ...HELLO, nodeId: "c" }]);
  assertEquals(only<ControlFrame, "refusal">(heard(effects, 3), "refusal").reason, "isFull");
  assertEquals(it.nodeIds, ["a", "b"]);
});

Deno.test("ControlAcceptor finds a silent node by the deadline", () => {
  const it = acceptor();
  say(it, 1, [HELLO], 0);
  assertEquals(kinds(it.step({ kind: "wakeup" }, HEARTBEAT.silenceMs - 1)), []);
  assertEquals(it.nextWakeup(), HEARTBEAT.silenceMs);
  const effects = it.step({ kind: "wakeup" }, HEARTBEAT.silenceMs);
  assertEquals(effects, [
    { kind: "ended", nodeId: "a", end: { kind: "silent" } },
    { kind: "close", connection: 1 },
  ]);
});

Deno.test("ControlAcceptor gives a lost node its moment again when it did not run in it", () => {
  const it = acceptor();
  say(it, 1, [HELLO], 0);
  it.step({ kind: "closed", connection: 1 }, 0);
  const late = LIMITS.resumeMs + OVERSLEPT_MS + 1;
  assertEquals(it.step({ kind: "wakeup" }, late), []);
  assertEquals(it.nextWakeup(), late + LIMITS.resumeMs);
  assertEquals(kinds(it.step({ kind: "wakeup" }, late + LIMITS.resumeMs)), ["ended"]);
});

Deno.test("ControlAcceptor and ControlInitiator survive strangers within their limits", () => {
  fuzzControlMachines(new Prng(4096), 1_500);
});
