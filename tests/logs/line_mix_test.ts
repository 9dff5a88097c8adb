import { assertEquals } from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { LineMix, type LineMixOptions, type MixedStream } from "../../lib/logs/line_mix.ts";

/** A mix that collects what it writes. */
function newMix(options: LineMixOptions) {
  let text = "";
  const mix = new LineMix((bytes) => text += fromUtf8(bytes), options);
  return {
    mix,
    text: () => text,
    add: (text: string | null = null, isAlone = false) =>
      mix.addStream({ label: text === null ? { kind: "none" } : { kind: "always", text }, isAlone }),
    addWorker: (worker: number) =>
      mix.addStream({
        label: { kind: "once-several-print", text: `[${worker}] `, worker, several: (all) => `[${all}] ` },
        isAlone: false,
      }),
  };
}

function push(stream: MixedStream, text: string): void {
  stream.push(utf8(text));
}

const PIPE = { isTerminal: false };
const TERMINAL = { isTerminal: true };

Deno.test("LineMix never puts a line of one stream inside another's", () => {
  const prng = new Prng(5);
  for (let round = 0; round < 100; round++) {
    const { add, text } = newMix(PIPE);
    const names = ["a", "b", "c"];
    const streams = names.map(() => add());
    const whole = names.map((name) => Array.from({ length: 20 }, (_, i) => `${name}${i}\n`).join(""));
    const at = [0, 0, 0];
    while (at.some((position, i) => position < whole[i]!.length)) {
      const i = prng.below(3);
      const size = 1 + prng.below(9);
      push(streams[i]!, whole[i]!.slice(at[i]!, at[i]! + size));
      at[i]! += size;
    }
    const lines = text().trimEnd().split("\n");
    names.forEach((name, i) =>
      assertEquals(lines.filter((line) => line.startsWith(name)).join("\n") + "\n", whole[i])
    );
    assertEquals(lines.length, 60);
  }
});

Deno.test("LineMix passes a stream that is alone on byte for byte and at once", () => {
  const { add, text } = newMix(PIPE);
  const stream = add(null, true);
  push(stream, "Name? ");
  assertEquals(text(), "Name? ");
  push(stream, "\r10%\r20%\nx");
  stream.end();
  assertEquals(text(), "Name? \r10%\r20%\nx");
});

Deno.test("LineMix lets the launcher's lines begin on a line of their own", () => {
  const { mix, add, text } = newMix(PIPE);
  push(add(null, true), "unfinished");
  mix.writeLines(utf8("muster: word\n"));
  mix.writeLines(utf8("muster: more\n"));
  assertEquals(text(), "unfinished\nmuster: word\nmuster: more\n");
});

Deno.test("LineMix writes an unfinished line out at its stream's end, and no newline that was not there", () => {
  const { add, text } = newMix(PIPE);
  const [a, b] = [add(), add()];
  push(a, "last words");
  push(b, "x\n");
  assertEquals(text(), "x\n");
  a.end();
  assertEquals(text(), "x\nlast words");
  push(b, "y\n");
  b.end();
  assertEquals(text(), "x\nlast words\ny\n");
});

Deno.test("LineMix keeps one progress bar alive and shows the others' last states", () => {
  const { add, text } = newMix(PIPE);
  const [a, b] = [add(), add()];
  push(a, "\r10%");
  push(b, "\r1%");
  push(a, "\r20%");
  push(b, "\r2%");
  assertEquals(text(), "\r10%\r20%");
  push(b, "\n");
  assertEquals(text(), "\r10%\r20%\n\r2%\n");
  push(a, "\r30%\n");
  assertEquals(text(), "\r10%\r20%\n\r2%\n\r30%\n");
});

Deno.test("LineMix replaces a bar on a terminal by another's line, and the bar comes back", () => {
  const { add, text } = newMix(TERMINAL);
  const [a, b] = [add(), add()];
  push(a, "\r10%");
  push(b, "line\n");
  push(a, "\r20%");
  push(b, "\r5%");
  assertEquals(text(), "\r10%\r\x1b[Kline\n\r20%\r\x1b[K\r5%");
});

Deno.test("LineMix brings an erased bar back when its stream ends the line or itself", () => {
  for (const isAlone of [false, true]) {
    const { mix, add, text } = newMix(TERMINAL);
    const a = add(null, isAlone);
    push(a, "\r99%");
    push(a, "\r10");
    push(a, "0%");
    mix.writeLines(utf8("line\n"));
    push(a, "\n");
    mix.writeLines(utf8("more\n"));
    assertEquals(text().slice(text().indexOf("line")), "line\n\r100%\nmore\n");

    push(a, "\r5%\r6%");
    mix.writeLines(utf8("last\n"));
    a.end();
    assertEquals(text().slice(text().indexOf("last")), "last\n\r6%");
  }
});

Deno.test("LineMix shows a prompt after silence, and a line of another goes below it", () => {
  const { add, text } = newMix(TERMINAL);
  const [a, b] = [add(), add()];
  push(a, "Name? ");
  assertEquals(text(), "");
  assertEquals(a.mayShowUnfinished, true);
  a.showUnfinished();
  assertEquals(text(), "Name? ");
  assertEquals(a.mayShowUnfinished, false);
  push(b, "line\n");
  assertEquals(text(), "Name? \nline\n");
});

Deno.test("LineMix holds a second prompt back while the first waits", () => {
  const { add, text } = newMix(TERMINAL);
  const [a, b] = [add(), add()];
  push(a, "A? ");
  a.showUnfinished();
  push(b, "B? ");
  b.showUnfinished();
  assertEquals(text(), "A? ");
  push(a, "\n");
  b.showUnfinished();
  assertEquals(text(), "A? \nB? ");
});

