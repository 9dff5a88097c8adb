/**
 * What a store server is whatever its sockets are: the table, who is admitted, limits, counters, the log. The two kinds
 * of sockets (`portable_peer.ts`, `epoll_peer.ts`) bring bytes here and carry out what comes of them. One slow,
 * silent or broken peer costs the others nothing: nothing is read from who does not read, and who breaks a rule is
 * closed with one line in the log, after what it had earned.
 */

import { type AddressRange, Admission } from "../core/address_range.ts";
import { type ConnectionOptions, type OutputSink, StoreConnection } from "../store/connection.ts";
import { DEFAULT_LIMITS, type StoreLimits } from "../store/limits.ts";
import type { SpokenDialect } from "../store/request_decoder.ts";
import { Table } from "../store/table.ts";
import { type Dialect, type Key, PeerError } from "../store/wire.ts";
import type { ControlServer } from "./control_link.ts";
import { addressText, type SocketAddress } from "./socket_address.ts";
import { UnfinishedRequests } from "./unfinished_requests.ts";

export interface ServingOptions {
  /** What every client speaks; null, the default: found out for each connection. */
  readonly dialect?: Dialect | null;
  /** Who may connect, beside loopback addresses; null, the default: everybody who reaches the address. */
  readonly allowed?: readonly AddressRange[] | null;
  readonly limits?: Partial<StoreLimits>;
  /** Takes the connections of our own agents; without it they are closed. It outlives the store. */
  readonly control?: ControlServer;
  /** Told of every key that a SET, COMPARE_SET or ADD was for: torchrun's agents show themselves so. */
  readonly onWrite?: (key: Key) => void;
  /** One line without newline for each connection that is refused or closed by the server. */
  readonly onLog?: (line: string) => void;
  /** "portable": the runtime's own, also where faster ones can be had. */
  readonly sockets?: "fastest" | "portable";
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

/** A connection and its socket. */
export interface StorePeer {
  /** Null: it is at rest, and needs none. */
  readonly connection: StoreConnection | null;
  /** Requests answered so far. */
  readonly requestCount: number;
  readonly address: SocketAddress;
  /** `end` was called, and what was answered is still to leave. */
  readonly isEnding: boolean;
  /** Hands to the socket what has been answered, as far as it takes it. */
  write(): void;
  /** Closes the socket once it has taken what was answered; nothing is read any more. */
  end(): void;
  /** Closes the socket. */
  destroy(): void;
}

/** How long nothing must follow an operation 8 that may be A's or B's (tcpstore-protocol, "Generations A and B"). */
const SILENCE_MS = 20;
const NOT_ADMITTED = "is not from an admitted address";

/** Connections kept for peers to come, or that come back from rest. */
const SPARES_MAX = 1024;

type ActivePeer = StorePeer & { readonly connection: StoreConnection };
type Timer = ReturnType<typeof setTimeout>;

export class StoreService {
  readonly control: ControlServer | null;
  readonly limits: StoreLimits;
  /** HOST:PORT as bound, for the log. */
  readonly #name: string;
  readonly #connectionOptions: ConnectionOptions;
  readonly #onLog: (line: string) => void;
  readonly #onWrite: ((key: Key) => void) | undefined;
  /** Null: everybody may connect. */
  #admission: Admission | null;
  #table: Table;
  readonly #peers = new Set<StorePeer>();
  readonly #unfinished: UnfinishedRequests<StorePeer>;
  /** Bytes kept for those who do not read, and their sum. */
  readonly #unread = new Map<StorePeer, number>();
  #unreadBytes = 0;
  readonly #silenceTimers = new Map<StorePeer, Timer>();
  #spares: StoreConnection[] = [];
  /** Peers whose replies have not been handed to their socket. */
  #unwritten: StorePeer[] = [];
  #acceptedConnections = 0;
  #closedConnections = 0;
  #requestsOfGone = 0;

