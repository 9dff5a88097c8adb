/**
 * The control channel on sockets: `ControlServer` for the host, `ControlLink` for all others. All decisions are in
 * `lib/store/control_*`; here bytes are moved, time is told, and chance is drawn.
 */

import { byteString } from "../core/bytes.ts";
import { Prng } from "../core/prng.ts";
import {
  ACCEPTOR_RANDOM_BYTES,
  type AcceptorEffect,
  type AcceptorEvent,
  ControlAcceptor,
} from "../store/control_acceptor.ts";
import type { ClockEstimate, HeartbeatSettings } from "../store/control_heartbeat.ts";
import type { ControlIdentity } from "../store/control_identity.ts";
import { ControlInitiator, type InitiatorEffect, type InitiatorEvent } from "../store/control_initiator.ts";
import { type ControlLimits, DEFAULT_CONTROL_LIMITS } from "../store/control_limits.ts";
import type { ControlSecret } from "../store/control_secret.ts";
import type { ControlMessage } from "../store/control_session.ts";
import { ID_BYTES, NONCE_BYTES } from "../store/control_wire.ts";
import { ControlSocket } from "./control_socket.ts";
import type { TcpSocket } from "./listener.ts";
import { addressesOf } from "./local_addresses.ts";
import { Loop } from "./loop.ts";

interface ControlOptions {
  readonly self: ControlIdentity;
  readonly secret: ControlSecret | null;
  readonly heartbeat: HeartbeatSettings;
  readonly limits?: Partial<ControlLimits>;
}

/** What a host hears of its nodes. */
export type ControlServerEvent = Exclude<AcceptorEffect, { kind: "write" | "close" | "refused" }>;

export interface ControlServerOptions extends ControlOptions {
  readonly onEvent: (event: ControlServerEvent) => void;
  /** One line without newline for each connection that is turned away. */
  readonly onLog: (line: string) => void;
}

/** All sessions of a host; its connections come from a store server (`StoreServerOptions.control`). */
export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #acceptor: ControlAcceptor;
  readonly #sockets: ControlSockets;
  readonly #loop: Loop<AcceptorEvent, AcceptorEffect>;
  #connections = 0;
  #isClosed = false;

  constructor(options: ControlServerOptions) {
    this.#options = options;
    const limits = { ...DEFAULT_CONTROL_LIMITS, ...options.limits };
    this.#acceptor = new ControlAcceptor({ ...options, limits });
    this.#loop = new Loop(this.#acceptor, { kind: "wakeup" }, (effect) => this.#carryOut(effect));
    this.#sockets = new ControlSockets(limits, (event) => this.#loop.post(event));
  }

  /** Nodes that have a session. */
  get nodeIds(): string[] {
    return this.#acceptor.nodeIds;
  }

  /** Takes over a connection from which `firstBytes`, the caller's, were read. */
  adopt(socket: TcpSocket, firstBytes: Uint8Array): void {
    if (this.#isClosed) return socket.close();
    const connection = ++this.#connections;
    this.#sockets.open(connection, socket);
    this.#loop.post({ kind: "connected", connection, random: randomBytes(ACCEPTOR_RANDOM_BYTES) });
    this.#loop.post({ kind: "received", connection, bytes: firstBytes.slice() });
  }

  /** To a node whose session is over it goes nowhere. */
  send(nodeId: string, message: ControlMessage): void {
    this.#loop.post({ kind: "send", nodeId, message });
  }

  /** Ends a node's session, once all that was sent to it has arrived. */
  end(nodeId: string): void {
    this.#loop.post({ kind: "end", nodeId });
  }

  /** IP addresses of a connection's two ends, while it is open. */
  addressesOf(connection: number): { readonly remote: string; readonly local: string } {
    return this.#sockets.get(connection)?.addresses ?? { remote: "", local: "" };
  }

  clockOf(nodeId: string): ClockEstimate | null {
    return this.#acceptor.clockOf(nodeId);
  }

  /** Closes everything at once; nodes that were not told the end come to know it by themselves. */
  close(): void {
    this.#isClosed = true;
    this.#loop.close();
    this.#sockets.destroy();
  }

  #carryOut(effect: AcceptorEffect): void {
    switch (effect.kind) {
      case "write":
        this.#sockets.get(effect.connection)?.write(effect.bytes);
        break;
      case "close":
        this.#sockets.get(effect.connection)?.close();
        break;
      case "refused": {
        const name = this.#sockets.get(effect.connection)?.peerName;
        this.#options.onLog(`Control channel closed the connection of ${name}: it ${effect.problem}`);
        break;
      }
      default:
        this.#options.onEvent(effect);
    }
  }
}

