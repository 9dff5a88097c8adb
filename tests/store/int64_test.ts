import { assertEquals } from "@std/assert";
import { bytesOf, byteString, type Span } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import {
  addInt64,
  INT64_TEXT_BYTES_MAX,
  int64Of,
  parseInt64,
  readInt64At,
  writeInt64Text,
} from "../../lib/store/int64.ts";

const EDGES = [
  0n,
  1n,
  9n,
  10n,
  999_999n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
]
  .flatMap((edge) => [edge, -edge, -edge - 1n]);

function spanOf(text: string): Span {
  return { bytes: bytesOf(`9${text}9`), start: 1, end: 1 + text.length };
}

Deno.test("Int64 is a number where that is exact, in bytes and in text", () => {
  const text: Span = { bytes: new Uint8Array(INT64_TEXT_BYTES_MAX), start: 0, end: 0 };
  for (const edge of EDGES) {
    const value = int64Of(edge);
    assertEquals(typeof value, edge >= -(2n ** 53n) + 1n && edge < 2n ** 53n ? "number" : "bigint");
    const bytes = new Uint8Array(10);
    new DataView(bytes.buffer).setBigInt64(1, edge, true);
    assertEquals(readInt64At(bytes, 1), value);
    writeInt64Text(text, value);
    assertEquals(byteString(text.bytes, text.start, text.end), String(edge));
    assertEquals(parseInt64(spanOf(String(edge))), value);
  }
});

Deno.test("addInt64() wraps as 64 bits do", () => {
  const prng = new Prng(1);
  const draw = () => {
    const bits = (BigInt(prng.next()) << 32n) | BigInt(prng.next());
    return prng.chance(1, 3) ? prng.pick(EDGES) : BigInt.asIntN(64, bits) >> BigInt(prng.below(64));
  };
  for (let step = 0; step < 5000; step++) {
    const a = draw(), b = draw();
    assertEquals(addInt64(int64Of(a), int64Of(b)), int64Of(BigInt.asIntN(64, a + b)), `${a} + ${b}`);
  }
});

Deno.test("parseInt64() reads what std::stoll reads", () => {
  for (
    const [text, value] of [
      ["12abc", 12],
      [" \t-7", -7],
      ["+5", 5],
      ["-0", 0],
      ["000000000000000000000000012", 12],
      ["", undefined],
      ["-", undefined],
      ["+-1", undefined],
      ["x1", undefined],
      ["9223372036854775808", undefined],
      ["-9223372036854775808", -(2n ** 63n)],
      [`${" ".repeat(2000)}1`, undefined],
    ] as const
  ) {
    assertEquals(addInt64(parseInt64(spanOf(text)) ?? 99, 0), value ?? 99, text);
  }
});
