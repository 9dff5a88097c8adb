/**
 * The side of the control channel that connects: one session with one host. It keeps trying until the host welcomes
 * it, and comes back by itself when the connection is lost; the session is over when that fails for `resumeMs`, or at
 * once when nobody listens on the host's port any more.
 *
 * The owner carries out the effects in order. A connection that an effect closes is gone for the machine, whatever
 * becomes of its socket or of the attempt to connect; later events of it are passed over.
 */

import { assert, assertDefined, unreachable } from "../core/assert.ts";
import type { Prng } from "../core/prng.ts";
import { Deadlines, durationText, type InstantMs } from "../core/time.ts";
import { encodeFrame, FrameDecoder } from "./control_codec.ts";
import { type ClockEstimate, type HeartbeatSettings, OVERSLEPT_MS } from "./control_heartbeat.ts";
import { type ControlIdentity, isPassing } from "./control_identity.ts";
import type { ControlLimits } from "./control_limits.ts";
import type { ControlSecret, ProofSubject } from "./control_secret.ts";
import { type ControlMessage, ControlSession, type SessionEnd, type SessionNews } from "./control_session.ts";
import {
  CONTROL_PREAMBLE,
  CONTROL_PROTOCOLS,
  type ControlFrame,
  ID_BYTES,
  isSessionFrame,
  NONCE_BYTES,
  type Refusal,
  type Welcome,
} from "./control_wire.ts";
import { PeerError } from "./wire.ts";

export interface InitiatorOptions {
  readonly self: ControlIdentity;
  readonly secret: ControlSecret | null;
  readonly heartbeat: HeartbeatSettings;
  readonly limits: ControlLimits;
  /** How long to try for the first welcome. */
  readonly connectMs: number;
  /** Byte string of `ID_BYTES` that nobody can guess: who else knows it can take the session over. */
  readonly instance: string;
  /** For the pauses between attempts. */
  readonly prng: Prng;
}

export type InitiatorEvent =
  | { readonly kind: "start" }
  /** `nonce`: `NONCE_BYTES` drawn for this connection alone. */
  | { readonly kind: "connected"; readonly connection: number; readonly nonce: Uint8Array }
  /** `wasRefused`: the system says that nobody listens there. `problem`: a clause without subject. */
  | {
    readonly kind: "connectFailed";
    readonly connection: number;
    readonly wasRefused: boolean;
    readonly problem: string;
  }
  | { readonly kind: "received"; readonly connection: number; readonly bytes: Uint8Array }
  | { readonly kind: "closed"; readonly connection: number }
  | { readonly kind: "send"; readonly message: ControlMessage }
  /** Ends the session, once all that was sent has arrived. */
  | { readonly kind: "end" }
  | { readonly kind: "wakeup" };

export type InitiatorEffect =
  | { readonly kind: "connect"; readonly connection: number }
  | { readonly kind: "write"; readonly connection: number; readonly bytes: Uint8Array }
  /** After what was written has left; or gives up connecting. */
  | { readonly kind: "close"; readonly connection: number }
  /** An attempt to be welcomed for the first time came to nothing; the next follows. */
  | { readonly kind: "attemptFailed"; readonly problem: string }
  | { readonly kind: "joined"; readonly host: ControlHost }
  | { readonly kind: "resumed" }
  | { readonly kind: "message"; readonly message: ControlMessage }
  /** The last effect. */
  | { readonly kind: "ended"; readonly end: InitiatorEnd };

export interface ControlHost {
  readonly nodeId: string;
  readonly version: string;
  readonly epoch: number;
  /** What the two speak. */
  readonly protocol: number;
}

export type InitiatorEnd =
  | SessionEnd
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** Its connection was lost, and its machine says that nobody listens on its port any more. */
  | { readonly kind: "hostIsGone" }
  /** Never welcomed; `problem`: what the last attempt met. */
  | { readonly kind: "unreachable"; readonly problem: string; readonly attempts: number };

