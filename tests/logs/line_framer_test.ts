import { assertEquals } from "@std/assert";
import { concat, fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { isProgress, LineFramer } from "../../lib/logs/line_framer.ts";

const PLAIN = { carriageReturnEnds: false };
const BOTH_ENDS = { carriageReturnEnds: true };

function pushText(framer: LineFramer, text: string): string {
  return fromUtf8(concat(framer.push(utf8(text))));
}

function takeText(framer: LineFramer): string {
  return fromUtf8(concat(framer.take()));
}

Deno.test("LineFramer holds an unfinished line until its end comes", () => {
  const framer = new LineFramer(PLAIN);
  assertEquals(pushText(framer, "one\ntw"), "one\n");
  assertEquals(pushText(framer, "o"), "");
  assertEquals(pushText(framer, "\nthree"), "two\n");
  assertEquals(takeText(framer), "three");
  assertEquals(takeText(framer), "");
});

Deno.test("LineFramer gives the same bytes however a stream is cut, also with NUL and invalid UTF-8", () => {
  const prng = new Prng(11);
  for (let round = 0; round < 300; round++) {
    const stream = new Uint8Array(prng.below(200));
    for (let i = 0; i < stream.length; i++) stream[i] = prng.pick([10, 13, 0, 65, 195, 255]);
    for (const options of [PLAIN, BOTH_ENDS]) {
      const framer = new LineFramer(options);
      const out: Uint8Array[] = [];
      for (let at = 0; at < stream.length;) {
        const size = 1 + prng.below(20);
        const lines = concat(framer.push(stream.subarray(at, at + size)));
        if (lines.length > 0) {
          const last = lines.at(-1);
          assertEquals(last === 10 || (options.carriageReturnEnds && last === 13), true);
        }
        out.push(lines);
        at += size;
      }
      out.push(concat(framer.take()));
      assertEquals(concat(out), stream);
    }
  }
});

Deno.test("LineFramer keeps the two halves of a CR LF line end together", () => {
  const framer = new LineFramer(BOTH_ENDS);
  assertEquals(pushText(framer, "one\r"), "");
  assertEquals(pushText(framer, "\ntwo\rthree"), "one\r\ntwo\r");
  assertEquals(takeText(framer), "three");
});

Deno.test("LineFramer cuts a line that is too long and says by how much", () => {
  const framer = new LineFramer({ ...PLAIN, lineBytesMax: 5 });
  assertEquals(pushText(framer, "a\n12345678"), "a\n");
  assertEquals(pushText(framer, "9"), "");
  assertEquals(pushText(framer, "0ab\nnext\n"), "12345… 7 bytes of this line left out\nnext\n");
  assertEquals(pushText(framer, "short\n"), "short\n");
});

Deno.test("LineFramer passes a long line whole when it arrives whole", () => {
  const framer = new LineFramer({ ...PLAIN, lineBytesMax: 5 });
  assertEquals(pushText(framer, "1234567890\n"), "1234567890\n");
});

Deno.test("LineFramer.keepLastState() forgets what a progress bar has overwritten", () => {
  const framer = new LineFramer(PLAIN);
  pushText(framer, "\r10%\r20%");
  framer.keepLastState();
  assertEquals(fromUtf8(framer.held), "\r20%");
  pushText(framer, "\r");
  framer.keepLastState();
  assertEquals(fromUtf8(framer.held), "\r20%\r");
  assertEquals(pushText(framer, "\n"), "\r20%\r\n");
});

Deno.test("isProgress() tells a bar from a line whose CR LF is not complete yet", () => {
  assertEquals(isProgress(utf8("\r10%")), true);
  assertEquals(isProgress(utf8("10%\r20%")), true);
  assertEquals(isProgress(utf8("text\r")), false);
  assertEquals(isProgress(utf8("text")), false);
  assertEquals(isProgress(utf8("")), false);
});
