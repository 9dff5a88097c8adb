import { assertEquals } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { Tail, tailLines } from "../../lib/logs/tail.ts";

function tailOf(...chunks: string[]): Tail {
  const tail = new Tail();
  for (const chunk of chunks) tail.push(utf8(chunk));
  return tail;
}

Deno.test("Tail keeps lines in order, with an unfinished last one", () => {
  assertEquals(tailOf().lines(), []);
  assertEquals(tailOf("one\ntw", "o\nthree").lines(), ["one", "two", "three"]);
  assertEquals(tailOf("one\n", "\n").lines(), ["one", ""]);
});

Deno.test("Tail keeps only the last lines", () => {
  assertEquals(tailOf("1\n2\n3\n").lines(2), ["2", "3"]);
});

Deno.test("Tail keeps the last state of a progress bar and drops carriage returns at line ends", () => {
  assertEquals(tailOf("\r10%\r100%\ndone\r\n").lines(), ["100%", "done"]);
});

Deno.test("Tail has the last bytes of any stream, however it is cut", () => {
  const prng = new Prng(7);
  for (let round = 0; round < 200; round++) {
    const bytesMax = 1 + prng.below(3000);
    const tail = new Tail(bytesMax);
    let whole = "";
    for (let i = 0; i < prng.below(30); i++) {
      const chunk = Array.from({ length: prng.below(400) }, () => prng.pick(["a", "b", "\n"])).join("");
      tail.push(utf8(chunk));
      whole += chunk;
    }
    const expected = tailLines(utf8(whole.slice(-bytesMax)), { isCut: whole.length > bytesMax });
    assertEquals(tail.lines(), expected);
  }
});

Deno.test("Tail leaves out a line whose beginning is lost", () => {
  const tail = new Tail(8);
  tail.push(utf8("a long line\nend\n"));
  assertEquals(tail.lines(), ["end"]);
});

Deno.test("Tail shows the end of a line that is longer than all it keeps", () => {
  const tail = new Tail(4);
  tail.push(utf8("0123456789"));
  assertEquals(tail.lines(), ["6789"]);
});

Deno.test("Tail.linesAfterMark counts what was ended or begun since the mark", () => {
  const tail = new Tail();
  tail.push(utf8("one\ntwo"));
  assertEquals(tail.linesAfterMark, null);
  tail.mark();
  assertEquals(tail.linesAfterMark, 0);
  tail.push(utf8(" and more\nthree\nfo"));
  tail.mark();
  tail.push(utf8("ur"));
  assertEquals([tail.linesAfterMark, tail.lines().slice(-3)], [3, ["two and more", "three", "four"]]);
});
