import { assertEquals, assertThrows } from "@std/assert";
import { FrameDecoder } from "../../lib/store/control_codec.ts";
import { DEFAULT_CONTROL_LIMITS } from "../../lib/store/control_limits.ts";
import { ControlSession, type SessionNews } from "../../lib/store/control_session.ts";
import { CONTROL_PREAMBLE, type ControlFrame, type SessionFrame } from "../../lib/store/control_wire.ts";
import { PeerError } from "../../lib/store/wire.ts";
import { HEARTBEAT, saying, textOf } from "./control_samples.ts";

const LIMITS = { ...DEFAULT_CONTROL_LIMITS, unackedMessagesMax: 5, unackedBytesMax: 20_000 };

function session(): ControlSession {
  return new ControlSession(LIMITS, HEARTBEAT);
}

/** What was written, but for pings. */
function frames(news: readonly SessionNews[]): ControlFrame[] {
  const decoder = new FrameDecoder(DEFAULT_CONTROL_LIMITS);
  decoder.allowMessages();
  const found: ControlFrame[] = [];
  const take = (bytes: Uint8Array) => {
    decoder.push(bytes);
    for (let next = decoder.next(); next !== undefined; next = decoder.next()) {
      if (next.kind !== "ping") found.push(next);
    }
    decoder.settle();
  };
  take(CONTROL_PREAMBLE);
  for (const item of news) if (item.kind === "write") take(item.bytes);
  return found;
}

/** Sequence numbers and texts of the messages written. */
function written(news: readonly SessionNews[]): [number, string][] {
  return frames(news).flatMap((frame) => frame.kind === "message" ? [[frame.sequence, textOf(frame)]] : []);
}

function message(sequence: number, text: string, type = 1): SessionFrame {
  return { kind: "message", sequence, ...saying(text, type) };
}

Deno.test("ControlSession sends on the next connection what it could not send before", () => {
  const it = session();
  assertEquals(it.send(saying("a")), []);
  assertEquals(it.send(saying("b")), []);
  assertEquals(written(it.open(0, 0)), [[1, "a"], [2, "b"]]);
  assertEquals(written(it.send(saying("c"))), [[3, "c"]]);
});

Deno.test("ControlSession sends again what was not acknowledged, and nothing else", () => {
  const it = session();
  it.open(0, 0);
  for (const text of ["a", "b", "c", "d"]) it.send(saying(text));
  it.take({ kind: "ack", received: 1 }, 0);
  it.close();
  it.send(saying("e"));
  // The other side had received more than it could say.
  assertEquals(written(it.open(3, 0)), [[4, "d"], [5, "e"]]);
  assertEquals(it.unackedBytes, 2);
  it.close();
  assertEquals(written(it.open(5, 0)), []);
  assertEquals(it.unackedBytes, 0);
});

Deno.test("ControlSession refuses acknowledgements of what was never sent, or taken back", () => {
  const it = session();
  it.open(0, 0);
  it.send(saying("a"));
  it.send(saying("b"));
  it.take({ kind: "ack", received: 2 }, 0);
  for (const received of [1, 3]) {
    assertThrows(() => it.take({ kind: "ack", received }, 0), PeerError, `acknowledged message ${received}`);
  }
  it.close();
  assertThrows(() => it.open(3, 0), PeerError, "which is not one of 2 to 2");
});

Deno.test("ControlSession gives out messages in order and refuses a gap or a repetition", () => {
  const it = session();
  it.open(0, 0);
  assertEquals(it.take(message(1, "a", 9), 0), [{ kind: "message", message: saying("a", 9) }]);
  assertEquals(frames(it.acknowledge()), [{ kind: "ack", received: 1 }]);
  assertEquals(it.acknowledge(), []);
  assertThrows(() => it.take(message(1, "a"), 0), PeerError, "sent message 1 after message 1");
  assertThrows(() => it.take(message(3, "c"), 0), PeerError, "sent message 3 after message 1");
  assertEquals(it.received, 1);
});

Deno.test("ControlSession is finished when all and the end are acknowledged", () => {
  const it = session();
  it.open(0, 0);
  it.send(saying("a"));
  assertEquals(frames(it.end()), [{ kind: "message", sequence: 2, type: 0, payload: new Uint8Array(0) }]);
  assertEquals(it.isEnding, true);
  assertEquals(it.send(saying("too late")), []);
  assertEquals(it.end(), []);
  assertEquals(it.take({ kind: "ack", received: 1 }, 0), []);
  assertEquals(it.take({ kind: "ack", received: 2 }, 0), [{ kind: "over", end: { kind: "finished" } }]);
});

Deno.test("ControlSession says its end again on the next connection, or learns there that it was heard", () => {
  for (const received of [0, 1]) {
    const it = session();
    it.open(0, 0);
    it.end();
    it.close();
    const news = it.open(received, 0);
    assertEquals(frames(news).length, 1 - received);
    assertEquals(news.some(({ kind }) => kind === "over"), received === 1);
  }
});

Deno.test("ControlSession acknowledges the other side's end before it is over", () => {
  const it = session();
  it.open(0, 0);
  it.take(message(1, "a"), 0);
  const news = it.take({ kind: "message", sequence: 2, type: 0, payload: new Uint8Array(0) }, 0);
  assertEquals(frames(news.slice(0, -1)), [{ kind: "ack", received: 2 }]);
  assertEquals(news.at(-1), { kind: "over", end: { kind: "goodbye" } });
});

Deno.test("ControlSession is over when more is unacknowledged than it may keep, in number or in bytes", () => {
  const many = session();
  for (let count = 0; count < 5; count++) assertEquals(many.send(saying("")), []);
  assertEquals(many.send(saying("")), [{ kind: "over", end: { kind: "backlogged" } }]);
  const large = session();
  large.send({ type: 1, payload: new Uint8Array(20_000) });
  assertEquals(large.unackedBytes, 20_000);
  assertEquals(large.send(saying("x")), [{ kind: "over", end: { kind: "backlogged" } }]);
});

Deno.test("ControlSession puts long content on the wire without a copy", () => {
  const it = session();
  it.open(0, 0);
  const payload = new Uint8Array(10_000).fill(7);
  const news = it.send({ type: 2, payload });
  const last = news.at(-1);
  assertEquals(last?.kind === "write" && last.bytes === payload, true);
  assertEquals(frames(news), [{ kind: "message", sequence: 1, type: 2, payload }]);
});

Deno.test("ControlSession answers pings with its clock and is silent about nothing without a connection", () => {
  const it = session();
  assertEquals(it.nextWakeup(), undefined);
  assertEquals(it.wake(1_000_000), []);
  it.open(0, 50);
  assertEquals(frames(it.take({ kind: "ping", id: 3 }, 1234.5)), [{ kind: "pong", id: 3, clockMs: 1234.5 }]);
  assertEquals(it.nextWakeup(), 50 + HEARTBEAT.silenceMs);
  assertEquals(it.wake(50 + HEARTBEAT.silenceMs), [{ kind: "over", end: { kind: "silent" } }]);
});