/** What a node hears of its host. */
export type ControlLinkEvent = Exclude<InitiatorEffect, { kind: "connect" | "write" | "close" }>;

export interface ControlLinkOptions extends ControlOptions {
  /** IP address or name; all addresses of a name are tried. */
  readonly host: string;
  readonly port: number;
  /** How long to try for the first welcome. */
  readonly connectMs: number;
  readonly onEvent: (event: ControlLinkEvent) => void;
}

/** One session with a host, from the node's side; begins to connect at once. */
export class ControlLink {
  readonly #options: ControlLinkOptions;
  readonly #initiator: ControlInitiator;
  readonly #loop: Loop<InitiatorEvent, InitiatorEffect>;
  readonly #sockets: ControlSockets;
  readonly #dials = new Map<number, AbortController>();
  #hasJoined = false;

  constructor(options: ControlLinkOptions) {
    this.#options = options;
    const limits = { ...DEFAULT_CONTROL_LIMITS, ...options.limits };
    this.#initiator = new ControlInitiator({
      ...options,
      limits,
      instance: byteString(randomBytes(ID_BYTES)),
      prng: new Prng(crypto.getRandomValues(new Uint32Array(1))[0]!),
    });
    this.#loop = new Loop(this.#initiator, { kind: "wakeup" }, (effect) => this.#carryOut(effect));
    this.#sockets = new ControlSockets(limits, (event) => this.#loop.post(event));
    this.#loop.post({ kind: "start" });
  }

  get clock(): ClockEstimate | null {
    return this.#initiator.clock;
  }

  send(message: ControlMessage): void {
    this.#loop.post({ kind: "send", message });
  }

  /** Ends the session, once all that was sent has arrived. */
  end(): void {
    this.#loop.post({ kind: "end" });
  }

  /** Closes everything at once, without a word. */
  close(): void {
    this.#loop.close();
    for (const dial of this.#dials.values()) dial.abort();
    this.#sockets.destroy();
  }

  #carryOut(effect: InitiatorEffect): void {
    switch (effect.kind) {
      case "connect":
        this.#connect(effect.connection);
        break;
      case "write":
        this.#sockets.get(effect.connection)?.write(effect.bytes);
        break;
      case "close":
        this.#dials.get(effect.connection)?.abort();
        this.#sockets.get(effect.connection)?.close();
        break;
      default:
        if (effect.kind === "joined") this.#hasJoined = true;
        this.#options.onEvent(effect);
    }
  }

  async #connect(connection: number): Promise<void> {
    const { host, port } = this.#options;
    const dial = new AbortController();
    this.#dials.set(connection, dial);
    let socket: Deno.TcpConn;
    try {
      const { signal } = dial;
      socket = await Deno.connect({ hostname: host, port, autoSelectFamily: true, signal });
    } catch (error) {
      const wasRefused = error instanceof Deno.errors.ConnectionRefused;
      // A session that is on has no time to lose.
      const tried = this.#hasJoined ? [] : await addressesOf(host);
      const where = tried.length === 0 ? "" : ` at ${tried.join(", ")}`;
      const problem = `can't be reached${where}: ${error instanceof Error ? error.message : error}`;
      this.#loop.post({ kind: "connectFailed", connection, wasRefused, problem });
      return;
    } finally {
      this.#dials.delete(connection);
    }
    if (dial.signal.aborted) return socket.close();
    this.#sockets.open(connection, socket);
    this.#loop.post({ kind: "connected", connection, nonce: randomBytes(NONCE_BYTES) });
  }
}

type SocketEvent =
  | { readonly kind: "received"; readonly connection: number; readonly bytes: Uint8Array }
  | { readonly kind: "closed"; readonly connection: number };

/** The sockets of one machine, by the numbers of its connections. */
class ControlSockets {
  readonly #limits: ControlLimits;
  readonly #onEvent: (event: SocketEvent) => void;
  readonly #sockets = new Map<number, ControlSocket>();

  constructor(limits: ControlLimits, onEvent: (event: SocketEvent) => void) {
    this.#limits = limits;
    this.#onEvent = onEvent;
  }

  open(connection: number, socket: TcpSocket): void {
    const open = new ControlSocket(socket, {
      unwrittenBytesMax: this.#limits.unwrittenBytesMax,
      onBytes: (bytes) => this.#onEvent({ kind: "received", connection, bytes }),
      onEnd: () => {
        this.#sockets.delete(connection);
        this.#onEvent({ kind: "closed", connection });
      },
    });
    this.#sockets.set(connection, open);
  }

  get(connection: number): ControlSocket | undefined {
    return this.#sockets.get(connection);
  }

  destroy(): void {
    for (const socket of this.#sockets.values()) socket.destroy();
    this.#sockets.clear();
  }
}

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
