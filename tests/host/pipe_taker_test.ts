import { assert, assertEquals } from "@std/assert";
import { fromUtf8 } from "../../lib/core/bytes.ts";
import { Gatherer, PipeSource, pump } from "../../lib/host/output_pump.ts";
import { PipeTaker } from "../../lib/host/pipe_taker.ts";

/** Reads both streams of a shell script as a launcher does, with pipes taken over where that is proved right. */
async function readBoth(script: string) {
  const taker = new PipeTaker();
  const child = new Deno.Command("sh", { args: ["-c", script], stdout: "piped", stderr: "piped" }).spawn();
  try {
    const gatherer = new Gatherer();
    const read = (name: "stdout" | "stderr", number: 1 | 2) => {
      const source = new PipeSource(child[name], {
        pid: child.pid,
        number,
        taker: () => Promise.resolve(taker),
      });
      const result = { source, text: "" };
      const push = (chunk: Uint8Array) => void (result.text += fromUtf8(chunk));
      const done = pump(source, { push, room: () => undefined, end: () => {} }, gatherer);
      return { result, done };
    };
    const [stdout, stderr] = [read("stdout", 1), read("stderr", 2)];
    await Promise.all([stdout.done, stderr.done, child.status]);
    return { stdout: stdout.result, stderr: stderr.result };
  } finally {
    await taker.close();
  }
}

/** Shell: writes lines to both streams, one every few milliseconds, and at the end very much at once. */
const CHATTY = `i=0; while [ $i -lt 300 ]; do i=$((i+1))
    echo "line $i of standard output"; echo "line $i of standard error" >&2; sleep 0.004
  done; seq -f "%g of the end" 1 50000; printf "last words"`;

function lines(stream: string): string {
  return Array.from({ length: 300 }, (_, i) => `line ${i + 1} of standard ${stream}\n`).join("");
}

const END = Array.from({ length: 50_000 }, (_, i) => `${i + 1} of the end\n`).join("") + "last words";

Deno.test("PipeTaker takes chatty pipes over, and no byte is lost, doubled or out of order", async () => {
  const { stdout, stderr } = await readBoth(CHATTY);
  assert(stdout.source.isTaken && stderr.source.isTaken);
  assert(stdout.text === lines("output") + END);
  assertEquals(stderr.text, lines("error"));
});

Deno.test("PipeTaker leaves a stream alone that /proc shows as another", async () => {
  const { stdout, stderr } = await readBoth(`exec 3>&1 1>&2 2>&3 3>&-; ${CHATTY}`);
  assertEquals([stdout.source.isTaken, stderr.source.isTaken], [false, false]);
  assertEquals(stdout.text, lines("error"));
  assert(stderr.text === lines("output") + END);
});

Deno.test("PipeTaker leaves a stream alone that the process itself no longer has", async () => {
  const { stdout } = await readBoth(`sh -c '${CHATTY.replaceAll("'", "")}' & exec >/dev/null; wait`);
  assertEquals(stdout.source.isTaken, false);
  assert(stdout.text === lines("output") + END);
});

Deno.test("PipeTaker reads on when the worker has ended and another holds its pipe", async () => {
  const { stdout } = await readBoth(
    `(while kill -0 $$; do sleep 0.05; done 2>/dev/null; echo "and the child") & ${CHATTY}; echo`,
  );
  assert(stdout.source.isTaken);
  assert(stdout.text === lines("output") + END + "\nand the child\n");
});

Deno.test("PipeSource.cancel() ends a pending read of a pipe that was taken over", async () => {
  const taker = new PipeTaker();
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      "while :; do echo 'some words of a worker'; sleep 0.004; [ -e /proc/self/fd/9 ]; done & sleep 60",
    ],
    stdout: "piped",
    stderr: "null",
    detached: true,
  }).spawn();
  const source = new PipeSource(child.stdout, {
    ...{ pid: child.pid, number: 1 as const },
    taker: () => Promise.resolve(taker),
  });
  let ended = false;
  const gatherer = new Gatherer();
  const done = pump(source, { push: () => {}, room: () => undefined, end: () => ended = true }, gatherer);
  while (!source.isTaken) await new Promise((resolve) => setTimeout(resolve, 10));
  Deno.kill(-child.pid, "SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 50));
  source.cancel();
  await done;
  assert(ended);
  Deno.kill(-child.pid, "SIGKILL");
  await child.status;
  await taker.close();
});
