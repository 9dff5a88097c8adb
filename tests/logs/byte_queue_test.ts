import { assertEquals, assertThrows } from "@std/assert";
import { concat, fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { ByteQueue } from "../../lib/logs/byte_queue.ts";

Deno.test("ByteQueue gives back what was put in, in order, over many sizes", () => {
  const prng = new Prng(3);
  const queue = new ByteQueue(16);
  const put: Uint8Array[] = [];
  const got: Uint8Array[] = [];
  let value = 0;
  for (let round = 0; round < 2000; round++) {
    if (prng.chance(1, 2)) {
      const bytes = Uint8Array.from({ length: prng.below(40) }, () => value++ % 256);
      put.push(bytes);
      queue.push(bytes);
    } else {
      const bytes = queue.peek(1 + prng.below(20)).slice();
      queue.drop(bytes.length);
      got.push(bytes);
    }
  }
  for (let bytes = queue.peek(); bytes.length > 0; bytes = queue.peek()) {
    got.push(bytes.slice());
    queue.drop(bytes.length);
  }
  assertEquals(concat(got), concat(put));
  assertEquals(queue.size, 0);
});

Deno.test("ByteQueue copies: the caller's buffer may change afterwards", () => {
  const queue = new ByteQueue();
  const bytes = utf8("one");
  queue.push(bytes);
  bytes.fill(0);
  assertEquals(fromUtf8(queue.peek()), "one");
});

Deno.test("ByteQueue leaves in place what was peeked while more comes in", () => {
  const queue = new ByteQueue(8);
  queue.push(utf8("abc"));
  const peeked = queue.peek();
  queue.push(utf8("defghijk"));
  assertEquals(fromUtf8(peeked), "abc");
  assertEquals(queue.size, 11);
});

Deno.test("ByteQueue.drop() refuses more than was peeked", () => {
  const queue = new ByteQueue(4);
  queue.push(utf8("abcdef"));
  assertThrows(() => queue.drop(5));
});
