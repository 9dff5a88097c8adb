/**
 * The side of the control channel that is connected to: all connections and sessions of one host. A node has one
 * session at most, and a session one connection at most; a session outlives its connection by `resumeMs`.
 *
 * The owner numbers the connections and carries out the effects in order; a connection that an effect closes is gone
 * for the machine, whatever its socket still does.
 */

import { assert, assertDefined, unreachable } from "../core/assert.ts";
import { byteString } from "../core/bytes.ts";
import type { InstantMs } from "../core/time.ts";
import { encodeFrame, FrameDecoder } from "./control_codec.ts";
import { Greeting, type GreetingResult } from "./control_greeting.ts";
import { type ClockEstimate, type HeartbeatSettings, OVERSLEPT_MS } from "./control_heartbeat.ts";
import { commonProtocol, type ControlIdentity, quoted, refuse } from "./control_identity.ts";
import type { ControlLimits } from "./control_limits.ts";
import type { ControlSecret } from "./control_secret.ts";
import { type ControlMessage, ControlSession, type SessionEnd, type SessionNews } from "./control_session.ts";
import {
  CONTROL_PROTOCOLS,
  type ControlFrame,
  type Hello,
  ID_BYTES,
  isSessionFrame,
  NONCE_BYTES,
  type Refusal,
} from "./control_wire.ts";
import { PeerError } from "./wire.ts";

export interface AcceptorOptions {
  readonly self: ControlIdentity;
  /** Null: everybody who knows the job's name may come. */
  readonly secret: ControlSecret | null;
  readonly heartbeat: HeartbeatSettings;
  readonly limits: ControlLimits;
}

export type AcceptorEvent =
  /** `random`: `ACCEPTOR_RANDOM_BYTES` that nobody can guess. */
  | { readonly kind: "connected"; readonly connection: number; readonly random: Uint8Array }
  | { readonly kind: "received"; readonly connection: number; readonly bytes: Uint8Array }
  | { readonly kind: "closed"; readonly connection: number }
  /** To a node whose session is over it goes nowhere. */
  | { readonly kind: "send"; readonly nodeId: string; readonly message: ControlMessage }
  /** Ends a node's session, once all that was sent to it has arrived. */
  | { readonly kind: "end"; readonly nodeId: string }
  | { readonly kind: "wakeup" };

export type AcceptorEffect =
  | { readonly kind: "write"; readonly connection: number; readonly bytes: Uint8Array }
  /** After what was written has left. */
  | { readonly kind: "close"; readonly connection: number }
  /** A connection is being closed for a reason that belongs in the log: a clause whose subject is the peer. */
  | { readonly kind: "refused"; readonly connection: number; readonly problem: string }
  | { readonly kind: "joined"; readonly connection: number; readonly peer: ControlPeer }
  | { readonly kind: "resumed"; readonly connection: number; readonly nodeId: string }
  | { readonly kind: "message"; readonly nodeId: string; readonly message: ControlMessage }
  | { readonly kind: "ended"; readonly nodeId: string; readonly end: SessionEnd }
  /** A node knows a later host of this job, perhaps where it is: this one must yield. */
  | {
    readonly kind: "outranked";
    readonly nodeId: string;
    readonly epoch: number;
    readonly hostAddress: string;
  };

export interface ControlPeer {
  readonly nodeId: string;
  readonly version: string;
  /** What the two speak. */
  readonly protocol: number;
}

/** For a nonce and a session id. */
export const ACCEPTOR_RANDOM_BYTES = NONCE_BYTES + ID_BYTES;

interface Connection {
  readonly id: number;
  readonly decoder: FrameDecoder;
  /** Of the session that may begin here. */
  readonly sessionId: string;
  readonly greetedBy: InstantMs;
  /** What goes on here until there is a node. */
  readonly greeting: Greeting;
  node: Node | null;
}

interface Node {
  readonly peer: ControlPeer;
  readonly instance: string;
  readonly sessionId: string;
  readonly session: ControlSession;
  attempt: number;
  connection: Connection | null;
  /** Without a connection: when the session is over. */
  resumeBy: InstantMs;
}

type Greeted = GreetingResult & { readonly kind: "accepted" };

interface Admission {
  readonly greeted: Greeted;
  readonly now: InstantMs;
}

const SESSION_IS_OVER = "has given its session up";

export class ControlAcceptor {
  readonly #options: AcceptorOptions;
  readonly #connections = new Map<number, Connection>();
  readonly #nodes = new Map<string, Node>();
  #greetings = 0;
  /** Not later than the earliest deadline: looking at all of them for each event would cost too much. */
  #wakeAt: InstantMs = Infinity;
  #effects: AcceptorEffect[] = [];

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  /** Connections that the machine has not closed. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  get nodeIds(): string[] {
    return [...this.#nodes.keys()];
  }

  /** A node's clock; null: no measurement yet, or no such session. */
  clockOf(nodeId: string): ClockEstimate | null {
    return this.#nodes.get(nodeId)?.session.clock ?? null;
  }

