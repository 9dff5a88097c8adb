/**
 * Listening sockets and held ports. What Deno has no API for goes to the C library where that is at hand (Linux with
 * glibc): the backlog (Deno's is 511: a burst of connecting workers overflows it and each waits a second for its
 * next try) and a port that is bound without being listened on.
 */

import { SystemError } from "../core/errors.ts";
import { openLibc } from "./libc.ts";
import { readSocketAddress, SOCKET_ADDRESS_BYTES, type SocketAddress } from "./socket_address.ts";

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  /** In a thread of the pool, without holding up anything. */
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32", nonblocking: true },
} as const;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;
type SocketCalls = Library["symbols"];

/**
 * What `use` makes of the C library, which is open for that long only: it is needed once or twice in a launcher's life.
 * Null where there is none to be had.
 */
function withSocketCalls<Result>(use: (calls: SocketCalls) => Result): Result | null {
  const library = openLibc(SYMBOLS);
  if (library === null) return null;
  try {
    return use(library.symbols);
  } finally {
    library.close();
  }
}

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
/** 1 for a socket that listens. */
const SO_ACCEPTCONN = 30;
/** The kernel cuts it down to net.core.somaxconn. */
const BACKLOG_MAX = 65535;
const SHUT_RDWR = 2;
const POLLIN = 1;
/** Of `struct pollfd`, in 32-bit words, and room enough that V8 does not move it. */
const POLL_WORDS = 32;
/** A launcher has few descriptors when it opens its stores; a listener beyond keeps Deno's own backlog. */
const DESCRIPTORS_SEARCHED = 1024;

/** Of a connection, what is needed; where its own end is bound is not known of every kind. */
export type TcpSocket =
  & Pick<Deno.TcpConn, "remoteAddr" | "setNoDelay" | "read" | "write" | "closeWrite" | "close">
  & Partial<Pick<Deno.TcpConn, "localAddr">>;

/** A listening socket, wherever it came from. */
export interface TcpListener {
  /** As bound. */
  readonly addr: SocketAddress;
  accept(): Promise<TcpSocket>;
  /**
   * The listening descriptor, the listener's own, once a first client has come or at once; null: it can't be had, or the
   * listener was closed. To be called before `accept`, or not at all.
   */
  arrival(): Promise<number | null>;
  /** What has come in and has not been accepted, where that is kept here and not by the system. */
  takeArrived?(): TcpSocket[];
  close(): void;
}

/** Somebody else listens there. */
export class PortInUseError extends SystemError {}

/** The address that stands for all interfaces: of IPv6 and IPv4 where this machine has both. */
export function anyAddress(): string {
  try {
    Deno.listen({ hostname: "::", port: 0 }).close();
    return "::";
  } catch {
    return "0.0.0.0";
  }
}

/**
 * Listens on `host` and `port` (0: any free port) with the longest backlog that the system allows.
 * @throws {SystemError} The address can't be bound.
 */
export function listenTcp(host: string, port: number): TcpListener {
  try {
    return new RuntimeListener(Deno.listen({ hostname: host, port }));
  } catch (error) {
    const problem = bindProblem(host, port, error);
    throw error instanceof Deno.errors.AddrInUse ? new PortInUseError(problem) : new SystemError(problem);
  }
}

class RuntimeListener implements TcpListener {
  readonly addr: SocketAddress;
  readonly #listener: Deno.TcpListener;
  /** Found, with the longest backlog set; null: not found. */
  readonly #descriptor: Promise<number | null>;
  /** Kept open for a thread that waits for the first client. */
  #library: Library | null = null;
  /** The descriptor, while it does. */
  #awaited: number | null = null;
  #isWanted = false;
  #isClosed = false;

  constructor(listener: Deno.TcpListener) {
    this.#listener = listener;
    const { hostname, port } = listener.addr;
    this.addr = { hostname, port };
    // After what the caller does next: its workers start meanwhile, and none of them connects that soon.
    this.#descriptor = Promise.resolve().then(() => this.#raiseBacklog());
  }

  accept(): Promise<TcpSocket> {
    return this.#listener.accept();
  }

