import { assertEquals } from "@std/assert";
import { bytesOf, byteString, concat, fromUtf8, readInt64, readUint32, utf8 } from "../../lib/core/bytes.ts";

Deno.test("byteString() and bytesOf() keep every byte, whatever the length", () => {
  for (const length of [0, 1, 15, 16, 17, 255, 8191, 8192, 8193, 100_000]) {
    const bytes = new Uint8Array(length).map((_, index) => index * 7);
    const text = byteString(bytes);
    assertEquals(text.length, length);
    assertEquals(bytesOf(text), bytes);
    assertEquals(byteString(bytes, 3, Math.min(length, 40)), text.slice(3, 40));
  }
});

Deno.test("readUint32() and readInt64() read little-endian numbers at the ends of their ranges", () => {
  const bytes = new Uint8Array([
    9,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0x7f,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    0x80,
  ]);
  assertEquals(readUint32(bytes, 1), 0xffff_ffff);
  assertEquals(readInt64(bytes, 1), 2n ** 63n - 1n);
  assertEquals(readInt64(bytes, 9), -(2n ** 63n) + 1n);
  assertEquals(readInt64(new Uint8Array(8).fill(0xff), 0), -1n);
  assertEquals(readInt64(new Uint8Array([0, 0, 0, 0x80, 0, 0, 0, 0]), 0), 2n ** 31n);
});

Deno.test("utf8(), fromUtf8() and concat() fit together", () => {
  const parts = ["grü", "", "ße 🚂"].map(utf8);
  assertEquals(fromUtf8(concat(parts)), "grüße 🚂");
});
