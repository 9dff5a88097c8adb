/**
 * Drives a machine: one queue of events, one timer, effects carried out in order. The loop gives way every few
 * milliseconds, so that a signal is heard while thousands of workers are being started.
 */

import type { InstantMs } from "../core/time.ts";
import { monotonicNow } from "./clock.ts";

/** The interface of every machine in `lib`. */
export interface Machine<Event, Effect> {
  step(event: Event, now: InstantMs): Effect[];
  nextWakeup(): InstantMs | undefined;
}

/** Told of an event and of what follows from it, before that is carried out. It must not post. */
export type Observe<Event, Effect> = (event: Event, effects: readonly Effect[], now: InstantMs) => void;

/**
 * How long events are handled in one go before the runtime gets its turn. Longer than the whole start of a small
 * job, since the first timer of a process costs some 9 ms.
 */
const SLICE_MS = 50;

export class Loop<Event extends { kind: string }, Effect> {
  readonly #machine: Machine<Event, Effect>;
  readonly #wakeup: Event;
  readonly #perform: (effect: Effect) => void;
  readonly #observe: Observe<Event, Effect> | undefined;
  readonly #queue: Event[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #draining = false;
  #closed = false;

  /**
   * `wakeup` is the event that tells the machine that a deadline of its own has come; `observe` is told of every event
   * in the order in which the machine sees them.
   */
  constructor(
    machine: Machine<Event, Effect>,
    wakeup: Event,
    perform: (effect: Effect) => void,
    observe?: Observe<Event, Effect>,
  ) {
    this.#machine = machine;
    this.#wakeup = wakeup;
    this.#perform = perform;
    this.#observe = observe;
  }

  /** Hands an event to the machine; effects are carried out before this returns, unless one is under way. */
  post(event: Event): void {
    if (this.#closed) return;
    this.#queue.push(event);
    if (!this.#draining) this.#drain();
  }

  /** Takes no further event. */
  close(): void {
    this.#closed = true;
    this.#queue.length = 0;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
  }

  #drain(): void {
    this.#draining = true;
    const sliceEnd = monotonicNow() + SLICE_MS;
    for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift()) {
      const now = monotonicNow();
      const effects = this.#machine.step(event, now);
      this.#observe?.(event, effects, now);
      for (const effect of effects) this.#perform(effect);
      if (this.#queue.length > 0 && monotonicNow() > sliceEnd) {
        setTimeout(() => this.#drain(), 0);
        return;
      }
    }
    this.#draining = false;
    this.#armTimer();
  }

  #armTimer(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    const at = this.#closed ? undefined : this.#machine.nextWakeup();
    if (at === undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.post(this.#wakeup);
    }, Math.max(0, Math.ceil(at - monotonicNow())));
  }
}