/** Between two attempts; varies by chance, and grows so that a pause is at most a fifth of the time that was waited. */
const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 1000;

interface Connection {
  readonly id: number;
  readonly decoder: FrameDecoder;
  /** Drawn when the connection is there. */
  nonce: Uint8Array | null;
  /** The host's nonce, once it asked for a proof. */
  challenge: Uint8Array | null;
  /** As one of ours does. */
  hasAnswered: boolean;
  isWelcome: boolean;
}

export class ControlInitiator {
  readonly #options: InitiatorOptions;
  readonly #session: ControlSession;
  readonly #deadlines = new Deadlines<"attempt" | "pause" | "giveUp">();
  #state: "idle" | "connecting" | "welcomed" | "over" = "idle";
  #connection: Connection | null = null;
  #attempts = 0;
  #pauseMs = PAUSE_MS_MIN;
  #lastProblem = "did not answer";
  /** Of the session, once welcomed. */
  #sessionId = "";
  /** The host began or resumed it at this instant or later. */
  #keptAt: InstantMs = 0;
  #greetedAt: InstantMs = 0;
  #epoch: number;
  #effects: InitiatorEffect[] = [];

  constructor(options: InitiatorOptions) {
    assert(options.instance.length === ID_BYTES, "An instance id has a wrong length");
    this.#options = options;
    this.#session = new ControlSession(options.limits, options.heartbeat);
    this.#epoch = options.self.epoch;
  }

  /** The host's clock; null: no measurement yet. */
  get clock(): ClockEstimate | null {
    return this.#session.clock;
  }

