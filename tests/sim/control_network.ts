/**
 * A simulated network for the control channel, on a virtual clock. It has TCP's faults: bytes are never lost, doubled
 * or reordered within a connection; they are late, cut anywhere, or the connection dies, perhaps for one side only.
 */

import type { Prng } from "../../lib/core/prng.ts";

/** Things to do at a time; equal times in the order in which they were asked for. */
export class Agenda {
  now = 0;
  #sequence = 0;
  /** A binary heap. */
  readonly #items: { at: number; sequence: number; run: () => void }[] = [];

  at(at: number, run: () => void): void {
    const items = this.#items;
    const item = { at: Math.max(at, this.now), sequence: this.#sequence++, run };
    let index = items.push(item) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(item, items[parent]!)) break;
      items[index] = items[parent]!;
      index = parent;
    }
    items[index] = item;
  }

  after(delay: number, run: () => void): void {
    this.at(this.now + delay, run);
  }

  /** Runs all that is due until `end`. */
  runUntil(end: number): void {
    while (this.#items.length > 0 && this.#items[0]!.at <= end) {
      const { at, run } = this.#take();
      this.now = at;
      run();
    }
    this.now = end;
  }

  #take() {
    const items = this.#items;
    const first = items[0]!, last = items.pop()!;
    if (items.length === 0) return first;
    let index = 0;
    while (true) {
      let child = 2 * index + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && isBefore(items[child + 1]!, items[child]!)) child++;
      if (!isBefore(items[child]!, last)) break;
      items[index] = items[child]!;
      index = child;
    }
    items[index] = last;
    return first;
  }
}

function isBefore(a: { at: number; sequence: number }, b: { at: number; sequence: number }): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

/**
 * What a machine is told, in order. While it is frozen nothing is; then its timers, which are all late, come before what
 * the network brought: the worst order that a real machine may see.
 */
export class Mailbox<Event extends { readonly kind: string }> {
  readonly #agenda: Agenda;
  readonly #onEvent: (event: Event) => void;
  #waiting: Event[] = [];
  #frozenUntil = 0;

  constructor(agenda: Agenda, onEvent: (event: Event) => void) {
    this.#agenda = agenda;
    this.#onEvent = onEvent;
  }

  get frozenUntil(): number {
    return this.#frozenUntil;
  }

  get isFrozen(): boolean {
    return this.#agenda.now < this.#frozenUntil;
  }

  freeze(until: number): void {
    if (until <= this.#frozenUntil) return;
    this.#frozenUntil = until;
    this.#agenda.at(until, () => this.#thaw());
  }

  post(event: Event): void {
    if (this.isFrozen) this.#waiting.push(event);
    else this.#onEvent(event);
  }

  #thaw(): void {
    if (this.isFrozen) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    const isTimer = ({ kind }: Event) => kind === "wakeup";
    for (const event of waiting.filter(isTimer)) this.#onEvent(event);
    for (const event of waiting.filter((event) => !isTimer(event))) this.#onEvent(event);
  }
}

/** One end of a connection, as its owner sees it. */
export interface End {
  readonly onBytes: (bytes: Uint8Array) => void;
  readonly onEnd: () => void;
}

export interface Network {
  /** One way, at most. */
  readonly delayMs: number;
  /** Nothing arrives any more. */
  isDark: boolean;
}

/** A connection between two ends, 0 and 1. */
export class Connection {
  readonly #agenda: Agenda;
  readonly #prng: Prng;
  readonly #network: Network;
  readonly #ends: readonly [End, End];
  /** What an end may still hear. */
  readonly #isDeaf: [boolean, boolean] = [false, false];
  /** Nothing arrives at that end before. */
  readonly #arrivesFrom: [number, number] = [0, 0];

  constructor(
    agenda: Agenda,
    ends: readonly [End, End],
    options: { readonly prng: Prng; readonly network: Network },
  ) {
    this.#agenda = agenda;
    this.#ends = ends;
    this.#prng = options.prng;
    this.#network = options.network;
  }

  get isOver(): boolean {
    return this.#isDeaf[0] && this.#isDeaf[1];
  }

  send(from: 0 | 1, bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length;) {
      const rest = bytes.length - offset;
      const length = this.#prng.chance(1, 3) ? 1 + this.#prng.below(rest) : rest;
      const piece = bytes.slice(offset, offset + length);
      this.#deliver(from, () => this.#hear(from, piece));
      offset += length;
    }
  }

  /** End `from` says that no more comes, and hears nothing any more; the other side hears it after all bytes. */
  close(from: 0 | 1): void {
    this.#isDeaf[from] = true;
    this.#deliver(from, () => this.#end(other(from)));
  }

  /** Both ends are told that the connection is gone, the bytes under way are not delivered. */
  cut(delays: readonly [number, number]): void {
    for (const end of [0, 1] as const) {
      if (this.#isDeaf[end]) continue;
      this.#isDeaf[end] = true;
      if (delays[end] !== Infinity) {
        this.#agenda.after(delays[end], () => this.#network.isDark || this.#ends[end].onEnd());
      }
    }
  }

  /** End 0 is told at once that the connection is gone; end 1 still hears what is under way, late, and then the end. */
  cutWithTail(tailMs: number): void {
    if (this.#isDeaf[0]) return;
    this.stall(1, this.#agenda.now + tailMs);
    this.close(0);
    this.#ends[0].onEnd();
  }

  /** What goes to `end` is held up until `at`. */
  stall(end: 0 | 1, at: number): void {
    this.#arrivesFrom[end] = Math.max(this.#arrivesFrom[end], at);
  }

  #deliver(from: 0 | 1, run: () => void): void {
    const to = other(from);
    const at = this.#agenda.now + this.#prng.below(this.#network.delayMs + 1);
    this.#arrivesFrom[to] = Math.max(this.#arrivesFrom[to], at);
    this.#agenda.at(this.#arrivesFrom[to], () => this.#network.isDark || run());
  }

  #hear(from: 0 | 1, bytes: Uint8Array): void {
    const to = other(from);
    if (!this.#isDeaf[to]) this.#ends[to].onBytes(bytes);
  }

  #end(end: 0 | 1): void {
    if (this.#isDeaf[end]) return;
    this.#isDeaf[end] = true;
    this.#ends[end].onEnd();
    // Its owner closes in its turn.
    this.#isDeaf[other(end)] = true;
  }
}

function other(end: 0 | 1): 0 | 1 {
  return end === 0 ? 1 : 0;
}
