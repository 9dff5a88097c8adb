import { assertEquals } from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { LineFilter } from "../../lib/logs/line_filter.ts";

function filtered(needles: string[], ...chunks: string[]): string[] {
  const lines: string[] = [];
  const filter = new LineFilter(needles, (line) => lines.push(fromUtf8(line)));
  for (const chunk of chunks) filter.push(utf8(chunk));
  filter.end();
  return lines;
}

Deno.test("LineFilter passes lines that hold any of the texts, with their ends", () => {
  assertEquals(filtered(["loss", "acc"], "loss 1\nother\nac", "c 2\n"), ["loss 1\n", "acc 2\n"]);
});

Deno.test("LineFilter considers an unfinished last line, and states of a bar as lines", () => {
  assertEquals(filtered(["%"], "x\r10%\r\ny\r", "20%"), ["10%\r\n", "20%"]);
});

Deno.test("LineFilter finds text beyond ASCII that came in two chunks", () => {
  const bytes = utf8("größe\n");
  const lines: string[] = [];
  const filter = new LineFilter(["größe"], (line) => lines.push(fromUtf8(line)));
  filter.push(bytes.subarray(0, 3));
  filter.push(bytes.subarray(3));
  assertEquals(lines, ["größe\n"]);
});
