/**
 * A store's listening socket on an `EpollReactor`, taken over from the runtime when the first client comes: until then a
 * job has paid nothing for it, and most workers take longer to start than this takes.
 */

import { EpollPeer } from "./epoll_peer.ts";
import { type EpollHandler, type EpollReactor, epollReactor } from "./epoll_reactor.ts";
import { PackedAddress, SOCKET_ADDRESS_BYTES, type SocketAddress } from "./socket_address.ts";
import type { StoreService } from "./store_service.ts";

const SOCK_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_CONGESTION = 13;
const ONE = new Int32Array([1]);
/** In every kernel, and allowed to everybody. */
const RENO = new TextEncoder().encode("reno");

/** Taken in one turn. */
const ACCEPTED_MAX = 64;
/** Before the next try when the system refused. */
const ACCEPT_PAUSE_MS = 100;
/**
 * Serves what comes at the listening `descriptor`, which stays the caller's and may be closed, from now on. Null where
 * there is no epoll to be had.
 */
export function acceptByEpoll(
  service: StoreService,
  descriptor: number,
  address: SocketAddress,
): EpollAcceptor | null {
  const reactor = epollReactor();
  if (reactor === null) return null;
  const own = reactor.calls.fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return null;
  // What is inherited from another program may be in another mode.
  reactor.calls.fcntl(own, F_SETFL, O_NONBLOCK);
  return new EpollAcceptor(service, reactor, own, address);
}

export class EpollAcceptor implements EpollHandler {
  readonly #service: StoreService;
  readonly #reactor: EpollReactor;
  readonly #descriptor: number;
  readonly #address = new Uint8Array(SOCKET_ADDRESS_BYTES);
  readonly #addressLength = new Uint32Array(1);
  #isDue = false;
  #isStarved = false;
  #isClosed = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;

  /** Accepts what comes at `descriptor`, bound to `address`. */
  constructor(service: StoreService, reactor: EpollReactor, descriptor: number, address: SocketAddress) {
    this.#service = service;
    this.#reactor = reactor;
    this.#descriptor = descriptor;
    // Accepted sockets inherit both.
    reactor.calls.setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, ONE, 4);
    // Where the system's default paces (bbr), long values take several times as long on a network that has no congestion.
    if (isLoopback(address)) {
      reactor.calls.setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, RENO, RENO.length);
    }
    reactor.add(descriptor, this);
    this.#comeAgain();
  }

  onEvents(): void {
    // After all that was reported with it: an accepted descriptor may have the number of one closed in this turn.
    this.#comeAgain();
  }

  onAgain(): void {
    this.#isDue = false;
    if (this.#isClosed) return;
    for (let accepted = 0; accepted < ACCEPTED_MAX; accepted++) {
      this.#addressLength[0] = SOCKET_ADDRESS_BYTES;
      const { calls } = this.#reactor;
      const length = this.#addressLength;
      const descriptor = calls.accept4(this.#descriptor, this.#address, length, SOCK_NONBLOCK_CLOEXEC);
      if (descriptor < 0) return this.#onRefused();
      this.#isStarved = false;
      this.serve(descriptor, PackedAddress.read(this.#address));
    }
    this.#comeAgain();
  }

  onBatchEnd(): void {}

  /** Serves a connection that has come in, if the service takes it. */
  serve(descriptor: number, address: PackedAddress): void {
    if (this.#service.accepts(address)) {
      new EpollPeer(this.#service, this.#reactor, { descriptor, host: address.host, port: address.port });
    } else this.#reactor.calls.close(descriptor);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
    this.#reactor.remove(this.#descriptor);
    this.#reactor.calls.close(this.#descriptor);
  }

  /**
   * Nobody waits any more, or there is no descriptor left: then who waits is taken once others have gone. `errno` would
   * tell, but what the runtime does after a call may change it.
   */
  #onRefused(): void {
    const { calls } = this.#reactor;
    const probe = calls.fcntl(this.#descriptor, F_DUPFD_CLOEXEC, 0);
    if (probe >= 0) return void calls.close(probe);
    if (!this.#isStarved) {
      this.#service.log("cannot take connections for now: Too many open files (os error 24)");
    }
    this.#isStarved = true;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#comeAgain(), ACCEPT_PAUSE_MS);
  }

  #comeAgain(): void {
    if (this.#isDue || this.#isClosed) return;
    this.#isDue = true;
    this.#reactor.again(this);
  }
}

function isLoopback({ hostname }: SocketAddress): boolean {
  return hostname.startsWith("127.") || hostname === "::1";
}
