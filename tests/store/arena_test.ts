import { assert, assertEquals } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { Arena } from "../../lib/store/arena.ts";

const SEGMENT_BYTES = 256 * 1024;

/** An arena with what lives in it, by name. */
class Records {
  readonly places = new Map<number, { place: number; readonly length: number }>();
  readonly #names = new Map<number, number>();
  readonly arena = new Arena((from, to) => {
    const name = this.#names.get(from)!;
    this.#names.delete(from);
    this.#names.set(to, name);
    this.places.get(name)!.place = to;
  });

  add(name: number, length: number): void {
    const place = this.arena.allocate(length);
    const at = this.arena.offsetOf(place);
    assert(this.arena.capacityOf(place) >= length);
    this.arena.bytesAt(place).fill(name, at, at + length);
    this.#names.set(place, name);
    this.places.set(name, { place, length });
  }

  remove(name: number): void {
    const { place } = this.places.get(name)!;
    this.#names.delete(place);
    this.places.delete(name);
    this.arena.release(place);
  }

  check(): void {
    const places: number[] = [];
    this.arena.forEach((place) => places.push(place));
    assertEquals(
      places.sort((a, b) => a - b),
      [...this.#names.keys()].sort((a, b) => a - b),
    );
    for (const [name, { place, length }] of this.places) {
      const at = this.arena.offsetOf(place);
      const isWhole = this.arena.bytesAt(place).subarray(at, at + length).every((byte) =>
        byte === (name & 255)
      );
      assert(isWhole, `Record ${name} has changed`);
    }
  }

  /** With the arena's own two bytes, in units of eight. */
  get livingBytes(): number {
    let bytes = 0;
    for (const { length } of this.places.values()) bytes += Math.ceil((length + 2) / 8) * 8;
    return bytes;
  }
}

Deno.test("Arena starts with little and grows with what is put into it", () => {
  const records = new Records();
  assertEquals(records.arena.byteLength, 1024);
  records.add(1, 900);
  records.add(2, 900);
  assertEquals(records.arena.byteLength, 2048);
  for (let name = 3; name < 1000; name++) records.add(name, 900);
  assertEquals(records.arena.byteLength, 4 * SEGMENT_BYTES);
  records.check();
});

Deno.test("Arena uses the room of what comes and goes again", () => {
  const records = new Records();
  for (let round = 0; round < 50_000; round++) {
    records.add(round, 100);
    if (round > 0) records.remove(round - 1);
  }
  assert(records.arena.byteLength <= 3 * SEGMENT_BYTES, `${records.arena.byteLength} bytes`);
  records.check();
});

Deno.test("Arena gives back what nothing lives in", () => {
  const records = new Records();
  for (let name = 0; name < 20_000; name++) records.add(name, 500);
  assert(records.arena.byteLength > 10e6);
  for (let name = 0; name < 20_000; name++) if (name % 1000 !== 7) records.remove(name);
  assert(records.arena.byteLength <= 2 * SEGMENT_BYTES, `${records.arena.byteLength} bytes`);
  records.check();
});

Deno.test("Arena keeps every record and never takes more than twice what lives in it and three segments", () => {
  for (const seed of [1, 2, 3, 4]) {
    const prng = new Prng(seed);
    const records = new Records();
    const names: number[] = [];
    for (let name = 0; name < 30_000; name++) {
      // It grows, and shrinks, and grows again.
      if (names.length > 0 && prng.chance(name % 10_000 < 6000 ? 1 : 3, 4)) {
        const index = prng.below(names.length);
        records.remove(names[index]!);
        names[index] = names.at(-1)!;
        names.pop();
      } else {
        records.add(name, prng.below(prng.pick([20, 200, 12_000])));
        names.push(name);
      }
      if (name % 500 !== 0) continue;
      const { arena, livingBytes } = records;
      assert(
        arena.byteLength <= 2 * livingBytes + 3 * SEGMENT_BYTES,
        `${arena.byteLength} for ${livingBytes}`,
      );
      if (name % 5000 === 0) records.check();
    }
    records.check();
  }
});
