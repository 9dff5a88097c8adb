import { assert, assertEquals } from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { LineFold } from "../../lib/logs/line_fold.ts";

interface Stream {
  readonly worker: number;
}

/** A fold for workers 0, 1, …, each with one stream, that shows lines as `ranks text`. */
function newFold(workers: number, turnBytesMax?: number) {
  const shown: string[] = [];
  const fold = new LineFold<Stream>(({ bytes, streams }) => {
    shown.push(`${streams.map(({ worker }) => worker).join(",")} ${fromUtf8(bytes).trimEnd()}`);
  }, turnBytesMax);
  const streams = Array.from({ length: workers }, (_, worker) => ({ worker }));
  for (const stream of streams) fold.open(stream);
  return {
    fold,
    streams,
    /** Worker `worker` writes lines, given without their ends. */
    write: (worker: number, ...lines: string[]) =>
      fold.add(streams[worker]!, utf8(lines.map((line) => `${line}\n`).join("")), ""),
    shown: () => shown.splice(0),
    turns: (count: number) => {
      for (let i = 0; i < count; i++) fold.turn();
    },
  };
}

Deno.test("LineFold makes one of equal lines, at once when all workers have written them", () => {
  const { write, shown, fold } = newFold(3);
  write(1, "same");
  write(0, "same");
  assertEquals(shown(), []);
  write(2, "same");
  assertEquals(shown(), ["1,0,2 same"]);
  fold.turn();
  assert(!fold.needsTurn);
});

Deno.test("LineFold lets a line wait for one to two turns, and no longer", () => {
  const { write, shown, fold } = newFold(2);
  write(0, "only mine");
  fold.turn();
  assertEquals(shown(), []);
  fold.turn();
  assertEquals(shown(), ["0 only mine"]);
  write(1, "only mine");
  fold.turn();
  fold.turn();
  assertEquals(shown(), ["1 only mine"]);
});

Deno.test("LineFold folds a traceback and shows the line that differs of each worker, in its place", () => {
  const { write, shown, turns } = newFold(3);
  for (let worker = 0; worker < 3; worker++) {
    write(worker, "Traceback", "  train()", `  rank=${worker}`, `  on gpu ${worker}`, "ValueError", "bye");
  }
  turns(2);
  assertEquals(shown(), [
    "0,1,2 Traceback",
    "0,1,2   train()",
    ...["0   rank=0", "0   on gpu 0", "1   rank=1", "1   on gpu 1", "2   rank=2", "2   on gpu 2"],
    "0,1,2 ValueError",
    "0,1,2 bye",
  ]);
});

Deno.test("LineFold keeps the order of arrival between workers that say different things", () => {
  const { write, shown, turns } = newFold(2);
  write(0, "a asks");
  write(1, "b answers");
  write(0, "a thanks");
  turns(2);
  assertEquals(shown(), ["0 a asks", "1 b answers", "0 a thanks"]);
});

Deno.test("LineFold never folds what one worker repeats, also over two streams", () => {
  const { fold, streams, write, shown, turns } = newFold(2);
  const stderr = { worker: 0 };
  fold.open(stderr);
  write(0, "again", "again");
  fold.add(stderr, utf8("again\n"), "");
  write(1, "again");
  turns(2);
  assertEquals(shown(), ["0,1 again", "0 again", "0 again"]);
  fold.close(stderr);
  fold.close(streams[0]!);
  write(1, "alone");
  assertEquals(shown(), ["1 alone"]);
});

Deno.test("LineFold waits for those who still run, also when as many have written and ended", () => {
  const { fold, streams, write, shown } = newFold(4);
  write(0, "bye");
  write(1, "bye");
  fold.close(streams[0]!);
  fold.close(streams[1]!);
  assertEquals(shown(), []);
  write(2, "bye");
  write(3, "bye");
  assertEquals(shown(), ["0,1,2,3 bye"]);
});

Deno.test("LineFold keeps the launcher's lines in their place", () => {
  const { fold, write, shown, turns } = newFold(2);
  fold.addOwn(utf8("at once\n"), "");
  assertEquals(shown(), [" at once"]);
  write(0, "before");
  fold.addOwn(utf8("between\n"), "");
  write(0, "after");
  write(1, "after");
  assertEquals(shown(), []);
  turns(2);
  assertEquals(shown(), ["0 before", " between", "0,1 after"]);
});

Deno.test("LineFold.flush() lets out what one stream has written", () => {
  const { fold, streams, write, shown } = newFold(3);
  write(0, "first");
  write(1, "second");
  write(2, "third");
  fold.flush(streams[1]!);
  assertEquals(shown(), ["0 first", "1 second"]);
  fold.flush(streams[1]!);
  assertEquals(shown(), []);
  fold.flushAll();
  assertEquals(shown(), ["2 third"]);
});

Deno.test("LineFold lets a flood out as it comes, until the turn is over", () => {
  const { fold, write, shown } = newFold(2, 10);
  write(0, "01234");
  write(1, "abcdefgh", "ij");
  assertEquals(shown(), ["0 01234", "1 abcdefgh\nij"]);
  write(0, "ij");
  assertEquals([shown(), fold.needsTurn], [["0 ij"], true]);
  fold.turn();
  assertEquals(fold.needsTurn, false);
  write(0, "same");
  write(1, "same");
  assertEquals(shown(), ["0,1 same"]);
});

Deno.test("LineFold finds its way through many equal lines of one worker", () => {
  const { fold, write, shown } = newFold(2, 1 << 20);
  const warnings = Array(20_000).fill("again");
  write(0, ...warnings);
  write(1, ...warnings);
  fold.flushAll();
  assertEquals(shown(), Array(20_000).fill("0,1 again"));
});

Deno.test("LineFold loses, changes and reorders nothing of any stream", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const prng = new Prng(seed);
    const workers = 1 + prng.below(5);
    const seen: string[][] = Array.from({ length: workers }, () => []);
    const fold = new LineFold<Stream>(({ bytes, streams }) => {
      const distinct = new Set(streams.map(({ worker }) => worker));
      assertEquals(distinct.size, streams.length, `seed ${seed}`);
      for (const { worker } of streams) seen[worker]!.push(...fromUtf8(bytes).split(/(?<=\n)/));
    }, seed % 2 === 0 ? 1 << 20 : 40 + prng.below(200));
    const streams = seen.map((_, worker) => ({ worker }));
    streams.forEach((stream) => fold.open(stream));
    const written: string[][] = seen.map(() => []);
    for (let step = 0; step < 200; step++) {
      const worker = prng.below(workers);
      const chance = prng.below(10);
      if (chance === 0) fold.turn();
      else if (chance === 1) fold.flush(streams[worker]!);
      else {
        // Few different texts, so that much is equal and much repeated.
        const lines = Array.from({ length: 1 + prng.below(4) }, () => `${prng.below(4)}\n`);
        written[worker]!.push(...lines);
        fold.add(streams[worker]!, utf8(lines.join("")), "");
      }
    }
    fold.flushAll();
    assertEquals(seen, written, `seed ${seed}`);
    fold.turn();
    assert(!fold.needsTurn);
  }
});
