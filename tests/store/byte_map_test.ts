import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { bytesOf, byteString, type Span } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { BLOCK_BYTES_MIN, ByteMap, LENGTH_BYTES, NONE } from "../../lib/store/byte_map.ts";

/** In the middle of other bytes, as what is received lies. */
function span(text: string): Span {
  return { bytes: bytesOf(`<${text}>`), start: 1, end: text.length + 1 };
}

function textOf({ bytes, start, end }: Span): string {
  return byteString(bytes, start, end);
}

function keysOf(map: ByteMap): string[] {
  const keys: string[] = [];
  map.forEachKey((key) => keys.push(textOf(key)));
  return keys;
}

function get(map: ByteMap, key: string): string | undefined {
  const place = map.find(span(key));
  if (place === NONE) return undefined;
  const value = textOf(map.valueAt(place));
  assert(map.valueLength(place) === value.length);
  assert((map.blockAt(place) !== undefined) === value.length >= BLOCK_BYTES_MIN);
  const wire = map.wireAt(place);
  const view = new DataView(wire.bytes.buffer, wire.bytes.byteOffset + wire.start);
  assert(view.getBigUint64(0, true) === BigInt(value.length));
  assert(wire.end - wire.start === LENGTH_BYTES + value.length);
  return value;
}

Deno.test("ByteMap keeps keys and values of any bytes, the empty ones too", () => {
  const map = new ByteMap(1);
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
  const keys = ["", "\0", "\0\0", "k", all, all.repeat(32), "é"];
  for (const key of keys) map.set(span(key), span(`of ${key}`));
  map.set(span("none"), span(""));
  for (const key of keys) assertEquals(get(map, key), `of ${key}`);
  assertEquals(get(map, "none"), "");
  assertEquals(get(map, "absent"), undefined);
  assertEquals(keysOf(map), [...keys, "none"]);
  assertEquals(map.size, keys.length + 1);
});

Deno.test("ByteMap changes values in place where they fit, and from short to long and back", () => {
  const map = new ByteMap(1);
  let others = "";
  for (const length of [3, 3, 9, 100, 4, 0, 4095, 4096, 4096, 70_000, 5, 4096, 1]) {
    const value = String(length % 10).repeat(length);
    map.set(span("k"), span(value));
    map.set(span(`other${length}`), span("x"));
    others += "x";
    assertEquals(get(map, "k"), value);
  }
  assertEquals(get(map, "other4096"), "x");
  assertEquals(others.length, 13);
});

Deno.test("ByteMap leaves a long value as it was where somebody still reads it, and uses its buffer again else", () => {
  const map = new ByteMap(1);
  map.set(span("k"), span("a".repeat(5000)));
  const block = map.blockAt(map.find(span("k")))!;
  block.readers++;
  map.set(span("k"), span("b".repeat(5000)));
  assertEquals(byteString(block.bytes, LENGTH_BYTES), "a".repeat(5000));
  assertEquals(get(map, "k"), "b".repeat(5000));
  const other = map.blockAt(map.find(span("k")))!;
  map.set(span("k"), span("c".repeat(5000)));
  assertStrictEquals(map.blockAt(map.find(span("k"))), other);
  assertEquals(get(map, "k"), "c".repeat(5000));
});

Deno.test("ByteMap takes little for a small store, and gives back what was deleted", () => {
  const map = new ByteMap(1);
  assert(map.bufferBytes < 2048, `${map.bufferBytes} bytes`);
  const key = (number: number) => span(`/k${String(number).padStart(7, "0")}`);
  for (let number = 0; number < 100_000; number++) map.set(key(number), span("0123456789abcdef"));
  // A record of 40 bytes, and a slot of 8 that is used by a third at least.
  assert(map.bufferBytes < 6.5e6, `${map.bufferBytes} bytes`);
  assertEquals([map.keyBytes, map.valueBytes], [900_000, 1_600_000]);
  for (let number = 0; number < 100_000; number++) if (number % 1000 !== 0) assert(map.delete(key(number)));
  assert(map.bufferBytes < 0.6e6, `${map.bufferBytes} bytes`);
  assertEquals([map.size, map.keyBytes, map.valueBytes], [100, 900, 1600]);
  for (let number = 0; number < 100_000; number += 1000) {
    assertEquals(textOf(map.valueAt(map.find(key(number)))), "0123456789abcdef");
  }
});

Deno.test("ByteMap does what a Map does, from seeds", () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const prng = new Prng(seed);
    const map = new ByteMap(prng.next());
    const model = new Map<string, string>();
    // Few names and many, so that slots are taken by others and freed between them.
    const names = prng.pick([30, 300, 6000]);
    for (let step = 0; step < 40_000; step++) {
      const key = `${"/".repeat(prng.below(3))}${prng.below(names)}`;
      const isShrinking = step % 20_000 > 12_000;
      if (prng.chance(isShrinking ? 3 : 1, 5)) {
        assert(map.delete(span(key)) === model.delete(key));
      } else {
        const length = prng.below(prng.pick([2, 20, 20, 300, prng.chance(1, 50) ? 9000 : 30]));
        const value = String.fromCharCode(prng.below(256)).repeat(length);
        map.set(span(key), span(value));
        model.set(key, value);
      }
      const asked = `${"/".repeat(prng.below(3))}${prng.below(names)}`;
      assert(get(map, asked) === model.get(asked), `seed ${seed}, step ${step}`);
    }
    assertEquals(map.size, model.size);
    assertEquals(keysOf(map).sort(), [...model.keys()].sort());
    for (const [key, value] of model) assert(get(map, key) === value, `seed ${seed}`);
    let bytes = 0;
    for (const [key, value] of model) bytes += key.length + value.length;
    assertEquals(map.keyBytes + map.valueBytes, bytes);
  }
});

Deno.test("ByteMap finds keys whose hashes collide, and those behind one that was deleted", () => {
  // With any seed, some of so many share a hash's lower bits, and with luck all 32.
  for (let seed = 0; seed < 200; seed++) {
    const map = new ByteMap(seed);
    const keys = Array.from({ length: 10 }, (_, number) => `key${number}`);
    for (const key of keys) map.set(span(key), span(key));
    for (const [index, gone] of keys.entries()) {
      assert(map.delete(span(gone)));
      assertEquals(map.delete(span(gone)), false);
      for (const key of keys.slice(index + 1)) {
        assertEquals(get(map, key), key, `seed ${seed} without ${gone}`);
      }
    }
    assertEquals(map.size, 0);
  }
});
