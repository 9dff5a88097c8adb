import { assertEquals } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { packTime, unpackTime } from "../../lib/rendezvous/python_time.ts";
import { WALL } from "./torch_samples.ts";

Deno.test("packTime() writes what Python's datetime does", () => {
  // datetime(2026, 11, 25, 21, 50, 3, 123456).__reduce__()[1][0] of CPython 3.11.
  assertEquals(packTime(WALL), bytes("07ea0b1915320301e240"));
});

Deno.test("times survive both ways, leap days and ends of years included", () => {
  const prng = new Prng(1);
  const moments = [
    "1970-01-01T00:00:00Z",
    "2000-02-29T23:59:59Z",
    "2100-03-01T00:00:00Z",
    "2027-12-31T23:59:59Z",
  ];
  const times = moments.map((moment) => 1000 * Date.parse(moment));
  for (let count = 0; count < 2000; count++) {
    times.push(prng.below(4_000_000_000) * 1_000_000 + prng.below(1_000_000));
  }
  for (const time of times) {
    assertEquals(unpackTime(packTime(time)), time);
    const [high, low, month, day, hour, minute, second] = packTime(time);
    const date = new Date(Math.floor(time / 1000));
    assertEquals(
      [high! * 256 + low!, month!, day!, hour!, minute!, second!],
      [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()].concat(
        [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()],
      ),
    );
  }
});

Deno.test("unpackTime() refuses what is no time", () => {
  const wrong = [
    "",
    "07ea0b1915320301e2",
    "00010b1915320301e240",
    "07ea0d1915320301e240",
    "07ea021e15320301e240",
    "07ea0b1918320301e240",
    "07ea0b19153c0301e240",
    "07ea0b1915320fffffff",
    "ffff0b1915320301e240",
  ];
  assertEquals(wrong.map((hex) => unpackTime(bytes(hex))), wrong.map(() => null));
});

function bytes(hex: string): Uint8Array {
  return Uint8Array.fromHex(hex);
}
