/**
 * A store's connection on an `EpollReactor`: two system calls for a request. Bytes are decoded in the buffer into which the
 * kernel put them, replies of a turn leave in one piece, and a long value leaves from where it is stored. An idle
 * connection keeps neither buffer nor timer, and when others have been active since, only this small object.
 */

import { CONTROL_FIRST_BYTE } from "../store/control_wire.ts";
import type { StoreConnection } from "../store/connection.ts";
import type { SpokenDialect } from "../store/request_decoder.ts";
import { sizeOf } from "./epoll_calls.ts";
import { BROKEN, ENDED, type EpollHandler, type EpollReactor, READABLE, WRITABLE } from "./epoll_reactor.ts";
import { EpollSocket } from "./epoll_socket.ts";
import { hostText, type PackedHost, type SocketAddress } from "./socket_address.ts";
import type { StorePeer, StoreService } from "./store_service.ts";

const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;
/** A SET of 64 KiB, and not so much that small requests could take a turn of long. */
const READ_BYTES = 128 * 1024;
const READ_SIZE = BigInt(READ_BYTES);
/** Of all: what is read is handled before the next read. */
const buffer = new Uint8Array(READ_BYTES);

/** Peers that keep their connection also while nothing is to be done. */
const RECENT_MAX = 1024;
const recent: (EpollPeer | undefined)[] = [];
let recentIndex = 0;

export class EpollPeer implements StorePeer, EpollHandler {
  /** Null: at rest. */
  connection: StoreConnection | null = null;
  readonly isEnding = false;
  readonly #service: StoreService;
  readonly #reactor: EpollReactor;
  readonly #descriptor: number;
  readonly #host: PackedHost;
  readonly #port: number;
  #isClosed = false;
  #hasSpoken = false;
  /** Nothing comes after what can be read now. */
  #hasEnded = false;
  #isBroken = false;
  /** The reactor will call `onAgain`. */
  #isDue = false;
  /** The kernel takes nothing until it says so. */
  #isBlocked = false;
  #watchesWritable = false;
  /** One of `recent`. */
  #isRecent = false;
  /** While at rest: what it speaks; undefined: not known. */
  #spoken: SpokenDialect | undefined = undefined;
  #requestsBeforeRest = 0;

  /** Serves `descriptor`, which the service has accepted and which is its own from now on. */
  constructor(
    service: StoreService,
    reactor: EpollReactor,
    { descriptor, host, port }: {
      readonly descriptor: number;
      readonly host: PackedHost;
      readonly port: number;
    },
  ) {
    this.#service = service;
    this.#reactor = reactor;
    this.#descriptor = descriptor;
    this.#host = host;
    this.#port = port;
    service.add(this);
    reactor.add(descriptor, this);
  }

  get requestCount(): number {
    return this.#requestsBeforeRest + (this.connection?.requestCount ?? 0);
  }

  get address(): SocketAddress {
    return { hostname: hostText(this.#host), port: this.#port };
  }

  onOutput(): void {
    this.#reactor.atBatchEnd(this);
  }

  onBatchEnd(): void {
    this.write();
  }

  onEvents(events: number): void {
    if (events & (ENDED | BROKEN)) {
      this.#hasEnded = true;
      if (events & BROKEN) this.#isBroken = true;
    }
    if (events & WRITABLE && this.#isBlocked) {
      this.#isBlocked = false;
      this.write();
    }
    if (events & (READABLE | ENDED | BROKEN)) this.#read();
  }

  onAgain(): void {
    this.#isDue = false;
    if (this.#isClosed) return;
    const { connection } = this;
    if (connection === null || !connection.isStopped) return this.#read();
    if (connection.isBacklogged) return;
    try {
      this.#service.resume(this as EpollPeer & { connection: StoreConnection });
    } catch (error) {
      return this.#service.fail(this, error);
    }
    // What it has sent meanwhile.
    if (!connection.isBacklogged) this.#comeAgain();
  }

  write(): void {
    const { connection } = this;
    if (this.#isBlocked || this.#isClosed || connection === null) return;
    const { output } = connection;
    const { send } = this.#reactor.calls;
    while (output.length > 0) {
      const bytes = (output.whole ?? output.peek()) as Uint8Array<ArrayBuffer>;
      const length = Math.min(bytes.length, output.length);
      const flags = length < output.length ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;
      const taken = send(this.#descriptor, bytes, sizeOf(length), flags);
      if (taken > 0) output.advance(taken);
      if (taken < length) {
        // Or the connection is broken, and an event will say so.
        this.#isBlocked = true;
        if (!this.#watchesWritable) this.#reactor.watchWritable(this.#descriptor);
        this.#watchesWritable = true;
        break;
      }
    }
    if (connection.isStopped && !connection.isBacklogged) this.#comeAgain();
  }

  /** What the kernel does not take of the answers is lost, as with PyTorch's server. */
  end(): void {
    this.write();
    this.destroy();
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#service.forget(this);
    if (this.connection !== null) this.#service.release(this.connection);
    this.#reactor.close(this.#descriptor);
  }

  #read(): void {
    // Nothing is read from who does not read; `write` goes on with it.
    if (this.#isClosed || (this.connection?.isStopped ?? false)) return;
    const length = this.#reactor.calls.recv(this.#descriptor, buffer, READ_SIZE, 0);
    if (length <= 0) {
      if (length === 0 || this.#isBroken) this.destroy();
      return;
    }
    if (!this.#hasSpoken) {
      this.#hasSpoken = true;
      if (buffer[0] === CONTROL_FIRST_BYTE && this.#service.control !== null) return this.#handOver(length);
    }
    if (!this.#isRecent) this.#becomeRecent();
    this.connection ??= this.#service.connectionFor(this, this.#spoken);
    try {
      this.#service.receive(this as EpollPeer & { connection: StoreConnection }, buffer, length);
    } catch (error) {
      return this.#service.fail(this, error);
    }
    // Events are told once, so what may be left is looked for; `write` goes on with who was stopped.
    if (length === READ_BYTES || this.#hasEnded) this.#comeAgain();
  }

  /** Takes the place of who was active longest ago. */
  #becomeRecent(): void {
    const oldest = recent[recentIndex];
    if (oldest !== undefined) oldest.#rest();
    recent[recentIndex] = this;
    recentIndex = (recentIndex + 1) % RECENT_MAX;
    this.#isRecent = true;
  }

  #rest(): void {
    this.#isRecent = false;
    const { connection } = this;
    if (this.#isClosed || connection === null || !connection.isAtRest) return;
    this.#requestsBeforeRest += connection.requestCount;
    this.#spoken = connection.spoken;
    this.connection = null;
    this.#service.release(connection);
  }

  #comeAgain(): void {
    if (this.#isDue || this.#isClosed) return;
    this.#isDue = true;
    this.#reactor.again(this);
  }

  /** It is one of our own agents. */
  #handOver(length: number): void {
    this.#isClosed = true;
    this.#service.forget(this);
    const socket = new EpollSocket(this.#reactor, this.#descriptor, this.address);
    this.#service.control!.adopt(socket, buffer.subarray(0, length));
  }
}
