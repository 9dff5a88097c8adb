/**
 * Serves sockets by epoll(7) on the main thread, for what must be faster than a promise per read. One for a process.
 *
 * Where it waits: while nothing comes, a thread of the pool waits in epoll_wait(2), so an idle process costs nothing. Its
 * report wakes the main thread, which then asks the kernel itself, without a thread between, until a moment has
 * passed without traffic. Nobody else waits for that: after `SLICE_MS` of work the runtime's own loop has its turn, and
 * as soon as the runtime's own epoll instance, which is watched as one more descriptor, has something to tell.
 *
 * Rules: events are edge-triggered: who is told must read until the kernel has no more, or ask to be called `again`.
 * Handlers never wait. A descriptor is closed here, or removed before it is closed.
 */

import { assert } from "../core/assert.ts";
import { type EpollCalls, epollCalls, sizeOf } from "./epoll_calls.ts";

export interface EpollHandler {
  /** Something happened: a set of `READABLE`, `WRITABLE`, `ENDED`, `BROKEN`. */
  onEvents(events: number): void;
  /** What `again` asked for. */
  onAgain(): void;
  /** What `atBatchEnd` asked for. */
  onBatchEnd(): void;
}

export const READABLE = 1;
export const WRITABLE = 4;
/** EPOLLERR, EPOLLHUP: nothing can be written any more. */
export const BROKEN = 8 | 16;
/** EPOLLRDHUP: nothing comes after what can be read now. */
export const ENDED = 0x2000;
const EDGE_TRIGGERED = 1 << 31;

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLL_CLOEXEC = 0o2000000;
const EFD_CLOEXEC_NONBLOCK = 0o2004000;
const TFD_CLOEXEC_NONBLOCK = 0o2004000;
const CLOCK_MONOTONIC = 1;
const ONE = 1n;

/** Reported together: more would let the clients wait while the server reads. */
const EVENTS_MAX = 32;
/** struct epoll_event is packed on x86-64 only (epoll_ctl(2)); in 32-bit words. */
const EVENT_WORDS = Deno.build.arch === "x86_64" ? 3 : 4;
const EVENT_DATA_WORD = EVENT_WORDS - 2;

/** How long the main thread works and waits for sockets, at most, before the runtime's own loop has its turn. */
const SLICE_MS = 1;
/** `struct itimerspec`: interval and first expiry, in seconds and nanoseconds. */
const TICKING = new Uint8Array(
  BigInt64Array.of(0n, BigInt(SLICE_MS * 1e6), 0n, BigInt(SLICE_MS * 1e6)).buffer,
);
const STILL = new Uint8Array(BigInt64Array.of(0n, 0n, 0n, 0n).buffer);
/** Between looks at the clock. */
const CALLS_PER_LOOK = 8;

let reactor: EpollReactor | null | undefined;

/** The reactor of this process, or null where there can't be one. */
export function epollReactor(): EpollReactor | null {
  if (reactor === undefined) {
    const runtime = runtimeDescriptor();
    const calls = epollCalls();
    reactor = calls === null ? null : new EpollReactor(calls, runtime);
  }
  return reactor;
}

export class EpollReactor {
  readonly calls: EpollCalls;
  readonly #epoll: number;
  readonly #waker: number;
  /** By descriptor. */
  readonly #handlers: (EpollHandler | undefined)[] = [];
  #handlerCount = 0;
  readonly #events = new Int32Array(EVENT_WORDS * EVENTS_MAX);
  readonly #eventBytes = new Uint8Array(this.#events.buffer);
  readonly #event = new Int32Array(EVENT_WORDS);
  readonly #eventBuffer = new Uint8Array(this.#event.buffer);
  /** Of `#events`: how many there are, and the first that was not handled. */
  #eventCount = 0;
  #eventIndex = 0;
  #again: EpollHandler[] = [];
  #ending: EpollHandler[] = [];
  /** Readable when the runtime's loop has something to do; null: not known. */
  readonly #runtime: number | null;
  #runtimeHasWork = false;
  /** A timer's descriptor: arming a timer for each wait would cost more than the wait. */
  readonly #ticker: number;
  readonly #tickCount = new Uint8Array(8);
  #hasTicked = false;
  /** Since the last tick. */
  #hadTraffic = false;
  #isRunning = false;
  /** A thread waits. */
  #isAsleep = false;