  step(event: InitiatorEvent, now: InstantMs): InitiatorEffect[] {
    this.#effects = [];
    if (this.#state === "over") return this.#effects;
    switch (event.kind) {
      case "start":
        assert(this.#state === "idle", "It was started before");
        this.#state = "connecting";
        this.#deadlines.set("giveUp", now + this.#options.connectMs);
        this.#connect(now);
        break;
      case "connected":
        if (this.#connection?.id === event.connection) this.#greet(this.#connection, event.nonce, now);
        break;
      case "connectFailed":
        if (this.#connection?.id !== event.connection) break;
        this.#connection = null;
        if (this.#state === "welcomed" && event.wasRefused) this.#end(this.#endOfRefused(now));
        else this.#retry(event.problem, now);
        break;
      case "received":
        if (this.#connection?.id === event.connection) this.#receive(this.#connection, event.bytes, now);
        break;
      case "closed":
        if (this.#connection?.id === event.connection) this.#lose(this.#connection, now);
        break;
      case "send":
        this.#report(this.#session.send(event.message));
        break;
      case "end":
        if (this.#sessionId === "") this.#end({ kind: "finished" });
        else this.#report(this.#session.end());
        break;
      case "wakeup":
        this.#wake(now);
        break;
      default:
        unreachable(event);
    }
    return this.#effects;
  }

  /** When a "wakeup" is due; one that comes early does no harm. */
  nextWakeup(): InstantMs | undefined {
    if (this.#state === "over") return undefined;
    const at = Math.min(this.#deadlines.next() ?? Infinity, this.#session.nextWakeup() ?? Infinity);
    return at === Infinity ? undefined : at;
  }

  #connect(now: InstantMs): void {
    const { limits } = this.#options;
    this.#attempts++;
    this.#connection = {
      id: this.#attempts,
      decoder: new FrameDecoder(limits),
      nonce: null,
      challenge: null,
      hasAnswered: false,
      isWelcome: false,
    };
    this.#deadlines.set("attempt", now + limits.greetingMs);
    this.#effects.push({ kind: "connect", connection: this.#attempts });
  }

  #greet(connection: Connection, nonce: Uint8Array, now: InstantMs): void {
    assert(nonce.length === NONCE_BYTES && connection.nonce === null, "Not the nonce of a new connection");
    const { self, secret, instance } = this.#options;
    const { version, jobId, nodeId, hostAddress, settingsHash } = self;
    connection.nonce = nonce;
    this.#greetedAt = now;
    this.#write(CONTROL_PREAMBLE);
    this.#send({
      kind: "hello",
      protocols: self.protocols ?? CONTROL_PROTOCOLS,
      version,
      jobId,
      nodeId,
      epoch: this.#epoch,
      hostAddress,
      settingsHash,
      instance,
      attempt: connection.id,
      sessionId: this.#sessionId,
      received: this.#session.received,
      hasSecret: secret !== null,
      nonce,
    });
  }

  #receive(connection: Connection, bytes: Uint8Array, now: InstantMs): void {
    const { decoder } = connection;
    if (connection.isWelcome) this.#session.heard(now);
    try {
      decoder.push(bytes);
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
        this.#take(connection, frame, now);
        if (this.#connection !== connection) return;
      }
      decoder.settle();
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      const isOurs = this.#state === "welcomed" || connection.hasAnswered;
      if (isOurs) return this.#end({ kind: "broken", problem: error.message });
      // Somebody else's service, or one that stands before a host that is not there yet.
      this.#closeConnection();
      return this.#retry(error.message, now);
    }
    if (connection.isWelcome) this.#report(this.#session.acknowledge());
  }

  #take(connection: Connection, frame: ControlFrame, now: InstantMs): void {
    connection.hasAnswered = true;
    if (connection.isWelcome) {
      if (!isSessionFrame(frame)) throw new PeerError(`sent a ${frame.kind} frame after its welcome`);
      this.#report(this.#session.take(frame, now));
    } else if (frame.kind === "challenge" && connection.challenge === null) {
      const { secret } = this.#options;
      if (secret === null) throw new PeerError("asks for a secret, though told that there is none");
      connection.challenge = frame.nonce;
      this.#send({ kind: "proof", proof: secret.prove(this.#proofSubject(connection, "initiator")) });
    } else if (frame.kind === "welcome") {
      this.#welcome(connection, frame, now);
    } else if (frame.kind === "refusal") {
      this.#hearRefusal(frame, now);
    } else {
      throw new PeerError(`sent a ${frame.kind} frame before its welcome`);
    }
  }

  #welcome(connection: Connection, welcome: Welcome, now: InstantMs): void {
    const { self, secret } = this.#options;
    const { nodeId, version, epoch, protocol, sessionId, received, proof } = welcome;
    const isProven = secret === null ||
      (connection.challenge !== null && secret.isProof(proof, this.#proofSubject(connection, "acceptor")));
    if (!isProven) throw new PeerError("did not prove that it has the job's secret");
    const { min, max } = self.protocols ?? CONTROL_PROTOCOLS;
    if (protocol < min || protocol > max) {
      throw new PeerError(`chose protocol ${protocol}, which was not offered`);
    }
    if (epoch < this.#epoch) throw new PeerError(`is host number ${epoch}, after number ${this.#epoch}`);
    if (sessionId.length !== ID_BYTES) throw new PeerError("sent a session id of a wrong length");
    const isNew = this.#sessionId === "";
    if (!isNew && sessionId !== this.#sessionId) throw new PeerError("resumed another session");
    connection.isWelcome = true;
    connection.decoder.allowMessages();
    this.#state = "welcomed";
    this.#sessionId = sessionId;
    this.#keptAt = this.#greetedAt;
    this.#epoch = epoch;
    this.#pauseMs = PAUSE_MS_MIN;
    this.#deadlines.clear("attempt");
    this.#deadlines.clear("giveUp");
    this.#effects.push(
      isNew ? { kind: "joined", host: { nodeId, version, epoch, protocol } } : { kind: "resumed" },
    );
    this.#report(this.#session.open(received, now));
  }

  #hearRefusal(refusal: Refusal, now: InstantMs): void {
    if (this.#state !== "welcomed") {
      if (!isPassing(refusal.reason)) return this.#end({ kind: "refused", refusal });
      this.#closeConnection();
      this.#retry(refusal.detail, now);
    } else if (refusal.reason !== "sessionIsOver") {
      this.#end({ kind: "refused", refusal });
    } else {
      // If we were ending it, the other side has heard it, and only its answer was lost.
      this.#end({ kind: this.#session.isEnding ? "finished" : "notResumed" });
    }
  }

  /** The connection is gone, from outside. */
  #lose(connection: Connection, now: InstantMs): void {
    this.#connection = null;
    if (connection.isWelcome) {
      this.#session.close();
      this.#deadlines.set("giveUp", now + this.#options.limits.resumeMs);
      this.#connect(now);
    } else {
      this.#retry(connection.hasAnswered ? "was cut off" : "was closed without an answer", now);
    }
  }

  #retry(problem: string, now: InstantMs): void {
    this.#lastProblem = problem;
    this.#deadlines.clear("attempt");
    const pauseMs = this.#pauseMs * (1 - this.#options.prng.below(512) / 1024);
    this.#pauseMs = Math.min(1.25 * this.#pauseMs, PAUSE_MS_MAX);
    this.#deadlines.set("pause", now + pauseMs);
    if (this.#state === "connecting") this.#effects.push({ kind: "attemptFailed", problem });
  }

  #wake(now: InstantMs): void {
    const giveUpAt = this.#deadlines.get("giveUp");
    for (const due of this.#deadlines.takeDue(now)) {
      switch (due) {
        case "giveUp":
          if (now - assertDefined(giveUpAt) > OVERSLEPT_MS) {
            // We did not run, so there was no chance to try.
            this.#deadlines.set("giveUp", now + this.#options.limits.resumeMs);
            break;
          }
          if (this.#state === "welcomed") return this.#end({ kind: "notResumed" });
          return this.#end({ kind: "unreachable", problem: this.#lastProblem, attempts: this.#attempts });
        case "attempt":
          this.#closeConnection();
          this.#retry(`did not answer within ${durationText(this.#options.limits.greetingMs)}`, now);
          break;
        case "pause":
          this.#connect(now);
          break;
        default:
          unreachable(due);
      }
    }
    this.#report(this.#session.wake(now));
  }

  /** Nobody listens there: the host is gone, but whether this session was on then is only known if it was just kept. */
  #endOfRefused(now: InstantMs): InitiatorEnd {
    const keptAt = Math.max(this.#keptAt, this.#session.provedAt);
    return { kind: now < keptAt + this.#options.heartbeat.silenceMs ? "hostIsGone" : "notResumed" };
  }

  /** Carries out what the session says. */
  #report(news: readonly SessionNews[]): void {
    for (const item of news) {
      if (item.kind === "write") this.#write(item.bytes);
      else if (item.kind === "message") this.#effects.push(item);
      else return this.#end(item.end);
    }
  }

  #end(end: InitiatorEnd): void {
    this.#state = "over";
    this.#closeConnection();
    this.#effects.push({ kind: "ended", end });
  }

  #closeConnection(): void {
    if (this.#connection === null) return;
    this.#effects.push({ kind: "close", connection: this.#connection.id });
    this.#connection = null;
  }

  #send(frame: ControlFrame): void {
    this.#write(encodeFrame(frame));
  }

  #write(bytes: Uint8Array): void {
    const { id } = assertDefined(this.#connection, "A connection to write to");
    this.#effects.push({ kind: "write", connection: id, bytes });
  }

  #proofSubject({ nonce, challenge }: Connection, role: ProofSubject["role"]): ProofSubject {
    const { jobId, nodeId } = this.#options.self;
    return {
      role,
      initiatorNonce: assertDefined(nonce),
      acceptorNonce: assertDefined(challenge),
      jobId,
      nodeId,
    };
  }
}
