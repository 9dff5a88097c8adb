import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { CONSOLE_QUEUE_BYTES_MAX, type ConsoleTarget, ConsoleWriter } from "../../lib/host/console.ts";

/** A console that reads when it is told to. */
class Reader implements ConsoleTarget {
  text = "";
  writes = 0;
  #isReading: boolean;
  #blocked: (() => void)[] = [];

  constructor(isReading: boolean) {
    this.#isReading = isReading;
  }

  async write(bytes: Uint8Array): Promise<number> {
    this.writes++;
    if (!this.#isReading) await new Promise<void>((resolve) => this.#blocked.push(resolve));
    this.text += fromUtf8(bytes);
    return bytes.length;
  }

  read(): void {
    this.#isReading = true;
    for (const resume of this.#blocked.splice(0)) resume();
  }
}

const PIPE = { isFile: false, stallMs: 20 };
const LINE = "x".repeat(1023) + "\n";
const BLOCK = utf8(LINE.repeat(64));

/** Fills the queue until it has no room. */
function fill(writer: ConsoleWriter): number {
  let lines = 0;
  while (writer.room() === undefined) {
    writer.push(BLOCK);
    lines += 64;
  }
  return lines;
}

Deno.test("ConsoleWriter writes everything in order and gathers what comes while it writes", async () => {
  const reader = new Reader(false);
  const writer = new ConsoleWriter(reader, PIPE);
  for (let i = 0; i < 1000; i++) writer.push(utf8(`${i}\n`));
  reader.read();
  assertEquals(await writer.flush(1000), true);
  assertEquals(reader.text, Array.from({ length: 1000 }, (_, i) => `${i}\n`).join(""));
  assert(reader.writes < 10, `${reader.writes} writes`);
});

Deno.test("ConsoleWriter lets readers wait while its queue is full, and go on when half is written", async () => {
  const reader = new Reader(false);
  const writer = new ConsoleWriter(reader, PIPE);
  const lines = fill(writer);
  assert(lines * 1024 > CONSOLE_QUEUE_BYTES_MAX);
  const room = writer.room();
  reader.read();
  await room;
  assertEquals(await writer.flush(5000), true);
  assertEquals(reader.text.length, lines * 1024);
  assertEquals(writer.droppedLines, 0);
});

Deno.test("ConsoleWriter keeps the launcher's own words while it drops workers' lines", async () => {
  const reader = new Reader(false);
  const writer = new ConsoleWriter(reader, PIPE);
  fill(writer);
  await writer.room();
  writer.push(utf8("lost\nlost\n"));
  writer.pushOwn(utf8("muster: the verdict\n"));
  writer.push(utf8("lost too\n"));
  reader.read();
  assertEquals(await writer.flush(5000), true);
  assertMatch(reader.text, /x\n… 2 lines dropped: [^\n]*\nmuster: the verdict\n… 1 line dropped: [^\n]*\n$/);
});

Deno.test("ConsoleWriter drops, counts and marks lines while nothing drains", async () => {
  const reader = new Reader(false);
  const writer = new ConsoleWriter(reader, PIPE);
  const lines = fill(writer);
  await writer.room();
  writer.push(utf8("lost\n".repeat(1234)));
  assertEquals(writer.room(), undefined);
  assertEquals(writer.droppedLines, 1234);
  reader.read();
  assertEquals(await writer.flush(5000), true);
  writer.push(utf8("again\n"));
  await writer.flush(5000);
  assertEquals(
    reader.text.slice(lines * 1024),
    "… 1,234 lines dropped: the console did not read\nagain\n",
  );
});

Deno.test("ConsoleWriter waits for a file, however slow it is", async () => {
  const reader = new Reader(false);
  const writer = new ConsoleWriter(reader, { isFile: true, stallMs: 20 });
  fill(writer);
  let isFree = false;
  const room = writer.room()!.then(() => isFree = true);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assertEquals(isFree, false);
  reader.read();
  await room;
  await writer.flush(5000);
});

Deno.test("ConsoleWriter goes quiet when the other side is gone", async () => {
  let writes = 0;
  const writer = new ConsoleWriter({
    write() {
      writes++;
      return Promise.reject(new Deno.errors.BrokenPipe("gone"));
    },
  }, PIPE);
  writer.push(utf8("one\n"));
  assertEquals(await writer.flush(1000), true);
  writer.push(utf8("two\n"));
  assertEquals(await writer.flush(1000), true);
  assertEquals(writes, 1);
  assertEquals(writer.room(), undefined);
});

Deno.test("ConsoleWriter tries again when the descriptor is non-blocking and full", async () => {
  let tries = 0;
  let text = "";
  const writer = new ConsoleWriter({
    write(bytes) {
      if (++tries < 3) return Promise.reject(new Deno.errors.WouldBlock("full"));
      text += fromUtf8(bytes);
      return Promise.resolve(bytes.length);
    },
  }, PIPE);
  writer.push(utf8("one\n"));
  assertEquals(await writer.flush(1000), true);
  assertEquals(text, "one\n");
});

Deno.test("ConsoleWriter loses only what a full disk refused, and says so when there is space again", async () => {
  let isFull = true;
  let text = "";
  const writer = new ConsoleWriter({
    write(bytes) {
      if (isFull) return Promise.reject(Object.assign(new Error("full"), { code: "ENOSPC" }));
      text += fromUtf8(bytes);
      return Promise.resolve(bytes.length);
    },
  }, { isFile: true, stallMs: 20 });
  writer.push(utf8("one\ntwo\n"));
  await writer.flush(1000);
  isFull = false;
  writer.push(utf8("three\n"));
  await writer.flush(1000);
  assertEquals(text, "three\n… 2 lines dropped: no space left\n");
});

Deno.test("ConsoleWriter.flush() gives up at its deadline", async () => {
  const reader = new Reader(false);
  const writer = new ConsoleWriter(reader, PIPE);
  writer.push(utf8("one\n"));
  assertEquals(await writer.flush(10), false);
  reader.read();
  assertEquals(await writer.flush(1000), true);
});

Deno.test("openConsoles() holds the launcher up neither with a pipe that nobody reads nor with one for both", async () => {
  const fixture = new URL("fixtures/console_flood.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", fixture],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  // It says so while it still has 8 MiB for stdout, of which nobody has read a byte.
  const stderr = child.stderr.getReader();
  assertEquals(fromUtf8((await stderr.read()).value!), "stalled\n");
  const stdout = await new Response(child.stdout).text();
  assertMatch(stdout, /\n… [\d,]+ lines dropped: the console did not read\n$/);
  await stderr.cancel();
  assertEquals((await child.status).code, 0);
});

Deno.test("openConsoles() gives one console where stdout and stderr are one pipe", async () => {
  const fixture = new URL("fixtures/console_same.ts", import.meta.url).pathname;
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", '"$0" run -A --quiet "$1" 2>&1', Deno.execPath(), fixture],
    stderr: "null",
  }).output();
  assertEquals(fromUtf8(stdout), "one console\n");
});
