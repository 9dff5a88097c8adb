/**
 * Waits for many descriptors with one thread: Deno has no API for reading a descriptor that it did not open itself,
 * and a blocking read for each would use up the 32 threads that all file access shares. Linux with glibc only.
 *
 * Rules: one thread waits in epoll_wait(2) while anybody waits; the reads themselves never block. Every
 * descriptor is armed for one report at a time, so who doesn't read is not told again.
 */

const SYMBOLS = {
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32", nonblocking: true },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLLIN = 1;
const EPOLLERR_EPOLLHUP = 8 | 16;
const EPOLLONESHOT = 1 << 30;
const EPOLL_CLOEXEC = 0o2000000;
const EFD_CLOEXEC_NONBLOCK = 0o2004000;

const EVENTS_MAX = 64;
/** struct epoll_event is packed on x86-64 only (epoll_ctl(2)). */
const EVENT_BYTES = Deno.build.arch === "x86_64" ? 12 : 16;
const EVENT_DATA_OFFSET = EVENT_BYTES - 8;

/** Why a wait ended: there may be something to read, and `hungUp`: after that nothing more will come. */
export interface Readiness {
  readonly hungUp: boolean;
}

const CLOSED: Readiness = { hungUp: true };

export class Poller {
  readonly #libc: Deno.DynamicLibrary<typeof SYMBOLS>;
  readonly #epoll: number;
  readonly #stopper: number;
  readonly #waiters = new Map<number, (readiness: Readiness) => void>();
  readonly #known = new Set<number>();
  #waiting: Promise<void> | undefined;
  #isClosed = false;

  /** Throws where there is no glibc or no permission for FFI. */
  constructor() {
    this.#libc = Deno.dlopen("libc.so.6", SYMBOLS);
    this.#epoll = this.#libc.symbols.epoll_create1(EPOLL_CLOEXEC);
    this.#stopper = this.#libc.symbols.eventfd(0, EFD_CLOEXEC_NONBLOCK);
    this.#control(EPOLL_CTL_ADD, this.#stopper, EPOLLIN);
  }

  /** Resolves when `descriptor` can be read, has ended, or is forgotten. One call at a time for each. */
  readable(descriptor: number): Promise<Readiness> {
    if (this.#isClosed) return Promise.resolve(CLOSED);
    const operation = this.#known.has(descriptor) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    this.#known.add(descriptor);
    return new Promise((resolve) => {
      this.#waiters.set(descriptor, resolve);
      this.#control(operation, descriptor, EPOLLIN | EPOLLONESHOT);
      this.#waiting ??= this.#wait();
    });
  }

  /**
   * Reads once into `buffer` from a descriptor in non-blocking mode, without waiting, and returns the count. 0: end
   * of file, or nothing now: FFI can't read errno, so only `hungUp` tells a broken descriptor from an empty one.
   */
  read(descriptor: number, buffer: Uint8Array<ArrayBuffer>): number {
    return Math.max(0, Number(this.#libc.symbols.read(descriptor, buffer, BigInt(buffer.length))));
  }

  /** Closes `descriptor`; a pending wait for it ends. */
  closeDescriptor(descriptor: number): void {
    if (this.#known.delete(descriptor)) this.#control(EPOLL_CTL_DEL, descriptor, 0);
    this.#libc.symbols.close(descriptor);
    this.#release(descriptor, CLOSED);
  }

  /** Ends the thread and every wait. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#libc.symbols.write(this.#stopper, new BigUint64Array([1n]), 8n);
    await this.#waiting;
    for (const descriptor of [...this.#waiters.keys()]) this.#release(descriptor, CLOSED);
    this.#libc.symbols.close(this.#stopper);
    this.#libc.symbols.close(this.#epoll);
    this.#libc.close();
  }

  async #wait(): Promise<void> {
    const events = new Uint8Array(EVENT_BYTES * EVENTS_MAX);
    const view = new DataView(events.buffer);
    while (!this.#isClosed && this.#waiters.size > 0) {
      const count = await this.#libc.symbols.epoll_wait(this.#epoll, events, EVENTS_MAX, -1);
      for (let i = 0; i < count; i++) {
        const hungUp = (view.getUint32(i * EVENT_BYTES, true) & EPOLLERR_EPOLLHUP) !== 0;
        this.#release(view.getInt32(i * EVENT_BYTES + EVENT_DATA_OFFSET, true), { hungUp });
      }
      // Let those who were told read, and ask again if they wait on.
      await Promise.resolve();
    }
    this.#waiting = undefined;
  }

  #release(descriptor: number, readiness: Readiness): void {
    const resolve = this.#waiters.get(descriptor);
    this.#waiters.delete(descriptor);
    resolve?.(readiness);
  }

  #control(operation: number, descriptor: number, events: number): void {
    const event = new Uint8Array(EVENT_BYTES);
    const view = new DataView(event.buffer);
    view.setUint32(0, events, true);
    view.setInt32(EVENT_DATA_OFFSET, descriptor, true);
    this.#libc.symbols.epoll_ctl(this.#epoll, operation, descriptor, event);
  }
}
