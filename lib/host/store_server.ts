/**
 * A TCPStore server on sockets: reads, hands bytes to `StoreConnection`, writes what it answers. All decisions are in
 * `lib/store`. One slow, silent or broken peer costs the others nothing: nothing is read from who does not read, and
 * who breaks a rule is closed with one line in the log.
 */

import { type AddressRange, Admission } from "../store/address_range.ts";
import { CONTROL_FIRST_BYTE } from "../store/control_wire.ts";
import { StoreConnection } from "../store/connection.ts";
import { DEFAULT_LIMITS, type StoreLimits } from "../store/limits.ts";
import { Table } from "../store/table.ts";
import { type Dialect, PeerError } from "../store/wire.ts";
import type { ControlServer } from "./control_link.ts";
import { listenTcp, type TcpListener, type TcpSocket } from "./listener.ts";
import { UnfinishedRequests } from "./unfinished_requests.ts";

export interface StoreServerOptions extends ServingOptions {
  /** Address to listen on, the only one; "::" listens on all of IPv6 and IPv4. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface ServingOptions {
  /** What every client speaks; null, the default: found out for each connection. */
  readonly dialect?: Dialect | null;
  /** Who may connect, beside this machine itself; null, the default: everybody who reaches the address. */
  readonly allowed?: readonly AddressRange[] | null;
  readonly limits?: Partial<StoreLimits>;
  /** Takes the connections of our own agents; without it they are closed. It outlives the store. */
  readonly control?: ControlServer;
  /** One line without newline for each connection that is refused or closed by the server. */
  readonly onLog?: (line: string) => void;
}

/** Counters of a server; all but the first three only grow. */
export interface StoreStats {
  readonly connections: number;
  readonly keys: number;
  readonly storedBytes: number;
  readonly acceptedConnections: number;
  /** Closed by the server for a broken rule or a limit. */
  readonly closedConnections: number;
  readonly requests: number;
}

export interface StoreServer {
  readonly host: string;
  readonly port: number;
  readonly stats: StoreStats;
  /** Empties the store and closes all connections, at the same address: what a new attempt starts with. */
  reset(): void;
  /**
   * From now on only these, and this machine itself, may connect; null: everybody. Closes the connections of all others,
   * each with one line in the log.
   */
  setAllowed(allowed: readonly AddressRange[] | null): void;
  /** Stops listening and closes all connections. */
  close(): void;
}

/**
 * Starts a server; it listens when this returns.
 * @throws {SystemError} The address can't be bound.
 */
export function startStoreServer(options: StoreServerOptions): StoreServer {
  return serveStore(listenTcp(options.host, options.port), options);
}

/** Serves on a socket that listens already, and closes it in the end. */
export function serveStore(listener: TcpListener, options: ServingOptions): StoreServer {
  return new TcpStoreServer(listener, options);
}

/** How long nothing must follow an operation 8 that may be A's or B's (tcpstore-protocol, "Generations A and B"). */
const SILENCE_MS = 20;
/** Before the next try to take a connection when the system refused. */
const ACCEPT_PAUSE_MS = 100;
const NOT_ADMITTED = "is not from an admitted address";
const READ_BYTES_IDLE = 512;
const READ_BYTES_BUSY = 64 * 1024;

type Timer = ReturnType<typeof setTimeout>;

/** A connection and its socket. */
interface Peer {
  readonly socket: TcpSocket;
  readonly connection: StoreConnection;
  isClosed: boolean;
  isWriting: boolean;
  /** Wakes the reader that waits for the replies to be read. */
  onDrained: (() => void) | null;
  silenceTimer: Timer | undefined;
}

class TcpStoreServer implements StoreServer {
  readonly #limits: StoreLimits;
  readonly #dialect: Dialect | null;
  /** Null: everybody may connect. */
  #admission: Admission | null;
  readonly #control: ControlServer | null;
  readonly #onLog: (line: string) => void;
  readonly #listener: TcpListener;
  #table: Table;
  readonly #peers = new Set<Peer>();
  readonly #unfinished: UnfinishedRequests<Peer>;
  /** Peers whose replies have not been handed to their socket. */
  #unwritten: Peer[] = [];
  #isClosed = false;
  #acceptedConnections = 0;
  #closedConnections = 0;
  #requestsOfGone = 0;

