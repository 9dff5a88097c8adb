/**
 * Frames of the control channel (control_wire.ts) to bytes and back. Reading is incremental: a frame, or undefined when
 * more bytes are needed, or `PeerError`; the three are never confused.
 */

import { unreachable } from "../core/assert.ts";
import { byteString } from "../core/bytes.ts";
import { ByteReader } from "./byte_reader.ts";
import { BodyReader, BodyWriter } from "./control_body.ts";
import type { ControlLimits } from "./control_limits.ts";
import {
  CONTROL_PREAMBLE,
  type ControlFrame,
  FRAME_KINDS,
  type Hello,
  NONCE_BYTES,
  type Refusal,
  REFUSAL_KINDS,
  type RefusalKind,
  type Welcome,
} from "./control_wire.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { strangerName } from "./stranger.ts";
import { PeerError } from "./wire.ts";

/** The whole frame. */
export function encodeFrame(frame: ControlFrame): Uint8Array {
  const writer = new BodyWriter();
  switch (frame.kind) {
    case "hello":
      writeHello(writer, frame);
      break;
    case "challenge":
      writer.sized(frame.nonce);
      break;
    case "proof":
      writer.sized(frame.proof);
      break;
    case "welcome":
      writeWelcome(writer, frame);
      break;
    case "refusal":
      writer.uint8(frame.reason === "other" ? OTHER_REASON : REFUSAL_KINDS[frame.reason]);
      writer.uint53(frame.epoch);
      writer.text(frame.hostAddress);
      writer.text(frame.detail);
      break;
    case "message":
      writer.uint53(frame.sequence);
      writer.uint16(frame.type);
      writer.raw(frame.payload);
      break;
    case "ack":
      writer.uint53(frame.received);
      break;
    case "ping":
      writer.uint32(frame.id);
      break;
    case "pong":
      writer.uint32(frame.id);
      writer.uint53(Math.round(frame.clockMs * MICROSECONDS));
      break;
    default:
      unreachable(frame);
  }
  return writer.frame(FRAME_KINDS[frame.kind]);
}

/** A message's frame up to its content of `payloadBytes`, which is to follow: long content is not copied. */
export function encodeMessageHead(sequence: number, type: number, payloadBytes: number): Uint8Array {
  const writer = new BodyWriter();
  writer.uint53(sequence);
  writer.uint16(type);
  return writer.frame(FRAME_KINDS.message, payloadBytes);
}

const MICROSECONDS = 1000;
const OTHER_REASON = 0;
/** A message's sequence number and type. */
const MESSAGE_HEAD_BYTES = 10;

const KINDS_BY_NUMBER = new Map(
  Object.entries(FRAME_KINDS).map(([kind, number]) => [number, kind as ControlFrame["kind"]]),
);
const REASONS_BY_NUMBER = new Map<number, RefusalKind>(
  Object.entries(REFUSAL_KINDS).map(([kind, number]) => [number, kind as RefusalKind]),
);

export class FrameDecoder {
  readonly #limits: ControlLimits;
  readonly #reader = new ByteReader(DEFAULT_LIMITS);
  #hasPreamble = false;
  #frameBytesMax: number;

  constructor(limits: ControlLimits) {
    this.#limits = limits;
    this.#frameBytesMax = limits.greetingBytesMax;
  }

  /** Bytes kept of an unfinished frame. */
  get keptBytes(): number {
    return this.#reader.available;
  }

