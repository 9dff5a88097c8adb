/**
 * Non-blocking TCP sockets and epoll by FFI, for the load program: one thread that serves thousands of connections at
 * two system calls a request. Linux with glibc, x86-64 or arm64. Only descriptors and buffers; no policy. Events are
 * edge-triggered: who is told reads until nothing is left, and a read that fills no buffer has left nothing.
 */

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  accept4: { parameters: ["i32", "pointer", "pointer", "i32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  // What fits is read as 32 bits, and lengths go in as bigints: FFI's slow path costs as much as a call.
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
} as const;

const { symbols: libc } = Deno.dlopen("libc.so.6", SYMBOLS);

const AF_INET = 2;
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_CONGESTION = 13;
const MSG_NOSIGNAL = 0x4000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;
const EPOLLOUT = 4;
const EPOLLET = 1 << 31;
const ADDRESS_BYTES = 16;

export const READABLE = 1;
export const WRITABLE = EPOLLOUT;

const EVENTS_MAX = 32;
/** struct epoll_event is packed on x86-64 only (epoll_ctl(2)). */
const EVENT_BYTES = Deno.build.arch === "x86_64" ? 12 : 16;
const ONE = new Int32Array([1]);
/**
 * Clients are not paced: where the system's default is bbr, that would let both sides sleep while long values are sent, and
 * the load would be what limits. What a server does with its own sockets is its own affair.
 */
const RENO = new TextEncoder().encode("reno");

function loopbackAddress(port: number): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(ADDRESS_BYTES);
  address.set([AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1]);
  return address;
}

/** Starts to connect to a port of 127.0.0.1; the socket is writable once it is connected. */
export function connectTo(port: number): number {
  const socket = checked(libc.socket(AF_INET, SOCK_STREAM_NONBLOCK_CLOEXEC, 0), "socket");
  libc.setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, ONE, 4);
  libc.setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, RENO, RENO.length);
  libc.connect(socket, loopbackAddress(port), ADDRESS_BYTES);
  return socket;
}

/** Listens on a free port of 127.0.0.1. */
export function listenOnLoopback(): { readonly socket: number; readonly port: number } {
  const socket = checked(libc.socket(AF_INET, SOCK_STREAM_NONBLOCK_CLOEXEC, 0), "socket");
  const address = loopbackAddress(0);
  checked(libc.bind(socket, address, ADDRESS_BYTES), "bind");
  checked(libc.listen(socket, 65535), "listen");
  checked(libc.getsockname(socket, address, new Uint32Array([ADDRESS_BYTES])), "getsockname");
  return { socket, port: (address[2]! << 8) | address[3]! };
}

/** A connection that has come in, or -1. */
export function accept(listener: number): number {
  const socket = libc.accept4(listener, null, null, SOCK_STREAM_NONBLOCK_CLOEXEC & ~1);
  if (socket >= 0) libc.setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, ONE, 4);
  return socket;
}

/** Bytes read; 0: the peer has closed; negative: nothing now. */
export function receive(socket: number, buffer: Uint8Array<ArrayBuffer>): number {
  return libc.recv(socket, buffer, sizeOf(buffer.length), 0);
}

/** Bytes taken; negative: none now. */
export function send(socket: number, bytes: Uint8Array<ArrayBuffer>): number {
  return libc.send(socket, bytes, sizeOf(bytes.length), MSG_NOSIGNAL);
}

const sizes = new Map<number, bigint>();

function sizeOf(length: number): bigint {
  const known = sizes.get(length);
  if (known !== undefined) return known;
  sizes.set(length, BigInt(length));
  return BigInt(length);
}

export function close(socket: number): void {
  libc.close(socket);
}

/** An epoll instance whose events carry the descriptor. */
export class Epoll {
  readonly #descriptor = checked(libc.epoll_create1(0), "epoll_create1");
  readonly #events = new Uint8Array(EVENT_BYTES * EVENTS_MAX);
  readonly #view = new DataView(this.#events.buffer);
  readonly #event = new Uint8Array(EVENT_BYTES);
  readonly #eventView = new DataView(this.#event.buffer);

  add(socket: number, interest: number): void {
    this.#control(EPOLL_CTL_ADD, socket, interest);
  }

  change(socket: number, interest: number): void {
    this.#control(EPOLL_CTL_MOD, socket, interest);
  }

  /** Waits at most `timeoutMs` (-1: for ever) and returns the number of events. */
  wait(timeoutMs: number): number {
    return libc.epoll_wait(this.#descriptor, this.#events, EVENTS_MAX, timeoutMs);
  }

  socketOf(index: number): number {
    return this.#view.getInt32(index * EVENT_BYTES + EVENT_BYTES - 8, true);
  }

  readinessOf(index: number): number {
    return this.#view.getUint32(index * EVENT_BYTES, true);
  }

  #control(operation: number, socket: number, interest: number): void {
    this.#eventView.setUint32(0, interest | EPOLLET, true);
    this.#eventView.setInt32(EVENT_BYTES - 8, socket, true);
    checked(libc.epoll_ctl(this.#descriptor, operation, socket, this.#event), "epoll_ctl");
  }
}

function checked(result: number, call: string): number {
  if (result < 0) throw new Error(`${call} failed`);
  return result;
}
