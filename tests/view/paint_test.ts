import { assertEquals } from "@std/assert";
import {
  ageText,
  countText,
  fill,
  numberText,
  paint,
  printable,
  sizeText,
  widthOf,
} from "../../lib/view/paint.ts";

const CANVAS = { columns: 10, rows: 1, colour: false, unicode: true };

Deno.test("paint() cuts to the terminal's width, counting what wide characters take", () => {
  assertEquals(paint([["0123456789"]], CANVAS), "0123456789");
  assertEquals(paint([["01234"], ["56789x"], ["more"]], CANVAS), "0123456789".slice(0, 9) + "…");
  assertEquals(paint([["漢字漢字漢字"]], CANVAS), "漢字漢字…");
  assertEquals(widthOf("é漢e\u0301"), 4);
  assertEquals(paint([["x"]], { ...CANVAS, columns: 1 }), "x");
});

Deno.test("paint() lets styles say no more than the text, but for the cursor", () => {
  const spans = [["bad", "bad"], [" "], ["chosen", "chosen"]] as const;
  assertEquals(paint(spans, CANVAS), "bad \x1b[7mchosen\x1b[0m");
  assertEquals(paint(spans, { ...CANVAS, colour: true }), "\x1b[1;31mbad\x1b[0m \x1b[7mchosen\x1b[0m");
});

Deno.test("printable() keeps what a worker printed from moving the cursor", () => {
  assertEquals(printable("\x1b[31mred\x1b[0m \x1b]0;title\x07a\tb\rc\x07", true), "red a    b.c.");
  assertEquals(printable("é ● …", false), "? # ~");
  assertEquals(fill("ab", 4, true), "ab  ");
});

Deno.test("ageText(), sizeText() and countText() are short", () => {
  assertEquals([12, 1_000, 59_999, 60_000, 7_200_000, 200_000_000].map(ageText), [
    "12ms",
    "1s",
    "59s",
    "1m",
    "2h",
    "2d",
  ]);
  assertEquals([0, 1023, 1024, 12_345, 5 * 1024 ** 3].map(sizeText), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "12 KiB",
    "5.0 GiB",
  ]);
  assertEquals([numberText(1234567), countText(1, "node"), countText(2000, "key")], [
    "1,234,567",
    "1 node",
    "2,000 keys",
  ]);
});