  step(event: AcceptorEvent, now: InstantMs): AcceptorEffect[] {
    this.#effects = [];
    switch (event.kind) {
      case "connected":
        this.#connect(event.connection, event.random, now);
        break;
      case "received": {
        const connection = this.#connections.get(event.connection);
        if (connection !== undefined) this.#receive(connection, event.bytes, now);
        break;
      }
      case "closed": {
        const connection = this.#connections.get(event.connection);
        if (connection !== undefined) this.#disconnect(connection, now);
        break;
      }
      case "send": {
        const node = this.#nodes.get(event.nodeId);
        if (node !== undefined) this.#report(node, node.session.send(event.message));
        break;
      }
      case "end": {
        const node = this.#nodes.get(event.nodeId);
        if (node !== undefined) this.#report(node, node.session.end());
        break;
      }
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
    return this.#wakeAt === Infinity ? undefined : this.#wakeAt;
  }

  #connect(id: number, random: Uint8Array, now: InstantMs): void {
    assert(random.length === ACCEPTOR_RANDOM_BYTES, "The wrong number of random bytes");
    assert(!this.#connections.has(id), `Connection ${id} is there already`);
    const { limits } = this.#options;
    if (this.#greetings >= limits.greetingsMax) {
      const problem = `is one more than the limit of ${limits.greetingsMax} connections without a welcome`;
      this.#effects.push({ kind: "refused", connection: id, problem }, { kind: "close", connection: id });
      return;
    }
    const greetedBy = now + limits.greetingMs;
    this.#connections.set(id, {
      id,
      decoder: new FrameDecoder(limits),
      sessionId: byteString(random, NONCE_BYTES),
      greetedBy,
      greeting: new Greeting(this.#options, random.slice(0, NONCE_BYTES)),
      node: null,
    });
    this.#greetings++;
    this.#wakeBy(greetedBy);
  }

