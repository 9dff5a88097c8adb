/**
 * A seeded generator with an integer interface (xoshiro128**, public domain algorithm by Blackman and Vigna).
 * It drives simulations and jitter: equal seeds give equal runs. Never use it for secrets.
 */

import { assert } from "./assert.ts";

export class Prng {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    // splitmix32 spreads the seed, so that seeds 1, 2, 3 … give unrelated streams.
    let s = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      s = (s + 0x9e3779b9) >>> 0;
      let z = s;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      this.#state[i] = (z ^ (z >>> 16)) >>> 0;
    }
  }

  /** The next 32 bits. */
  next(): number {
    const state = this.#state;
    const [s0, s1, s2, s3] = [state[0]!, state[1]!, state[2]!, state[3]!];
    const rotate = (x: number, k: number) => ((x << k) | (x >>> (32 - k))) >>> 0;
    const result = Math.imul(rotate(Math.imul(s1, 5) >>> 0, 7), 9) >>> 0;
    const t = (s1 << 9) >>> 0;
    const n2 = s2 ^ s0, n3 = s3 ^ s1;
    state[1] = s1 ^ n2;
    state[0] = s0 ^ n3;
    state[2] = n2 ^ t;
    state[3] = rotate(n3 >>> 0, 11);
    return result;
  }

  /** A whole number from 0 to `bound` − 1. */
  below(bound: number): number {
    assert(Number.isInteger(bound) && bound > 0 && bound <= 2 ** 32, `Bound must be 1 to 2^32: got ${bound}`);
    return Math.floor((this.next() / 2 ** 32) * bound);
  }

  /** True in `numerator` of `denominator` cases. */
  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }

  /** One of `items`, which must not be empty. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** A new generator with a stream of its own, so that a new draw in one concern does not reshuffle another. */
  split(): Prng {
    return new Prng(this.next());
  }
}