  /** `runtime`: the descriptor of the runtime's own epoll instance; null: not known. */
  constructor(calls: EpollCalls, runtime: number | null) {
    this.calls = calls;
    this.#epoll = calls.epoll_create1(EPOLL_CLOEXEC);
    this.#waker = calls.eventfd(0, EFD_CLOEXEC_NONBLOCK);
    this.#ticker = calls.timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC_NONBLOCK);
    const isMade = Math.min(this.#epoll, this.#waker, this.#ticker) >= 0;
    assert(isMade, "The system has no room for an epoll instance");
    this.#control(EPOLL_CTL_ADD, this.#ticker, READABLE | EDGE_TRIGGERED);
    this.#control(EPOLL_CTL_ADD, this.#waker, READABLE | EDGE_TRIGGERED);
    this.#runtime = runtime;
    if (runtime !== null) this.#control(EPOLL_CTL_ADD, runtime, 0);
  }

  /** Tells `handler` from now on what happens at `descriptor`, which must be in non-blocking mode. */
  add(descriptor: number, handler: EpollHandler): void {
    assert(this.#handlers[descriptor] === undefined, "The descriptor has a handler");
    this.#handlers[descriptor] = handler;
    this.#handlerCount++;
    this.#control(EPOLL_CTL_ADD, descriptor, READABLE | ENDED | EDGE_TRIGGERED);
    if (!this.#isRunning) this.#run();
  }

  /** From now on `handler` is told. */
  replace(descriptor: number, handler: EpollHandler): void {
    assert(this.#handlers[descriptor] !== undefined, "The descriptor has no handler");
    this.#handlers[descriptor] = handler;
  }

  /** The handler of `descriptor` is also told whenever there is room to write. */
  watchWritable(descriptor: number): void {
    this.#control(EPOLL_CTL_MOD, descriptor, READABLE | WRITABLE | ENDED | EDGE_TRIGGERED);
  }

  remove(descriptor: number): void {
    this.#control(EPOLL_CTL_DEL, descriptor, 0);
    this.#forget(descriptor);
  }

  /** Closes `descriptor`; of what nothing else has open the kernel tells nothing then, so that it need not be removed. */
  close(descriptor: number): void {
    this.#forget(descriptor);
    this.calls.close(descriptor);
  }

  /** Calls `handler` soon, after others have had their turn. */
  again(handler: EpollHandler): void {
    this.#again.push(handler);
    this.#wake();
  }

  /**
   * Calls `handler` once all that was reported together is handled. Reads and writes of many sockets, each in a row, take
   * a fifth less CPU than in turns.
   */
  atBatchEnd(handler: EpollHandler): void {
    this.#ending.push(handler);
    this.#wake();
  }

  #forget(descriptor: number): void {
    assert(this.#handlers[descriptor] !== undefined, "The descriptor has no handler");
    this.#handlers[descriptor] = undefined;
    this.#handlerCount--;
    if (this.#handlerCount === 0) this.#wake();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#handlerCount > 0) {
      this.#isAsleep = true;
      // Fewer than none when the system interrupts it.
      this.#eventCount = await this.calls.awaitEvents(this.#epoll, this.#eventBytes, EVENTS_MAX, -1);
      this.#eventIndex = 0;
      this.#isAsleep = false;
      this.#keepAwake(true);
      while (this.#handlerCount > 0 && this.#work()) await turnOfRuntime();
      this.#keepAwake(false);
    }
    this.#isRunning = false;
  }

  /** Works and waits until a tick, or until the runtime has work; false: nothing came since the last tick. */
  #work(): boolean {
    const end = performance.now() + SLICE_MS;
    // What the runtime was told before, it has seen in its turn.
    for (let isFirst = true;; isFirst = false) {
      this.#runtimeHasWork = false;
      const isDone = this.#dispatch(end);
      if (this.#hasTicked) {
        this.#hasTicked = false;
        const hadTraffic = this.#hadTraffic;
        this.#hadTraffic = false;
        return hadTraffic || !isDone;
      }
      if (!isDone || (this.#runtimeHasWork && !isFirst)) return true;
      const timeoutMs = isFirst || this.#again.length > 0 ? 0 : -1;
      this.#eventIndex = 0;
      this.#eventCount = this.calls.epoll_wait(this.#epoll, this.#eventBytes, EVENTS_MAX, timeoutMs);
    }
  }

  /** Handles what has been reported; false: the time is over and something is left. */
  #dispatch(end: number): boolean {
    let calls = 0;
    while (this.#eventIndex < this.#eventCount) {
      const at = EVENT_WORDS * this.#eventIndex++;
      const descriptor = this.#events[at + EVENT_DATA_WORD]!;
      const handler = this.#handlers[descriptor];
      if (handler === undefined) {
        this.#onOwnEvent(descriptor);
        continue;
      }
      this.#hadTraffic = true;
      handler.onEvents(this.#events[at]!);
      if (++calls % CALLS_PER_LOOK !== 0 || performance.now() < end) continue;
      this.#endBatch();
      return false;
    }
    this.#endBatch();
    if (this.#again.length === 0) return true;
    this.#hadTraffic = true;
    const again = this.#again;
    this.#again = [];
    for (let index = 0; index < again.length; index++) {
      again[index]!.onAgain();
      if (performance.now() < end) continue;
      this.#again = [...again.slice(index + 1), ...this.#again];
      this.#endBatch();
      return false;
    }
    this.#endBatch();
    return true;
  }

  #endBatch(): void {
    if (this.#ending.length === 0) return;
    const ending = this.#ending;
    this.#ending = [];
    for (const handler of ending) handler.onBatchEnd();
  }

  #onOwnEvent(descriptor: number): void {
    if (descriptor === this.#runtime) this.#runtimeHasWork = true;
    if (descriptor !== this.#ticker) return;
    this.#hasTicked = true;
    // The next one comes only when this one has been read.
    this.calls.read(this.#ticker, this.#tickCount, sizeOf(this.#tickCount.length));
  }

  /** Ticks and the runtime's descriptor are watched only while the main thread works and waits. */
  #keepAwake(isAwake: boolean): void {
    this.#hadTraffic = true;
    this.calls.timerfd_settime(this.#ticker, 0, isAwake ? TICKING : STILL, null);
    if (this.#runtime !== null) {
      this.#control(EPOLL_CTL_MOD, this.#runtime, isAwake ? READABLE | EDGE_TRIGGERED : 0);
    }
  }

  #wake(): void {
    if (this.#isAsleep) this.calls.write(this.#waker, new BigUint64Array([ONE]), 8n);
  }

  #control(operation: number, descriptor: number, events: number): void {
    this.#event[0] = events;
    this.#event[EVENT_DATA_WORD] = descriptor;
    this.calls.epoll_ctl(this.#epoll, operation, descriptor, this.#eventBuffer);
  }
}

/** Everything else that waits in the runtime's loop goes on; a timer would take 2 ms. */
function turnOfRuntime(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * The runtime's own epoll instance: the first that the process has opened. Another would do no harm: a pause then ends
 * earlier than it need, or lasts `SLICE_MS`.
 */
function runtimeDescriptor(): number | null {
  try {
    const descriptors = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => Number(name));
    const isEpoll = (descriptor: number) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${descriptor}`) === "anon_inode:[eventpoll]";
      } catch {
        // It was closed meanwhile, as the one that listed the directory.
        return false;
      }
    };
    return descriptors.sort((a, b) => a - b).find(isEpoll) ?? null;
  } catch {
    // Without permission for /proc the pause lasts as long as it may.
    return null;
  }
}
