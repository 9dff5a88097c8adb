/**
 * Time as plain numbers that come in as arguments. `InstantMs` is monotonic and means nothing outside this
 * process; `WallMs` is milliseconds since 1970 and is for people to read, never for deadlines.
 */

import { assert } from "./assert.ts";

/** Monotonic milliseconds since some start. */
export type InstantMs = number;
/** Milliseconds since 1970-01-01 UTC. */
export type WallMs = number;

/** Named deadlines, one slot each: nothing to leak, nothing to cancel twice (quinn-proto's `timer.rs`). */
export class Deadlines<Name extends string> {
  readonly #slots = new Map<Name, InstantMs>();

  /** What never comes (Infinity) needs no slot. */
  set(name: Name, at: InstantMs): void {
    assert(!Number.isNaN(at), "A deadline must be a number");
    if (at === Infinity) this.#slots.delete(name);
    else this.#slots.set(name, at);
  }

  clear(name: Name): void {
    this.#slots.delete(name);
  }

  get(name: Name): InstantMs | undefined {
    return this.#slots.get(name);
  }

  /** The earliest deadline, or undefined when nothing waits for time. */
  next(): InstantMs | undefined {
    let earliest: InstantMs | undefined;
    for (const at of this.#slots.values()) {
      if (earliest === undefined || at < earliest) earliest = at;
    }
    return earliest;
  }

  /** Takes out every deadline that is due at `now`, earliest first. */
  takeDue(now: InstantMs): Name[] {
    const due = [...this.#slots].filter(([, at]) => at <= now).sort((a, b) => a[1] - b[1]).map(([name]) =>
      name
    );
    for (const name of due) this.#slots.delete(name);
    return due;
  }
}

/** The earlier of two instants, of which each may be never. */
export function earliest(a: InstantMs | undefined, b: InstantMs | undefined): InstantMs | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b);
}

/** "12 s", "2 min 5 s", "1 h 3 min": a duration as a person says it. */
export function durationText(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 === 0 ? `${minutes} min` : `${minutes} min ${whole % 60} s`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}