  constructor(listener: TcpListener, options: ServingOptions) {
    this.#listener = listener;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#dialect = options.dialect ?? null;
    this.#admission = options.allowed ? new Admission(options.allowed) : null;
    this.#control = options.control ?? null;
    this.#onLog = options.onLog ?? (() => {});
    this.#table = new Table(this.#limits);
    const { requestMs } = this.#limits;
    this.#unfinished = new UnfinishedRequests(requestMs, (peer) => {
      this.#refuse(peer.socket, `did not finish a request within the limit of ${requestMs} ms`);
      this.#close(peer);
    });
    this.#accept();
  }

  get host(): string {
    return this.#listener.addr.hostname;
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  get stats(): StoreStats {
    let requests = this.#requestsOfGone;
    for (const peer of this.#peers) requests += peer.connection.requestCount;
    return {
      connections: this.#peers.size,
      keys: this.#table.keyCount,
      storedBytes: this.#table.storedBytes,
      acceptedConnections: this.#acceptedConnections,
      closedConnections: this.#closedConnections,
      requests,
    };
  }

  reset(): void {
    this.#table = new Table(this.#limits);
    for (const peer of this.#peers) this.#close(peer);
  }

  setAllowed(allowed: readonly AddressRange[] | null): void {
    this.#admission = allowed ? new Admission(allowed) : null;
    for (const peer of this.#peers) {
      if (this.#admits(peer.socket)) continue;
      this.#refuse(peer.socket, NOT_ADMITTED);
      this.#close(peer);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#listener.close();
    this.reset();
  }

  async #accept(): Promise<void> {
    let isStarved = false;
    while (true) {
      let socket: TcpSocket;
      try {
        socket = await this.#listener.accept();
      } catch (error) {
        if (this.#isClosed) return;
        // Most likely there are no descriptors left; who waits is taken once others have gone.
        if (!isStarved) {
          this.#onLog(`Store ${this.host}:${this.port} cannot take connections for now: ${reasonOf(error)}`);
        }
        isStarved = true;
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
        continue;
      }
      isStarved = false;
      this.#acceptedConnections++;
      const objection = this.#objectionTo(socket);
      if (objection === null) {
        this.#serve(socket);
      } else {
        this.#refuse(socket, objection);
        socket.close();
      }
    }
  }

  /** Why a new connection is not taken; null: it is. */
  #objectionTo(socket: TcpSocket): string | null {
    const { connectionsMax } = this.#limits;
    if (this.#peers.size >= connectionsMax) {
      return `is one more than the limit of ${connectionsMax} connections`;
    }
    return this.#admits(socket) ? null : NOT_ADMITTED;
  }

  #admits(socket: TcpSocket): boolean {
    return this.#admission === null || this.#admission.admits(socket.remoteAddr.hostname);
  }

  async #serve(socket: TcpSocket): Promise<void> {
    const peer: Peer = {
      socket,
      connection: new StoreConnection(this.#table, {
        limits: this.#limits,
        dialect: this.#dialect,
        onOutput: () => this.#unwritten.push(peer),
      }),
      isClosed: false,
      isWriting: false,
      onDrained: null,
      silenceTimer: undefined,
    };
    this.#peers.add(peer);
    try {
      socket.setNoDelay(true);
      await this.#read(peer);
      this.#close(peer);
    } catch (error) {
      this.#endServing(peer, error);
    }
    // What it did before it broke a rule may have woken others.
    this.#flush();
  }

  async #read(peer: Peer): Promise<void> {
    const { socket, connection } = peer;
    const idleBuffer = new Uint8Array(READ_BYTES_IDLE);
    let buffer = idleBuffer;
    for (let isFirst = true;; isFirst = false) {
      const length = await socket.read(buffer);
      if (length === null) return;
      if (isFirst && buffer[0] === CONTROL_FIRST_BYTE && this.#control !== null) {
        this.#forget(peer);
        this.#control.adopt(socket, buffer.subarray(0, length));
        return;
      }
      clearTimeout(peer.silenceTimer);
      connection.receive(length === buffer.length ? buffer : buffer.subarray(0, length));
      this.#flush();
      // It is not to blame for what we do not take.
      if (connection.isBacklogged) this.#unfinished.forget(peer);
      while (connection.isBacklogged) {
        await new Promise<void>((resolve) => peer.onDrained = resolve);
        if (peer.isClosed) return;
        connection.resume();
        this.#flush();
      }
      this.#watchUnfinished(peer);
      // Who fills the small buffer has more to say; who does not is given up the large one.
      if (length === buffer.length) buffer = buffer === idleBuffer ? new Uint8Array(READ_BYTES_BUSY) : buffer;
      else if (length < READ_BYTES_IDLE) buffer = idleBuffer;
    }
  }

  /** Writes what the last requests have answered, to whom it may be. */
  #flush(): void {
    if (this.#unwritten.length === 0) return;
    const peers = this.#unwritten;
    this.#unwritten = [];
    for (const peer of peers) {
      if (!peer.isWriting && !peer.isClosed) this.#write(peer);
    }
  }

  async #write(peer: Peer): Promise<void> {
    const { output } = peer.connection;
    peer.isWriting = true;
    try {
      while (output.length > 0) {
        output.advance(await peer.socket.write(output.peek()));
        if (peer.onDrained !== null && !peer.connection.isBacklogged) this.#wakeReader(peer);
      }
      peer.isWriting = false;
    } catch (error) {
      this.#endServing(peer, error);
    }
  }

  #wakeReader(peer: Peer): void {
    peer.onDrained?.();
    peer.onDrained = null;
  }

  /** Counts and times what has begun and not ended. */
  #watchUnfinished(peer: Peer): void {
    const { connection } = peer;
    if (!connection.isInside) return this.#unfinished.forget(peer);
    this.#unfinished.note(peer, connection.keptBytes);
    const { bytes } = this.#unfinished, max = this.#limits.unfinishedBytesMax;
    if (bytes > max) {
      throw new PeerError(
        `sent ${connection.keptBytes} of the ${bytes} unfinished bytes, over the limit of ${max}`,
      );
    }
    if (connection.awaitsSilence) {
      peer.silenceTimer = setTimeout(() => this.#onSilence(peer), SILENCE_MS);
    }
  }

  #onSilence(peer: Peer): void {
    try {
      peer.connection.silence();
      this.#unfinished.forget(peer);
    } catch (error) {
      this.#endServing(peer, error);
    }
    this.#flush();
  }

  /** `error` ends the connection of `peer`; a defect of ours goes on up. */
  #endServing(peer: Peer, error: unknown): void {
    if (error instanceof PeerError) this.#refuse(peer.socket, error.message);
    else if (!isConnectionEnd(error)) throw error;
    this.#close(peer);
  }

  #refuse(socket: TcpSocket, reason: string): void {
    this.#closedConnections++;
    const { hostname, port } = socket.remoteAddr;
    this.#onLog(`Store ${this.host}:${this.port} closed the connection of ${hostname}:${port}: it ${reason}`);
  }

  #close(peer: Peer): void {
    if (peer.isClosed) return;
    this.#forget(peer);
    peer.socket.close();
    this.#wakeReader(peer);
  }

  #forget(peer: Peer): void {
    peer.isClosed = true;
    this.#peers.delete(peer);
    this.#unfinished.forget(peer);
    clearTimeout(peer.silenceTimer);
    this.#requestsOfGone += peer.connection.requestCount;
    peer.connection.leave();
  }
}

/** The system ended the connection, or we did: nothing to report. Anything else is a defect. */
function isConnectionEnd(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
    (error instanceof Error && typeof (error as { code?: unknown }).code === "string");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
