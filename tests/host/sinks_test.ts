import { assertEquals, assertMatch } from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { FILE_QUEUE_BYTES_MAX, FileSink, type WritableFile } from "../../lib/host/sinks.ts";

/** A file in memory that may be slow or full. */
class MemoryFile implements WritableFile {
  text = "";
  writes = 0;
  isFull = false;
  isClosed = false;
  slow: Promise<void> | undefined;

  async write(bytes: Uint8Array): Promise<number> {
    this.writes++;
    await this.slow;
    if (this.isFull) throw new Error("No space left on device (os error 28)");
    this.text += fromUtf8(bytes);
    return bytes.length;
  }

  close(): void {
    this.isClosed = true;
  }
}

function newSink(file: MemoryFile) {
  const failures: string[] = [];
  const sink = new FileSink(file, { path: "x.log", onFailed: (reason) => failures.push(reason) });
  return { sink, failures };
}

Deno.test("FileSink gathers small writes and writes all of them before it closes", async () => {
  const file = new MemoryFile();
  const { sink } = newSink(file);
  for (let i = 0; i < 100; i++) sink.push(utf8(`${i}\n`));
  assertEquals(file.writes, 0);
  await sink.close();
  assertEquals(file.text, Array.from({ length: 100 }, (_, i) => `${i}\n`).join(""));
  assertEquals([file.writes, file.isClosed], [1, true]);
});

Deno.test("FileSink lets its reader wait for a slow file", async () => {
  const file = new MemoryFile();
  let goOn = () => {};
  file.slow = new Promise((resolve) => goOn = resolve);
  const { sink } = newSink(file);
  sink.push(new Uint8Array(FILE_QUEUE_BYTES_MAX));
  assertEquals(sink.room(), undefined);
  sink.push(utf8("more"));
  const room = sink.room()!;
  goOn();
  await room;
  await sink.close();
  assertEquals(file.text.length, FILE_QUEUE_BYTES_MAX + 4);
});

Deno.test("FileSink counts what a full disk refused, tells once, and goes on when there is space", async () => {
  const file = new MemoryFile();
  const { sink, failures } = newSink(file);
  file.isFull = true;
  const big = new Uint8Array(300 * 1024);
  sink.push(big);
  while (sink.lostBytes < big.length) await new Promise((resolve) => setTimeout(resolve, 1));
  file.isFull = false;
  sink.push(utf8("after\n"));
  await sink.close();
  assertEquals(file.text, "\n… 307,200 bytes are missing here: No space left on device\nafter\n");
  assertEquals(sink.lostBytes, big.length);
  assertEquals(failures.length, 1);
  assertMatch(failures[0]!, /No space left/);
});

Deno.test("FileSink tells of a file that can't be finished", async () => {
  const file = new MemoryFile();
  file.close = () => {
    throw new Error("Stale file handle (os error 116)");
  };
  const { sink, failures } = newSink(file);
  await sink.close();
  assertEquals(failures, ["Stale file handle"]);
});
