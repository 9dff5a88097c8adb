/**
 * The C library's calls for sockets that Deno does not know of: non-blocking, on descriptors and buffers, no policy.
 * Linux with glibc, x86-64 or arm64. Opened at first use and for good.
 *
 * Lengths go in as bigints made beforehand, because FFI takes a number for a `size_t` by its slow path, and results that
 * fit are read as 32 bits. There is no `errno`: what the runtime does after a call may change it.
 */

import { openLibc } from "./libc.ts";

const SYMBOLS = {
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  /** The same in a thread of the pool, without holding up anything. */
  awaitEvents: {
    name: "epoll_wait",
    parameters: ["i32", "buffer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  timerfd_create: { parameters: ["i32", "i32"], result: "i32" },
  timerfd_settime: { parameters: ["i32", "i32", "buffer", "pointer"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  accept4: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
} as const;

export type EpollCalls = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let opened: EpollCalls | null | undefined;

/** The calls, or null where they can't be had: the portable sockets serve then. */
export function epollCalls(): EpollCalls | null {
  if (opened === undefined) opened = openLibc(SYMBOLS)?.symbols ?? null;
  return opened;
}

const LENGTHS_PREPARED = 4096;
let lengths: readonly bigint[] | undefined;

/** A length as FFI takes it fast. */
export function sizeOf(length: number): bigint {
  lengths ??= Array.from({ length: LENGTHS_PREPARED }, (_, index) => BigInt(index));
  return length < LENGTHS_PREPARED ? lengths[length]! : BigInt(length);
}
