/** Hostile bytes for the control channel's decoder and machines: shared by the tests and `deno task fuzz`. */

import { assert } from "../../lib/core/assert.ts";
import { byteString, concat } from "../../lib/core/bytes.ts";
import type { Prng } from "../../lib/core/prng.ts";
import { ACCEPTOR_RANDOM_BYTES, ControlAcceptor } from "../../lib/store/control_acceptor.ts";
import { encodeFrame, FrameDecoder } from "../../lib/store/control_codec.ts";
import { ControlInitiator } from "../../lib/store/control_initiator.ts";
import { type ControlLimits, DEFAULT_CONTROL_LIMITS } from "../../lib/store/control_limits.ts";
import {
  CONTROL_PREAMBLE,
  type ControlFrame,
  type Hello,
  ID_BYTES,
  NONCE_BYTES,
  REFUSAL_KINDS,
  type RefusalKind,
} from "../../lib/store/control_wire.ts";
import { PeerError } from "../../lib/store/wire.ts";
import { HEARTBEAT, HOST, NODE } from "./control_samples.ts";

/** Low, so that random lengths often come near them. */
const FUZZ_LIMITS: ControlLimits = {
  ...DEFAULT_CONTROL_LIMITS,
  greetingBytesMax: 400,
  greetingsMax: 4,
  sessionsMax: 4,
  messageBytesMax: 1000,
  unackedBytesMax: 4000,
  unackedMessagesMax: 8,
};
const MESSAGE_BODY_BYTES_MAX = FUZZ_LIMITS.messageBytesMax + 10;

/** Any frame, often one that a machine takes. */
export function randomFrame(prng: Prng): ControlFrame {
  const bytes = (length: number) => Uint8Array.from({ length }, () => prng.below(256));
  const byteText = (length: number) => String.fromCharCode(...bytes(length));
  const text = () => prng.pick(["", "a", "llama", "näme", "x".repeat(prng.below(60))]);
  const number = () => prng.pick([0, 1, 2, prng.below(10), prng.next() * 2 ** 20]);
  const id = () => prng.pick(["", "i".repeat(ID_BYTES), "j".repeat(ID_BYTES), byteText(prng.below(20))]);
  switch (prng.below(10)) {
    case 0:
    case 1: {
      const { version, settingsHash } = NODE;
      const usual: Omit<Hello, "attempt"> = {
        kind: "hello",
        protocols: { min: 1, max: 1 + prng.below(2) },
        ...{ version, settingsHash, jobId: NODE.jobId, nodeId: prng.pick(["a", "b", "c", "d", "e"]) },
        ...{ epoch: prng.below(3), hostAddress: text() },
        instance: prng.pick(["i", "j"]).repeat(ID_BYTES),
        ...{ sessionId: prng.pick(["", "", id()]), received: prng.below(3) },
        ...{ hasSecret: prng.chance(1, 20), nonce: bytes(NONCE_BYTES) },
      };
      const odd = prng.chance(1, 4)
        ? { jobId: text(), settingsHash: byteText(prng.below(9)), instance: id(), epoch: number() }
        : {};
      return { ...usual, ...odd, attempt: prng.below(5) };
    }
    case 2:
      return { kind: "challenge", nonce: bytes(NONCE_BYTES) };
    case 3:
      return { kind: "proof", proof: bytes(NONCE_BYTES) };
    case 4: {
      const numbers = { protocol: prng.below(3), epoch: number(), received: prng.below(3) };
      const proof = bytes(prng.below(40));
      return { kind: "welcome", ...numbers, version: text(), nodeId: text(), sessionId: id(), proof };
    }
    case 5: {
      const reasons = Object.keys(REFUSAL_KINDS) as RefusalKind[];
      const reason = prng.pick([...reasons, "other" as const]);
      return { kind: "refusal", reason, epoch: number(), hostAddress: text(), detail: text() };
    }
    case 6:
    case 7: {
      const payload = bytes(prng.below(prng.pick([3, 100, 1200])));
      return { kind: "message", sequence: 1 + prng.below(4), type: prng.below(4), payload };
    }
    case 8:
      return { kind: "ack", received: prng.below(5) };
    default:
      return prng.chance(1, 2)
        ? { kind: "ping", id: prng.next() }
        : { kind: "pong", id: prng.below(4), clockMs: prng.next() };
  }
}

/**
 * Feeds `count` inputs to decoders. Each is frames, mutated or cut or neither, or noise. What must hold: only `PeerError`
 * is thrown; the frames before the first wrong byte come out as they went in; no more is kept than one frame.
 */
export function fuzzControlDecoder(prng: Prng, count: number): void {
  for (let index = 0; index < count; index++) {
    const frames = Array.from({ length: 1 + prng.below(3) }, () => randomFrame(prng));
    const parts = [CONTROL_PREAMBLE, ...frames.map(encodeFrame)];
    const ends: number[] = [];
    parts.reduce((end, part) => (ends.push(end + part.length), end + part.length), 0);
    const input = concat(parts);
    const damagedFrom = damage(prng, input);
    const { decoded, fed, hasFailed } = decodeCut(prng, input);
    for (const [position, end] of ends.slice(1).entries()) {
      if (end > Math.min(damagedFrom, fed)) break;
      const found = decoded[position];
      assert(found !== undefined || hasFailed, `Lost frame ${position}: ${JSON.stringify(frames[position])}`);
      if (found === undefined) break;
      assert(isSame(found, frames[position]!), `Frame ${position} changed: ${JSON.stringify(found)}`);
    }
  }
}

