/**
 * One session between two agents, seen from either side: messages come in order, none lost and none twice, though
 * connections come and go beneath. What was sent is kept until the other side says that it has it, and is sent again on
 * the next connection. A session is over when one side's last message, the end, is acknowledged.
 */

import { assert, unreachable } from "../core/assert.ts";
import type { InstantMs } from "../core/time.ts";
import { encodeFrame, encodeMessageHead } from "./control_codec.ts";
import { type ClockEstimate, Heartbeat, type HeartbeatSettings } from "./control_heartbeat.ts";
import type { ControlLimits } from "./control_limits.ts";
import { END_TYPE, MESSAGE_TYPE_MAX, type SessionFrame } from "./control_wire.ts";
import { PeerError } from "./wire.ts";

export interface ControlMessage {
  /** 1 to 65535; what it means is between sender and receiver, who must pass over types that it does not know. */
  readonly type: number;
  /** Must not change any more. */
  readonly payload: Uint8Array;
}

/** What a session has to say to its owner. */
export type SessionNews =
  | { readonly kind: "write"; readonly bytes: Uint8Array }
  | { readonly kind: "message"; readonly message: ControlMessage }
  | { readonly kind: "over"; readonly end: SessionEnd };

/** How a session ended. */
export type SessionEnd =
  /** We ended it, and the other side knows. */
  | { readonly kind: "finished" }
  /** The other side ended it. */
  | { readonly kind: "goodbye" }
  /** Its connection was lost and not replaced in time; after an end of ours: nobody can say whether it was heard. */
  | { readonly kind: "notResumed" }
  /** The connection stands, and nothing comes. */
  | { readonly kind: "silent" }
  /** More was sent than the other side takes. */
  | { readonly kind: "backlogged" }
  /** The other side broke the protocol; a clause without subject. */
  | { readonly kind: "broken"; readonly problem: string };

/** From this length on a message's content is not copied. */
const REFERENCED_BYTES_MIN = 4096;
const NOTHING = new Uint8Array(0);

export class ControlSession {
  readonly #limits: ControlLimits;
  readonly #heartbeat: Heartbeat;
  readonly #unacked: ControlMessage[] = [];
  #unackedBytes = 0;
  /** Sequence numbers: of the last message sent, received, acknowledged by us. */
  #sent = 0;
  #received = 0;
  #acknowledged = 0;
  #isOpen = false;
  #isEnding = false;

  constructor(limits: ControlLimits, heartbeat: HeartbeatSettings) {
    this.#limits = limits;
    this.#heartbeat = new Heartbeat(heartbeat);
  }

  /** Sequence number of the last message that came. */
  get received(): number {
    return this.#received;
  }

  /** Bytes kept to be sent again. */
  get unackedBytes(): number {
    return this.#unackedBytes;
  }

  /** The end is sent, or will be with the next connection. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  get clock(): ClockEstimate | null {
    return this.#heartbeat.clock;
  }

  /** The other side kept the session at this instant or later, as its answers to our pings show. */
  get provedAt(): InstantMs {
    return this.#heartbeat.provedAt;
  }