  #receive(connection: Connection, bytes: Uint8Array, now: InstantMs): void {
    const { decoder } = connection;
    connection.node?.session.heard(now);
    try {
      decoder.push(bytes);
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
        this.#take(connection, frame, now);
        if (!this.#connections.has(connection.id)) return;
      }
      decoder.settle();
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      if (connection.node !== null) this.#end(connection.node, { kind: "broken", problem: error.message });
      else this.#turnAway(connection, error.message);
      return;
    }
    if (connection.node !== null) this.#report(connection.node, connection.node.session.acknowledge());
  }

  #take(connection: Connection, frame: ControlFrame, now: InstantMs): void {
    const { node } = connection;
    if (node === null) {
      for (const result of connection.greeting.take(frame)) this.#greet(connection, result, now);
    } else if (isSessionFrame(frame)) {
      this.#report(node, node.session.take(frame, now));
    } else {
      throw new PeerError(`sent a ${frame.kind} frame after its welcome`);
    }
  }

  #greet(connection: Connection, result: GreetingResult, now: InstantMs): void {
    if (result.kind === "write") return this.#write(connection, result.bytes);
    const { hello } = result;
    if (result.kind === "accepted") return this.#admit(connection, result, now);
    if (result.refusal.reason !== "hostIsOld") return this.#refuse(connection, hello, result.refusal);
    const { nodeId, epoch, hostAddress } = hello;
    this.#write(connection, encodeFrame(result.refusal));
    this.#forget(connection);
    this.#effects.push({ kind: "outranked", nodeId, epoch, hostAddress });
  }

  /** The peer is one of ours: finds its session, or begins one. */
  #admit(connection: Connection, greeted: Greeted, now: InstantMs): void {
    const { self, limits, heartbeat } = this.#options;
    const { hello } = greeted;
    const present = this.#nodes.get(hello.nodeId);
    // Nobody may speak for the host itself: its own part does not come over a connection.
    const isTaken = present !== undefined || hello.nodeId === self.nodeId;
    if (present !== undefined && present.instance === hello.instance) {
      this.#resume(connection, present, { greeted, now });
    } else if (hello.sessionId !== "") {
      this.#refuse(connection, hello, refuse("sessionIsOver", self, SESSION_IS_OVER));
    } else if (isTaken) {
      const detail = "has another agent under the same name; give each machine a node id of its own";
      this.#refuse(connection, hello, refuse("nodeIsPresent", self, detail));
    } else if (this.#nodes.size >= limits.sessionsMax) {
      this.#refuse(connection, hello, refuse("isFull", self, `has ${limits.sessionsMax} nodes, its limit`));
    } else {
      const protocol = commonProtocol(self.protocols ?? CONTROL_PROTOCOLS, hello.protocols);
      const node: Node = {
        peer: { nodeId: hello.nodeId, version: hello.version, protocol: assertDefined(protocol) },
        instance: hello.instance,
        sessionId: connection.sessionId,
        session: new ControlSession(limits, heartbeat),
        attempt: hello.attempt,
        connection: null,
        resumeBy: Infinity,
      };
      this.#nodes.set(hello.nodeId, node);
      this.#effects.push({ kind: "joined", connection: connection.id, peer: node.peer });
      this.#welcome(connection, node, { greeted, now });
    }
  }

  #resume(connection: Connection, node: Node, { greeted, now }: Admission): void {
    const { hello } = greeted;
    // A connection that the node has given up since: what it says may be long untrue.
    if (hello.attempt <= node.attempt) return this.#forget(connection);
    if (hello.sessionId !== "" && hello.sessionId !== node.sessionId) {
      return this.#refuse(connection, hello, refuse("sessionIsOver", this.#options.self, SESSION_IS_OVER));
    }
    node.attempt = hello.attempt;
    if (node.connection !== null) this.#forget(node.connection);
    node.session.close();
    this.#effects.push({ kind: "resumed", connection: connection.id, nodeId: hello.nodeId });
    this.#welcome(connection, node, { greeted, now });
  }

  #welcome(connection: Connection, node: Node, { greeted, now }: Admission): void {
    const { version, nodeId, epoch } = this.#options.self;
    const { peer: { protocol }, sessionId, session } = node;
    connection.node = node;
    node.connection = connection;
    connection.decoder.allowMessages();
    this.#greetings--;
    const { received } = session;
    const { proof } = greeted;
    this.#write(
      connection,
      encodeFrame({ kind: "welcome", protocol, version, nodeId, epoch, sessionId, received, proof }),
    );
    this.#report(node, session.open(greeted.hello.received, now));
  }

  #disconnect(connection: Connection, now: InstantMs): void {
    const { node } = connection;
    this.#connections.delete(connection.id);
    if (node === null) {
      this.#greetings--;
      return;
    }
    node.connection = null;
    node.session.close();
    node.resumeBy = now + this.#options.limits.resumeMs;
    this.#wakeBy(node.resumeBy);
  }

  #wake(now: InstantMs): void {
    this.#wakeAt = Infinity;
    for (const connection of this.#connections.values()) {
      if (connection.node !== null) continue;
      if (now < connection.greetedBy) this.#wakeBy(connection.greetedBy);
      else this.#turnAway(connection, `did not greet within ${this.#options.limits.greetingMs} ms`);
    }
    for (const node of this.#nodes.values()) {
      if (node.connection !== null) {
        this.#report(node, node.session.wake(now));
      } else if (now < node.resumeBy) {
        this.#wakeBy(node.resumeBy);
      } else if (now - node.resumeBy > OVERSLEPT_MS) {
        // We did not run: the node may have come back meanwhile, unheard.
        node.resumeBy = now + this.#options.limits.resumeMs;
        this.#wakeBy(node.resumeBy);
      } else {
        this.#end(node, { kind: "notResumed" });
      }
    }
  }

  /** Carries out what a session says. */
  #report(node: Node, news: readonly SessionNews[]): void {
    for (const item of news) {
      if (item.kind === "write") this.#write(assertDefined(node.connection), item.bytes);
      else if (item.kind === "over") return this.#end(node, item.end);
      else this.#effects.push({ kind: "message", nodeId: node.peer.nodeId, message: item.message });
    }
    this.#wakeBy(node.session.nextWakeup() ?? Infinity);
  }

  #end(node: Node, end: SessionEnd): void {
    this.#nodes.delete(node.peer.nodeId);
    this.#effects.push({ kind: "ended", nodeId: node.peer.nodeId, end });
    if (node.connection !== null) this.#forget(node.connection);
  }

  #refuse(connection: Connection, hello: Hello, refusal: Refusal): void {
    this.#write(connection, encodeFrame(refusal));
    this.#turnAway(
      connection,
      `is node ${quoted(hello.nodeId)}, which this host refused: it ${refusal.detail}`,
    );
  }

  #turnAway(connection: Connection, problem: string): void {
    this.#effects.push({ kind: "refused", connection: connection.id, problem });
    this.#forget(connection);
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection.id);
    if (connection.node === null) this.#greetings--;
    else connection.node.connection = null;
    this.#effects.push({ kind: "close", connection: connection.id });
  }

  #write(connection: Connection, bytes: Uint8Array): void {
    this.#effects.push({ kind: "write", connection: connection.id, bytes });
  }

  #wakeBy(at: InstantMs): void {
    this.#wakeAt = Math.min(this.#wakeAt, at);
  }
}
