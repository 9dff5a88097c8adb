import { assertEquals } from "@std/assert";
import { concat, fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import {
  colouredLabel,
  lineLabel,
  LineLabeller,
  rangesText,
  rankLabel,
  severalRanksLabel,
} from "../../lib/logs/label.ts";

const VALUES = { roleName: "trainer", localRank: 3, rank: 11, hostName: "node1" };

Deno.test("lineLabel() gives torchrun's label without a template", () => {
  assertEquals(lineLabel(null, VALUES), "[trainer3]:");
});

Deno.test("lineLabel() fills a template as Python's safe_substitute does", () => {
  const filled: [string, string][] = [
    ["${hostname}:${rank}: ", "node1:11: "],
    ["$role_name/$local_rank|", "trainer/3|"],
    ["$$rank $", "$rank $"],
    ["${unknown} $other ${rank", "${unknown} $other ${rank"],
    ["$rank_x ${RANK}", "$rank_x ${RANK}"],
    ["", ""],
  ];
  for (const [template, label] of filled) assertEquals(lineLabel(template, VALUES), label);
});

Deno.test("rankLabel() is as wide for every rank, and coloured only where that is wanted", () => {
  assertEquals(rankLabel(3, { worldSize: 16, hostName: null, colour: false }), "[ 3] ");
  assertEquals(rankLabel(12, { worldSize: 16, hostName: null, colour: false }), "[12] ");
  assertEquals(rankLabel(0, { worldSize: 2, hostName: null, colour: true }), "\x1b[36m[0]\x1b[39m ");
});

/** Feeds `text` whole and byte by byte: the result must be the same. */
function labelled(text: string, carriageReturn: "kept" | "newline"): string {
  const whole = fromUtf8(new LineLabeller("L:", { carriageReturn }).label(utf8(text)));
  const labeller = new LineLabeller("L:", { carriageReturn });
  const parts = [...utf8(text)].map((byte) => labeller.label(new Uint8Array([byte])).slice());
  assertEquals(fromUtf8(concat(parts)), whole);
  return whole;
}

Deno.test("LineLabeller puts its label in front of every line, empty ones too", () => {
  assertEquals(labelled("one\n\ntwo\npart", "newline"), "L:one\nL:\nL:two\nL:part");
});

Deno.test("LineLabeller makes a line of every carriage return, as torchrun's tee does", () => {
  assertEquals(labelled("10%\r20%\rdone\r\nnext\n", "newline"), "L:10%\nL:20%\nL:done\nL:next\n");
  assertEquals(labelled("\rbar", "newline"), "L:\nL:bar");
});

Deno.test("LineLabeller keeps a bar a bar where a person watches", () => {
  assertEquals(labelled("\r10%\r20%\r\nnext\n", "kept"), "\rL:10%\rL:20%\r\nL:next\n");
});

Deno.test("LineLabeller.startLine() repeats the label for a line that another's interrupted", () => {
  const labeller = new LineLabeller("L:", { carriageReturn: "kept" });
  assertEquals(fromUtf8(labeller.label(utf8("par"))), "L:par");
  labeller.startLine();
  assertEquals(fromUtf8(labeller.label(utf8("t\n"))), "L:t\n");
});

Deno.test("LineLabeller has room for labels much longer than the lines", () => {
  const label = "x".repeat(300);
  const labeller = new LineLabeller(label, { carriageReturn: "newline" });
  assertEquals(fromUtf8(labeller.label(utf8("\n".repeat(50)))), `${label}\n`.repeat(50));
});

Deno.test("rankLabel() and severalRanksLabel() name the host where there are several", () => {
  assertEquals(rankLabel(3, { worldSize: 16, hostName: "node1", colour: false }), "[node1  3] ");
  assertEquals(severalRanksLabel([1, 0, 2], { hostName: "node1", colour: false }), "[node1 ranks 0-2] ");
  assertEquals(severalRanksLabel([5, 7], { hostName: null, colour: true }), "\x1b[1m[ranks 5,7]\x1b[22m ");
  assertEquals(colouredLabel("[default1]:", 1), "\x1b[33m[default1]:\x1b[39m");
});

Deno.test("rangesText() names ranks as ranges, and counts them where they are too scattered", () => {
  assertEquals(rangesText([3]), "3");
  assertEquals(rangesText([9, 1, 0, 2, 7]), "0-2,7,9");
  assertEquals(rangesText([0, 2, 4, 6, 8, 10, 12]), "0,2,4,6,8,… (7 in all)");
});

Deno.test("LineLabeller.setLabel() changes the label of the lines that begin from then on", () => {
  const labeller = new LineLabeller("a ", { carriageReturn: "kept" });
  const shown = [labeller.label(utf8("1\n2"))].map(fromUtf8);
  labeller.setLabel("longer ");
  shown.push(fromUtf8(labeller.label(utf8("2\n3\n"))));
  assertEquals(shown, ["a 1\na 2", "2\nlonger 3\n"]);
});