  /** A connection is there, whose other side has received `theirReceived` messages. @throws {PeerError} It can't have. */
  open(theirReceived: number, now: InstantMs): SessionNews[] {
    assert(!this.#isOpen, "The session has a connection already");
    this.#forget(theirReceived);
    this.#isOpen = true;
    this.#acknowledged = this.#received;
    this.#heartbeat.start(now);
    const news: SessionNews[] = [];
    const first = this.#sent - this.#unacked.length + 1;
    this.#unacked.forEach((message, index) => this.#write(message, first + index, news));
    if (this.#isEnding && this.#unacked.length === 0) news.push({ kind: "over", end: { kind: "finished" } });
    return [...news, ...this.wake(now)];
  }

  /** The connection is gone. */
  close(): void {
    this.#isOpen = false;
  }

  /** Sends a message, now or with the next connection. */
  send(message: ControlMessage): SessionNews[] {
    const { type, payload } = message;
    assert(type > END_TYPE && type <= MESSAGE_TYPE_MAX, `No type of message: ${type}`);
    assert(payload.length <= this.#limits.messageBytesMax, `A message has ${payload.length} bytes`);
    return this.#isEnding ? [] : this.#enqueue(message);
  }

  /** Ends the session, once all that was sent has arrived. */
  end(): SessionNews[] {
    if (this.#isEnding) return [];
    this.#isEnding = true;
    return this.#enqueue({ type: END_TYPE, payload: NOTHING });
  }

  /** Takes a frame. @throws {PeerError} It is out of order. */
  take(frame: SessionFrame, now: InstantMs): SessionNews[] {
    switch (frame.kind) {
      case "message": {
        const { sequence, type, payload } = frame;
        if (sequence !== this.#received + 1) {
          throw new PeerError(`sent message ${sequence} after message ${this.#received}`);
        }
        this.#received = sequence;
        if (type !== END_TYPE) return [{ kind: "message", message: { type, payload } }];
        return [...this.acknowledge(), { kind: "over", end: { kind: "goodbye" } }];
      }
      case "ack":
        this.#forget(frame.received);
        return this.#isEnding && this.#unacked.length === 0
          ? [{ kind: "over", end: { kind: "finished" } }]
          : [];
      case "ping":
        return [{ kind: "write", bytes: encodeFrame({ kind: "pong", id: frame.id, clockMs: now }) }];
      case "pong":
        this.#heartbeat.answered(frame.id, frame.clockMs, now);
        return [];
      default:
        return unreachable(frame);
    }
  }

  /** Bytes came: the other side is alive. */
  heard(now: InstantMs): void {
    this.#heartbeat.heard(now);
  }

  /** Tells the other side what has come since the last time, to be called after each batch of frames. */
  acknowledge(): SessionNews[] {
    if (this.#acknowledged === this.#received) return [];
    this.#acknowledged = this.#received;
    return [{ kind: "write", bytes: encodeFrame({ kind: "ack", received: this.#received }) }];
  }

  wake(now: InstantMs): SessionNews[] {
    if (!this.#isOpen) return [];
    const due = this.#heartbeat.wake(now);
    if (due === null) return [];
    if (due.kind === "silent") return [{ kind: "over", end: { kind: "silent" } }];
    return [{ kind: "write", bytes: encodeFrame(due) }];
  }

  nextWakeup(): InstantMs | undefined {
    return this.#isOpen ? this.#heartbeat.nextWakeup() : undefined;
  }

  #enqueue(message: ControlMessage): SessionNews[] {
    this.#sent++;
    this.#unacked.push(message);
    this.#unackedBytes += message.payload.length;
    const { unackedBytesMax, unackedMessagesMax } = this.#limits;
    if (this.#unackedBytes > unackedBytesMax || this.#unacked.length > unackedMessagesMax) {
      return [{ kind: "over", end: { kind: "backlogged" } }];
    }
    const news: SessionNews[] = [];
    if (this.#isOpen) this.#write(message, this.#sent, news);
    return news;
  }

  #write({ type, payload }: ControlMessage, sequence: number, news: SessionNews[]): void {
    if (payload.length < REFERENCED_BYTES_MIN) {
      news.push({ kind: "write", bytes: encodeFrame({ kind: "message", sequence, type, payload }) });
    } else {
      news.push({ kind: "write", bytes: encodeMessageHead(sequence, type, payload.length) });
      news.push({ kind: "write", bytes: payload });
    }
  }

  /** The other side has all messages up to `theirReceived`. */
  #forget(theirReceived: number): void {
    const known = this.#sent - this.#unacked.length;
    if (theirReceived < known || theirReceived > this.#sent) {
      throw new PeerError(
        `acknowledged message ${theirReceived}, which is not one of ${known} to ${this.#sent}`,
      );
    }
    for (const { payload } of this.#unacked.splice(0, theirReceived - known)) {
      this.#unackedBytes -= payload.length;
    }
  }
}
