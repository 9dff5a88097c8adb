/**
 * A TCPStore server on sockets. What it does is in `store_service.ts` and `lib/store`; here connections are accepted.
 *
 * When the first client comes, epoll takes over where it can be had (`epoll_acceptor.ts`): until then a job has paid
 * nothing for it, and most workers take longer to start. Elsewhere the runtime's sockets serve.
 */

import type { AddressRange } from "../core/address_range.ts";
import type { EpollAcceptor } from "./epoll_acceptor.ts";
import { listenTcp, type TcpListener, type TcpSocket } from "./listener.ts";
import { PortablePeer } from "./portable_peer.ts";
import { addressText } from "./socket_address.ts";
import { type ServingOptions, StoreService, type StoreStats } from "./store_service.ts";

export interface StoreServerOptions extends ServingOptions {
  /** Address to listen on, the only one; "::" listens on all of IPv6 and IPv4. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface StoreServer {
  readonly host: string;
  readonly port: number;
  readonly stats: StoreStats;
  /** Empties the store and closes all connections, at the same address: what a new attempt starts with. */
  reset(): void;
  /**
   * From now on only these, and loopback addresses, may connect; null: everybody. Closes the connections of all others,
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

/** Before the next try to take a connection when the system refused. */
const ACCEPT_PAUSE_MS = 100;

class TcpStoreServer implements StoreServer {
  readonly host: string;
  readonly port: number;
  readonly #service: StoreService;
  /** Null: epoll has taken over. */
  #listener: TcpListener | null;
  #acceptor: EpollAcceptor | null = null;
  #isClosed = false;

  constructor(listener: TcpListener, options: ServingOptions) {
    this.#listener = listener;
    this.host = listener.addr.hostname;
    this.port = listener.addr.port;
    this.#service = new StoreService(addressText(listener.addr), options);
    if (options.sockets === "portable") this.#accept(listener);
    else this.#start(listener);
  }

  get stats(): StoreStats {
    return this.#service.stats;
  }

  reset(): void {
    this.#service.reset();
  }

  setAllowed(allowed: readonly AddressRange[] | null): void {
    this.#service.setAllowed(allowed);
  }

  close(): void {
    this.#isClosed = true;
    this.#listener?.close();
    this.#acceptor?.close();
    this.#service.close();
  }

  async #start(listener: TcpListener): Promise<void> {
    const descriptor = await listener.arrival();
    if (descriptor === null || this.#isClosed) return this.#accept(listener);
    const { acceptByEpoll } = await import("./epoll_acceptor.ts");
    if (this.#isClosed) return;
    this.#acceptor = acceptByEpoll(this.#service, descriptor, listener.addr);
    if (this.#acceptor === null) return this.#accept(listener);
    this.#listener = null;
    for (const socket of listener.takeArrived?.() ?? []) this.#serve(socket);
    listener.close();
  }

  async #accept(listener: TcpListener): Promise<void> {
    let isStarved = false;
    while (!this.#isClosed) {
      let socket: TcpSocket;
      try {
        socket = await listener.accept();
      } catch (error) {
        if (this.#isClosed) return;
        // Most likely there are no descriptors left; who waits is taken once others have gone.
        if (!isStarved) this.#service.log(`cannot take connections for now: ${reasonOf(error)}`);
        isStarved = true;
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
        continue;
      }
      isStarved = false;
      this.#serve(socket);
    }
  }

  #serve(socket: TcpSocket): void {
    if (this.#service.accepts(socket.remoteAddr)) new PortablePeer(this.#service, socket);
    else socket.close();
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