/**
 * Plays `count` strangers against both machines: frames and noise on several connections at once, cut and closed at
 * random. What must hold: nothing is thrown, and the machines keep to their limits.
 */
export function fuzzControlMachines(prng: Prng, count: number): void {
  for (let index = 0; index < count; index++) {
    fuzzAcceptor(prng);
    fuzzInitiator(prng);
  }
}

function fuzzAcceptor(prng: Prng): void {
  const common = { secret: null, heartbeat: HEARTBEAT, limits: FUZZ_LIMITS };
  const acceptor = new ControlAcceptor({ ...common, self: HOST });
  const connections: number[] = [];
  let last = 0;
  for (let step = 0, now = 0; step < 60; step++, now += prng.below(prng.chance(1, 10) ? 4000 : 40)) {
    const connection = connections.length === 0 ? 0 : prng.pick(connections);
    const nodeId = prng.pick(["a", "b", "c"]);
    switch (prng.below(8)) {
      case 0:
      case 1: {
        const random = new Uint8Array(ACCEPTOR_RANDOM_BYTES).fill(prng.below(256));
        acceptor.step({ kind: "connected", connection: ++last, random }, now);
        connections.push(last);
        acceptor.step({ kind: "received", connection: last, bytes: CONTROL_PREAMBLE }, now);
        break;
      }
      case 2:
        acceptor.step({ kind: "closed", connection }, now);
        break;
      case 3:
        acceptor.step({ kind: "wakeup" }, now);
        break;
      case 4: {
        const payload = new Uint8Array(prng.below(FUZZ_LIMITS.messageBytesMax + 1));
        acceptor.step({ kind: "send", nodeId, message: { type: 1 + prng.below(9), payload } }, now);
        break;
      }
      default:
        acceptor.step({ kind: "received", connection, bytes: hostileBytes(prng) }, now);
    }
    const { greetingsMax, sessionsMax } = FUZZ_LIMITS;
    assert(acceptor.nodeIds.length <= sessionsMax, "Too many sessions");
    assert(acceptor.connectionCount <= greetingsMax + sessionsMax, "Too many connections");
  }
}

function fuzzInitiator(prng: Prng): void {
  const initiator = new ControlInitiator({
    ...{ self: NODE, secret: null, heartbeat: HEARTBEAT, limits: FUZZ_LIMITS, connectMs: 10_000 },
    ...{ instance: "i".repeat(ID_BYTES), prng },
  });
  let now = 0;
  let connection = 0;
  const see = (effects: ReturnType<ControlInitiator["step"]>) => {
    for (const effect of effects) if (effect.kind === "connect") connection = effect.connection;
  };
  see(initiator.step({ kind: "start" }, now));
  for (let step = 0, isUp = false; step < 40; step++, now += prng.below(200)) {
    const before = connection;
    if (!isUp) {
      see(initiator.step({ kind: "connected", connection, nonce: new Uint8Array(NONCE_BYTES) }, now));
      see(initiator.step({ kind: "received", connection, bytes: CONTROL_PREAMBLE }, now));
      isUp = true;
    } else if (prng.chance(1, 12)) {
      see(initiator.step({ kind: "closed", connection }, now));
    } else if (prng.chance(1, 6)) {
      see(initiator.step({ kind: "wakeup" }, now));
    } else {
      see(initiator.step({ kind: "received", connection, bytes: hostileBytes(prng) }, now));
    }
    if (connection !== before) isUp = false;
  }
}

function hostileBytes(prng: Prng): Uint8Array {
  const bytes = encodeFrame(randomFrame(prng));
  if (prng.chance(1, 4)) damage(prng, bytes);
  return prng.chance(1, 8) ? bytes.subarray(0, prng.below(bytes.length + 1)) : bytes;
}

/** Changes a few bytes of `input`, or none, or all; returns where the first change is. */
function damage(prng: Prng, input: Uint8Array): number {
  if (prng.chance(1, 4)) return Infinity;
  if (prng.chance(1, 10)) {
    input.forEach((_, at) => input[at] = prng.next());
    return 0;
  }
  let first = Infinity;
  for (let changes = 1 + prng.below(4); changes > 0; changes--) {
    const at = prng.below(input.length);
    input[at] = prng.chance(1, 3) ? prng.pick([0, 1, 0x7f, 0x80, 0xff]) : prng.next();
    first = Math.min(first, at);
  }
  return first;
}

function decodeCut(prng: Prng, input: Uint8Array) {
  const decoder = new FrameDecoder(FUZZ_LIMITS);
  const isWelcome = prng.chance(1, 2);
  if (isWelcome) decoder.allowMessages();
  const frameBytesMax = 5 + (isWelcome ? MESSAGE_BODY_BYTES_MAX : FUZZ_LIMITS.greetingBytesMax);
  const decoded: ControlFrame[] = [];
  const fed = prng.chance(1, 2) ? input.length : prng.below(input.length + 1);
  const pieceMax = prng.pick([1, 7, 64, 100_000]);
  try {
    for (let offset = 0; offset < fed;) {
      const end = Math.min(fed, offset + 1 + prng.below(pieceMax));
      decoder.push(input.slice(offset, end));
      for (let next = decoder.next(); next !== undefined; next = decoder.next()) decoded.push(next);
      decoder.settle();
      assert(decoder.keptBytes <= frameBytesMax, `Keeps ${decoder.keptBytes} bytes`);
      offset = end;
    }
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return { decoded, fed, hasFailed: true };
  }
  return { decoded, fed, hasFailed: false };
}

function isSame(a: ControlFrame, b: ControlFrame): boolean {
  return byteString(encodeFrame(a)) === byteString(encodeFrame(b));
}
