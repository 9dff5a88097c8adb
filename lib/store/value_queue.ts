/** First in, first out in constant time: `Array.shift` moves all others once an array is long. */

import type { Value } from "./wire.ts";

const TAKEN_KEPT_MAX = 1024;

export class ValueQueue {
  #values: Value[] = [];
  /** Index of the first entry; those before it are taken. */
  #head = 0;

  get length(): number {
    return this.#values.length - this.#head;
  }

  push(value: Value): void {
    this.#values.push(value);
  }

  /** Takes the first of the entries, of which there must be one. */
  take(): Value {
    const value = this.#values[this.#head]!;
    this.#values[this.#head++] = "";
    if (this.#head > TAKEN_KEPT_MAX && 2 * this.#head > this.#values.length) {
      this.#values = this.#values.slice(this.#head);
      this.#head = 0;
    }
    return value;
  }
}