Deno.test("LineMix does not wait for silence where nobody watches", () => {
  const { add } = newMix(PIPE);
  const stream = add();
  push(stream, "part");
  assertEquals(stream.mayShowUnfinished, false);
});

Deno.test("LineMix labels every line, and again where a line goes on after another's", () => {
  const { add, text } = newMix(PIPE);
  const [a, b] = [add("A:"), add("B:")];
  push(a, "one\npart");
  push(b, "x\n");
  push(a, "ly\n\n");
  a.end();
  assertEquals(text(), "A:one\nB:x\nA:partly\nA:\n");
});

Deno.test("LineMix makes lines of a labelled bar in a pipe, and leaves it a bar on a terminal", () => {
  const piped = newMix(PIPE);
  const stream = piped.add("A:");
  push(stream, "10%\r20%\r");
  stream.end();
  piped.mix.writeLines(utf8("muster: word\n"));
  assertEquals(piped.text(), "A:10%\nA:20%\nmuster: word\n");

  const terminal = newMix(TERMINAL);
  const bar = terminal.add("A:");
  push(bar, "\r10%");
  push(bar, "\r20%");
  assertEquals(terminal.text(), "\rA:10%\rA:20%");
});

Deno.test("LineMix labels workers from the moment on that a second one prints", () => {
  const { addWorker, text } = newMix(TERMINAL);
  const [a, alsoA, b] = [addWorker(0), addWorker(0), addWorker(1)];
  push(a, "one\n");
  push(alsoA, "two\n");
  push(b, "three\n");
  push(a, "four\n");
  assertEquals(text(), "one\ntwo\n[1] three\n[0] four\n");
});

Deno.test("LineMix does not put a label into a line or bar that went out without", () => {
  const { addWorker, text } = newMix(TERMINAL);
  const [a, b] = [addWorker(0), addWorker(1)];
  push(a, "Name? ");
  a.showUnfinished();
  b.push(utf8("B"));
  push(a, "Ada\n");
  assertEquals(text(), "Name? Ada\n");
  push(b, "\n");
  push(a, "\r10%");
  push(a, "\r20%");
  assertEquals(text(), "Name? Ada\n[1] B\n\r[0] 10%\r[0] 20%");
});

const FOLDING = { isTerminal: true, folds: true };

Deno.test("LineMix folds equal lines of workers, and labels them with all ranks", () => {
  const { mix, addWorker, text } = newMix(FOLDING);
  const [a, b, c] = [addWorker(0), addWorker(1), addWorker(2)];
  for (const stream of [a, b, c]) push(stream, "loading\n");
  push(a, "mine\nours\n");
  push(b, "ours\n");
  assertEquals([text(), mix.needsTurn], ["[0,1,2] loading\n", true]);
  mix.turn();
  mix.turn();
  assertEquals(text(), "[0,1,2] loading\n[0] mine\n[0,1] ours\n");
});

Deno.test("LineMix lets out what a stream has said before it shows the stream's prompt or bar", () => {
  const { mix, addWorker, text } = newMix(FOLDING);
  const [a, b] = [addWorker(0), addWorker(1)];
  push(a, "one\nName? ");
  push(b, "other\n");
  assertEquals(text(), "");
  a.showUnfinished();
  assertEquals(text(), "one\nName? ");
  // It goes on in its own line, without waiting.
  push(a, "Ada\n");
  mix.flush();
  assertEquals(text(), "one\nName? Ada\n[1] other\n");
  push(a, "last\n\r10%\r20%");
  assertEquals(text(), "one\nName? Ada\n[1] other\n[0] last\n\r[0] 10%\r[0] 20%");
});

Deno.test("LineMix erases a bar for a line that has waited, and brings it back", () => {
  const { mix, addWorker, text } = newMix(FOLDING);
  const [a, b] = [addWorker(0), addWorker(1)];
  push(a, "\r10%\r20%");
  push(b, "saved\n");
  assertEquals(text(), "\r10%\r20%");
  mix.flush();
  assertEquals(text(), "\r10%\r20%\r\x1b[K[1] saved\n");
  push(a, "\r30%\n");
  mix.flush();
  assertEquals(text(), "\r10%\r20%\r\x1b[K[1] saved\n\r[0] 30%\n");
});

Deno.test("LineMix ends an open line where it is, and folds what comes after it", () => {
  const { addWorker, text } = newMix(FOLDING);
  const [a, b] = [addWorker(0), addWorker(1)];
  push(a, "\r10%\r20%");
  push(b, "saved\n");
  push(a, "\r30%\nsaved\n");
  assertEquals(text(), "\r10%\r20%\r30%\n[1,0] saved\n");
});

Deno.test("LineMix puts the time before every line, of workers and the launcher, labelled or not", () => {
  let now = 0;
  const { mix, add, addWorker, text } = newMix({ ...FOLDING, stamp: () => `${++now}s ` });
  push(add(), "plain\n");
  push(add("<a> "), "labelled\n");
  mix.writeLines(utf8("launcher\n"));
  const [a, b] = [addWorker(0), addWorker(1)];
  push(a, "x\ny\n");
  push(b, "x\n");
  mix.flush();
  assertEquals(text(), "1s plain\n2s <a> labelled\n3s launcher\n4s [0,1] x\n4s [0] y\n");
});

Deno.test("LineMix makes lines of a bar that gets timestamps on a pipe", () => {
  const { add, text } = newMix({ isTerminal: false, stamp: () => "T " });
  const stream = add(null, true);
  push(stream, "10%\r20%\r\npart");
  stream.end();
  assertEquals(text(), "T 10%\nT 20%\nT part");
});