  /** The peer has a session: from now on its frames may be as long as a message. */
  allowMessages(): void {
    this.#frameBytesMax = Math.max(
      this.#limits.greetingBytesMax,
      this.#limits.messageBytesMax + MESSAGE_HEAD_BYTES,
    );
  }

  /** Takes bytes as they were read. `chunk` stays the caller's; call `next` until it gives nothing, then `settle`. */
  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /** Copies what is left of the last chunk, which the caller may use again from then on. */
  settle(): void {
    this.#reader.settle();
  }

  /**
   * The next whole frame of a kind that is known, or undefined when it has not arrived.
   * @throws {PeerError} The peer does not speak the protocol, or passes a limit. Nothing can follow.
   */
  next(): ControlFrame | undefined {
    if (!this.#hasPreamble && !this.#readPreamble()) return undefined;
    const reader = this.#reader;
    while (reader.begin()) {
      const number = reader.uint8()!;
      const length = reader.uint32();
      if (length === undefined) return undefined;
      if (length > this.#frameBytesMax) {
        throw new PeerError(`sent a frame of ${length} bytes, over the limit of ${this.#frameBytesMax}`);
      }
      const body = reader.bytes(length);
      if (body === undefined) return undefined;
      reader.commit();
      const kind = KINDS_BY_NUMBER.get(number);
      if (kind !== undefined) return readFrame(kind, new BodyReader(kind, body));
    }
    return undefined;
  }

  #readPreamble(): boolean {
    const first = this.#reader.peek();
    const length = Math.min(first.length, CONTROL_PREAMBLE.length);
    for (let index = 0; index < length; index++) {
      if (first[index] !== CONTROL_PREAMBLE[index]) throw new PeerError(strangerName(first));
    }
    if (length < CONTROL_PREAMBLE.length) return false;
    this.#reader.begin();
    this.#reader.bytes(length);
    this.#reader.commit();
    this.#hasPreamble = true;
    return true;
  }
}

function readFrame(kind: ControlFrame["kind"], reader: BodyReader): ControlFrame {
  switch (kind) {
    case "hello":
      return readHello(reader);
    case "challenge":
      return { kind, nonce: reader.sizedExactly(NONCE_BYTES) };
    case "proof":
      return { kind, proof: reader.sizedExactly(NONCE_BYTES) };
    case "welcome":
      return readWelcome(reader);
    case "refusal":
      return readRefusal(reader);
    case "message":
      return { kind, sequence: reader.uint53(), type: reader.uint16(), payload: reader.rest() };
    case "ack":
      return { kind, received: reader.uint53() };
    case "ping":
      return { kind, id: reader.uint32() };
    case "pong":
      return { kind, id: reader.uint32(), clockMs: reader.uint53() / MICROSECONDS };
    default:
      return unreachable(kind);
  }
}

function writeHello(writer: BodyWriter, hello: Hello): void {
  writer.uint16(hello.protocols.min);
  writer.uint16(hello.protocols.max);
  writer.text(hello.version);
  writer.text(hello.jobId);
  writer.text(hello.nodeId);
  writer.uint53(hello.epoch);
  writer.text(hello.hostAddress);
  writer.sized(hello.settingsHash);
  writer.sized(hello.instance);
  writer.uint32(hello.attempt);
  writer.sized(hello.sessionId);
  writer.uint53(hello.received);
  writer.uint8(hello.hasSecret ? 1 : 0);
  writer.sized(hello.nonce);
}

/** Fields are read in the order in which they are written here. */
function readHello(reader: BodyReader): Hello {
  return {
    kind: "hello",
    protocols: { min: reader.uint16(), max: reader.uint16() },
    version: reader.text(),
    jobId: reader.text(),
    nodeId: reader.text(),
    epoch: reader.uint53(),
    hostAddress: reader.text(),
    settingsHash: byteString(reader.sized()),
    instance: byteString(reader.sized()),
    attempt: reader.uint32(),
    sessionId: byteString(reader.sized()),
    received: reader.uint53(),
    hasSecret: reader.uint8() === 1,
    nonce: reader.sizedExactly(NONCE_BYTES),
  };
}

function writeWelcome(writer: BodyWriter, welcome: Welcome): void {
  writer.uint16(welcome.protocol);
  writer.text(welcome.version);
  writer.text(welcome.nodeId);
  writer.uint53(welcome.epoch);
  writer.sized(welcome.sessionId);
  writer.uint53(welcome.received);
  writer.sized(welcome.proof);
}

function readWelcome(reader: BodyReader): Welcome {
  return {
    kind: "welcome",
    protocol: reader.uint16(),
    version: reader.text(),
    nodeId: reader.text(),
    epoch: reader.uint53(),
    sessionId: byteString(reader.sized()),
    received: reader.uint53(),
    proof: reader.sized(),
  };
}

function readRefusal(reader: BodyReader): Refusal {
  return {
    kind: "refusal",
    reason: REASONS_BY_NUMBER.get(reader.uint8()) ?? "other",
    epoch: reader.uint53(),
    hostAddress: reader.text(),
    detail: reader.text(),
  };
}