  constructor(name: string, options: ServingOptions) {
    this.#name = name;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#connectionOptions = { limits: this.limits, dialect: options.dialect ?? null };
    this.#admission = options.allowed ? new Admission(options.allowed) : null;
    this.control = options.control ?? null;
    this.#onLog = options.onLog ?? (() => {});
    this.#onWrite = options.onWrite;
    this.#table = this.#newTable();
    this.#unfinished = new UnfinishedRequests(this.limits.requestMs, (peer) => this.#onOverdue(peer));
  }

  get stats(): StoreStats {
    let requests = this.#requestsOfGone;
    for (const peer of this.#peers) requests += peer.requestCount;
    return {
      connections: this.#peers.size,
      keys: this.#table.keyCount,
      storedBytes: this.#table.storedBytes,
      acceptedConnections: this.#acceptedConnections,
      closedConnections: this.#closedConnections,
      requests,
    };
  }

  log(what: string): void {
    this.#onLog(`Store ${this.#name} ${what}`);
  }

  /** Empties the store and closes all connections. */
  reset(): void {
    this.#table = this.#newTable();
    for (const peer of this.#peers) peer.destroy();
    // They know the old table.
    this.#spares = [];
  }

  /** From now on only these may connect; closes the connections of all others. */
  setAllowed(allowed: readonly AddressRange[] | null): void {
    this.#admission = allowed ? new Admission(allowed) : null;
    for (const peer of this.#peers) {
      if (this.#admits(peer.address)) continue;
      this.#refuse(peer.address, NOT_ADMITTED);
      peer.destroy();
    }
  }

  close(): void {
    this.reset();
    this.#unfinished.close();
  }

  /** Counts a new connection. False: it can't be taken, which is in the log, and its socket is to be closed. */
  accepts(address: SocketAddress): boolean {
    this.#acceptedConnections++;
    const { connectionsMax } = this.limits;
    let objection: string | null = null;
    if (this.#peers.size >= connectionsMax) {
      objection = `is one more than the limit of ${connectionsMax} connections`;
    } else if (!this.#admits(address)) objection = NOT_ADMITTED;
    if (objection !== null) this.#refuse(address, objection);
    return objection === null;
  }

  /** For a peer of ours, or about to be; `spoken`: what it spoke before it was at rest. */
  connectionFor(peer: OutputSink, spoken?: SpokenDialect): StoreConnection {
    const spare = this.#spares.pop();
    if (spare === undefined && spoken === undefined) {
      return new StoreConnection(this.#table, this.#connectionOptions, peer);
    }
    const connection = spare ?? new StoreConnection(this.#table, this.#connectionOptions, peer);
    connection.reuse(peer, spoken);
    return connection;
  }

  /** Takes back the connection of a peer of ours that is at rest or gone. */
  release(connection: StoreConnection): void {
    if (this.#spares.length < SPARES_MAX && connection.isAtRest) this.#spares.push(connection);
  }

  add(peer: StorePeer): void {
    this.#peers.add(peer);
  }

  /**
   * Answers what is complete in the first `length` bytes of `chunk`, and writes it.
   * @throws {PeerError} `fail` is to be called with it.
   */
  receive(peer: ActivePeer, chunk: Uint8Array, length: number): void {
    if (this.#silenceTimers.size > 0) this.#stopWaitingForSilence(peer);
    peer.connection.receive(chunk, length);
    this.#flush();
    this.#watchUnfinished(peer);
  }

  /** Goes on with what was left over, once `peer` has read its replies. Throws as `receive` does. */
  resume(peer: ActivePeer): void {
    peer.connection.resume();
    this.#flush();
    this.#watchUnfinished(peer);
  }

  /** `peer` has replies to be written. */
  hasOutput(peer: StorePeer): void {
    this.#unwritten.push(peer);
  }

  /** `error` ends the connection of `peer`; a defect of ours goes on up. */
  fail(peer: StorePeer, error: unknown): void {
    if (!(error instanceof PeerError)) throw error;
    this.#refuse(peer.address, error.message);
    peer.connection?.leave();
    this.#unfinished.forget(peer);
    this.#stopWaitingForSilence(peer);
    // What it did before it broke a rule has earned replies and may have woken others.
    this.#flush();
    peer.end();
  }

  /** `peer` has not taken its last replies: it is destroyed when it goes on like that. */
  watchEnding(peer: StorePeer): void {
    this.#unfinished.note(peer, 0, peer.requestCount);
  }

  /** `peer` is gone, or not ours any more. */
  forget(peer: StorePeer): void {
    if (!this.#peers.delete(peer)) return;
    this.#unfinished.forget(peer);
    this.#forgetUnread(peer);
    this.#stopWaitingForSilence(peer);
    this.#requestsOfGone += peer.requestCount;
    peer.connection?.leave();
  }

  #newTable(): Table {
    const [hashSeed] = crypto.getRandomValues(new Int32Array(1));
    return new Table(this.limits, { onWrite: this.#onWrite, hashSeed: hashSeed! });
  }

  #admits(address: SocketAddress): boolean {
    return this.#admission === null || this.#admission.admits(address.hostname);
  }

  #refuse(address: SocketAddress, reason: string): void {
    this.#closedConnections++;
    this.log(`closed the connection of ${addressText(address)}: it ${reason}`);
  }

  #flush(): void {
    if (this.#unwritten.length === 0) return;
    const peers = this.#unwritten;
    this.#unwritten = [];
    for (const peer of peers) peer.write();
  }

  /** Counts and times what has begun and not ended. */
  #watchUnfinished(peer: ActivePeer): void {
    const { connection } = peer;
    if (connection.isBacklogged || this.#unread.size > 0) this.#noteUnread(peer);
    // It is not to blame for what we do not take.
    if (!connection.isInside || connection.isBacklogged) return this.#unfinished.forget(peer);
    this.#unfinished.note(peer, connection.keptBytes, connection.requestCount);
    const { bytes } = this.#unfinished, max = this.limits.unfinishedBytesMax;
    if (bytes > max) {
      throw new PeerError(
        `sent ${connection.keptBytes} of the ${bytes} unfinished bytes, over the limit of ${max}`,
      );
    }
    if (connection.awaitsSilence) {
      this.#silenceTimers.set(peer, setTimeout(() => this.#onSilence(peer), SILENCE_MS));
    }
  }

  /** A peer that does not read is cut off when it is one too many: what it is owed would fill the memory. */
  #noteUnread(peer: ActivePeer): void {
    const { output, isBacklogged } = peer.connection;
    this.#forgetUnread(peer);
    if (!isBacklogged) return;
    const bytes = output.heldBytes, max = this.limits.unreadBytesMax;
    this.#unread.set(peer, bytes);
    this.#unreadBytes += bytes;
    if (this.#unreadBytes <= max) return;
    this.#refuse(
      peer.address,
      `left ${bytes} of the ${this.#unreadBytes} unread bytes, over the limit of ${max}`,
    );
    peer.destroy();
  }

  #forgetUnread(peer: StorePeer): void {
    this.#unreadBytes -= this.#unread.get(peer) ?? 0;
    this.#unread.delete(peer);
  }

  #onSilence(peer: ActivePeer): void {
    this.#silenceTimers.delete(peer);
    try {
      peer.connection.silence();
      this.#unfinished.forget(peer);
      this.#flush();
    } catch (error) {
      this.fail(peer, error);
    }
  }

  #stopWaitingForSilence(peer: StorePeer): void {
    // Else there would be a call to the runtime for every connection that closes.
    if (!this.#silenceTimers.has(peer)) return;
    clearTimeout(this.#silenceTimers.get(peer));
    this.#silenceTimers.delete(peer);
  }

  #onOverdue(peer: StorePeer): void {
    const { requestMs } = this.limits;
    if (!peer.isEnding) {
      this.#refuse(peer.address, `did not finish a request within the limit of ${requestMs} ms`);
    }
    peer.destroy();
  }
}
