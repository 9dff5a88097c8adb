import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../lib/core/assert.ts";
import { concat } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { Block } from "../../lib/store/block.ts";
import { OutputQueue } from "../../lib/store/output_queue.ts";

Deno.test("OutputQueue gathers small pieces and passes long values on without a copy", () => {
  const output = new OutputQueue();
  const long = new Uint8Array(10_000).fill(3);
  output.uint8(1);
  output.sized("ab");
  output.sized(long);
  output.uint8(2);
  assertEquals(output.peek(), new Uint8Array([1, 2, 0, 0, 0, 0, 0, 0, 0, 97, 98, 16, 39, 0, 0, 0, 0, 0, 0]));
  output.advance(output.peek().length);
  assertStrictEquals(output.peek(), long);
  output.advance(9_999);
  assertEquals(output.peek(), new Uint8Array([3]));
  output.advance(1);
  assertEquals(output.peek(), new Uint8Array([2]));
  output.advance(1);
  assertEquals(output.length, 0);
  assertEquals(output.peek().length, 0);
});

Deno.test("OutputQueue writes numbers at the ends of their ranges", () => {
  const output = new OutputQueue();
  output.uint32(0xffff_ffff);
  output.uint53(Number.MAX_SAFE_INTEGER);
  output.int64(-(2n ** 63n));
  output.int64(2n ** 63n - 1n);
  const view = new DataView(output.peek().slice().buffer);
  assertEquals(view.getUint32(0, true), 0xffff_ffff);
  assertEquals(view.getBigUint64(4, true), BigInt(Number.MAX_SAFE_INTEGER));
  assertEquals(view.getBigInt64(12, true), -(2n ** 63n));
  assertEquals(view.getBigInt64(20, true), 2n ** 63n - 1n);
});

Deno.test("OutputQueue loses, repeats and reorders nothing while it is filled and written at once", () => {
  const prng = new Prng(5);
  const output = new OutputQueue();
  const put: Uint8Array[] = [];
  const taken: Uint8Array[] = [];
  let inFlight = new Uint8Array();
  for (let round = 0; round < 5_000; round++) {
    const piece = new Uint8Array(prng.below(prng.pick([4, 40, 6_000, 20_000]))).fill(round);
    put.push(new Uint8Array(new BigUint64Array([BigInt(piece.length)]).buffer), piece);
    output.sized(piece);
    // A write takes its bytes when it ends, not when it starts.
    const written = output.peek().subarray(0, 1 + prng.below(9_000));
    inFlight = new Uint8Array(written);
    output.uint8(7);
    put.push(new Uint8Array([7]));
    assertEquals(written, inFlight);
    taken.push(inFlight);
    output.advance(written.length);
    while (prng.chance(1, 2) && output.length > 0) {
      const rest = output.peek().slice();
      taken.push(rest);
      output.advance(rest.length);
    }
  }
  while (output.length > 0) {
    taken.push(output.peek().slice());
    output.advance(output.peek().length);
  }
  assertEquals(concat(taken), concat(put));
  assertThrows(() => output.advance(1), AssertionError);
});

Deno.test("OutputQueue keeps nothing of what was written, also when it is never empty", () => {
  const output = new OutputQueue();
  const before = Deno.memoryUsage().external;
  for (let round = 0; round < 40_000; round++) {
    output.value(new Uint8Array(8000));
    if (round > 0) output.advance(8000);
  }
  assertEquals(output.length, 8000);
  const kept = Deno.memoryUsage().external - before;
  assert(kept < 160_000_000, `Keeps ${kept} bytes of 320,000,000`);
});

Deno.test("OutputQueue.heldBytes counts what is copied and waits, not what it passes on", () => {
  const output = new OutputQueue();
  output.sized("ab");
  assertEquals(output.heldBytes, 10);
  output.block(new Block(new Uint8Array(10_000)));
  output.sized("abc");
  assertEquals([output.heldBytes, output.length], [21, 10_021]);
  output.advance(10);
  assertEquals(output.heldBytes, 11);
  for (let key = 0; key < 10_000; key++) output.sized("0123456789");
  assertEquals(output.heldBytes, output.length - 10_000);
  while (output.length > 0) output.advance(output.peek().length);
  assertEquals(output.heldBytes, 0);
  // Nobody else keeps it any more.
  output.value(new Uint8Array(10_000));
  output.uint8(1);
  assertEquals(output.heldBytes, 10_001);
});

Deno.test("OutputQueue.int64() writes numbers on either side of where JavaScript's become inexact", () => {
  for (
    const magnitude of [
      0n,
      1n,
      2n ** 31n,
      2n ** 32n,
      2n ** 32n + 1n,
      2n ** 53n - 1n,
      2n ** 53n,
      2n ** 63n - 1n,
    ]
  ) {
    for (const value of [magnitude, -magnitude]) {
      const output = new OutputQueue();
      output.int64(value);
      const bytes = output.peek();
      assertEquals(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true), value);
    }
  }
});

Deno.test("OutputQueue tells how often a block is still to be sent", () => {
  const block = new Block(new Uint8Array(5000));
  const [output, other] = [new OutputQueue(), new OutputQueue()];
  output.uint8(1);
  output.block(block);
  output.block(block);
  other.block(block);
  assertEquals(block.readers, 3);
  output.advance(1);
  output.advance(4999);
  assertEquals(block.readers, 3);
  output.advance(1);
  assertEquals(block.readers, 2);
  output.advance(5000);
  other.advance(5000);
  assertEquals(block.readers, 0);
});

Deno.test("OutputQueue.copyView() copies any length from anywhere to anywhere", () => {
  const source = Uint8Array.from({ length: 1000 }, (_, index) => index * 7);
  const view = new DataView(source.buffer);
  for (let length = 0; length < 300; length++) {
    const output = new OutputQueue();
    for (let before = 0; before < length % 9; before++) output.uint8(before);
    const start = (length * 5) % 13;
    output.copyView(view, start, start + length);
    output.uint8(255);
    const expected = [
      ...Array.from({ length: length % 9 }, (_, n) => n),
      ...source.subarray(start, start + length),
      255,
    ];
    assertEquals([...output.peek()], expected);
  }
});