  async arrival(): Promise<number | null> {
    this.#isWanted = true;
    const descriptor = await this.#descriptor;
    if (descriptor !== null && !this.#isClosed) this.#library ??= openLibc(SYMBOLS);
    if (descriptor === null || this.#library === null) return null;
    const awaited = Int32Array.of(descriptor, POLLIN, ...Array<number>(POLL_WORDS).fill(0));
    this.#awaited = descriptor;
    if (!this.#isClosed) await this.#library.symbols.poll(awaited, 1n, -1);
    this.#awaited = null;
    this.#library.close();
    this.#library = null;
    return this.#isClosed ? null : descriptor;
  }

  close(): void {
    this.#isClosed = true;
    // Nothing else ends the wait of the thread.
    if (this.#awaited !== null) this.#library?.symbols.shutdown(this.#awaited, SHUT_RDWR);
    this.#listener.close();
  }

  #raiseBacklog(): number | null {
    const library = this.#isClosed ? null : openLibc(SYMBOLS);
    if (library === null) return null;
    const descriptor = raiseBacklogBy(library.symbols, this.addr);
    if (this.#isWanted) this.#library = library;
    else library.close();
    return descriptor;
  }
}

/** A port that is held, but not listened on. */
export interface ReservedPort {
  readonly port: number;
  /** Lets the port go. */
  release(): void;
}

/**
 * Holds a port on which somebody else will listen: a worker that hosts the store itself
 * (TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1). The socket has SO_REUSEADDR and never listens, so the system gives the port to
 * nobody who asks for any free one, and still lets PyTorch's server, which sets SO_REUSEADDR too, listen on it.
 * Without the C library the port is only looked up: it was free a moment ago, and somebody else may take it.
 * @throws {SystemError} The port can't be had.
 */
export function reservePort(options: { readonly host: string; readonly port: number }): ReservedPort {
  const { host, port } = options;
  const address = socketAddress(host, port);
  const held = withSocketCalls((calls) => {
    const descriptor = calls.socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    calls.setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, new Int32Array([1]), 4);
    if (descriptor >= 0 && calls.bind(descriptor, address.bytes, address.bytes.length) === 0) {
      const release = () => void withSocketCalls((calls) => calls.close(descriptor));
      return { port: boundAddress(calls, descriptor)!.port, release };
    }
    calls.close(descriptor);
    return null;
  });
  if (held !== null) return held;
  // Where the system refused, this attempt fails too, and knows the reason.
  const listener = listenTcp(host, port);
  const found = listener.addr.port;
  listener.close();
  return { port: found, release: () => {} };
}

function bindProblem(host: string, port: number, error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return `Cannot listen on ${host}:${port}: the port is in use; stop what holds it, choose another port, or 0 for any`;
  }
  const reason = error instanceof Error ? error.message : String(error);
  return `Cannot listen on ${host}:${port}: ${reason}; name an address of this machine and a port that is open to you`;
}

/**
 * Gives what listens at `address` in this process the longest backlog that the system allows, and returns its
 * descriptor; null: it is not found.
 */
export function raiseBacklog(address: SocketAddress): number | null {
  return withSocketCalls((calls) => raiseBacklogBy(calls, address));
}

function raiseBacklogBy(calls: SocketCalls, address: SocketAddress): number | null {
  for (let descriptor = 3; descriptor < DESCRIPTORS_SEARCHED; descriptor++) {
    const bound = boundAddress(calls, descriptor);
    if (bound === null || bound.port !== address.port || bound.hostname !== address.hostname) continue;
    const isListening = new Int32Array(1);
    calls.getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, isListening, new Uint32Array([4]));
    if (isListening[0] !== 1) continue;
    calls.listen(descriptor, BACKLOG_MAX);
    return descriptor;
  }
  return null;
}

/** The local address of a socket; null: it is none of IPv4 or IPv6. */
function boundAddress(calls: SocketCalls, descriptor: number): SocketAddress | null {
  const bytes = new Uint8Array(SOCKET_ADDRESS_BYTES);
  const result = calls.getsockname(descriptor, bytes, new Uint32Array([SOCKET_ADDRESS_BYTES]));
  return result === 0 ? readSocketAddress(bytes) : null;
}

/** A `struct sockaddr_in` or, for the unspecified and loopback addresses of IPv6, `sockaddr_in6`. */
function socketAddress(host: string, port: number): { family: number; bytes: Uint8Array<ArrayBuffer> } {
  if (host === "::" || host === "::1") {
    const bytes = new Uint8Array(SOCKET_ADDRESS_BYTES);
    bytes.set([AF_INET6, 0, port >> 8, port & 255]);
    bytes[23] = host === "::1" ? 1 : 0;
    return { family: AF_INET6, bytes };
  }
  const parts = host.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) {
    throw new SystemError(`Cannot reserve a port on ${host}: it is no IPv4 address, "::" or "::1"`);
  }
  const bytes = new Uint8Array(16);
  bytes.set([AF_INET, 0, port >> 8, port & 255, ...parts]);
  return { family: AF_INET, bytes };
}
