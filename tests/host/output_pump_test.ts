import { assertEquals } from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { type ByteSinks, type ByteSource, Gatherer, PipeSource, pump } from "../../lib/host/output_pump.ts";

class Sinks implements ByteSinks {
  text = "";
  hasEnded = false;
  waitFor: Promise<void> | undefined;

  push(chunk: Uint8Array): void {
    this.text += fromUtf8(chunk);
  }
  room(): Promise<void> | undefined {
    return this.waitFor;
  }
  end(): void {
    this.hasEnded = true;
  }
}

function sourceOf(...chunks: string[]): ByteSource & { reads: number } {
  return {
    reads: 0,
    read() {
      this.reads++;
      const chunk = chunks.shift();
      return Promise.resolve(chunk === undefined ? null : utf8(chunk));
    },
    cancel() {},
  };
}

Deno.test("pump() moves everything and then ends its sinks", async () => {
  const sinks = new Sinks();
  await pump(sourceOf("one\n", "two"), sinks, new Gatherer());
  assertEquals([sinks.text, sinks.hasEnded], ["one\ntwo", true]);
});

Deno.test("pump() does not read on while its sinks have no room", async () => {
  const sinks = new Sinks();
  let goOn = () => {};
  sinks.waitFor = new Promise((resolve) => goOn = resolve);
  const source = sourceOf("one\n", "two\n");
  const gatherer = new Gatherer();
  gatherer.hurry();
  const pumped = pump(source, sinks, gatherer);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  assertEquals([source.reads, sinks.text], [1, "one\n"]);
  goOn();
  await pumped;
  assertEquals(sinks.text, "one\ntwo\n");
});

Deno.test("pump() takes a stream that breaks for one that ended", async () => {
  const sinks = new Sinks();
  const broken = { read: () => Promise.reject(new Error("broken")), cancel() {} };
  await pump(broken, sinks, new Gatherer());
  assertEquals(sinks.hasEnded, true);
});

Deno.test("Gatherer collects all who wait with one timer, and none once it is hurried", async () => {
  const gatherer = new Gatherer();
  const waits = [gatherer.next(), gatherer.next()];
  await Promise.all(waits);
  const late = gatherer.next();
  gatherer.hurry();
  await late;
  assertEquals(gatherer.next(), undefined);
});

Deno.test("PipeSource.cancel() ends a read that waits for a process which holds the pipe", async () => {
  const child = new Deno.Command("sleep", { args: ["60"], stdout: "piped" }).spawn();
  const source = new PipeSource(child.stdout);
  const read = source.read();
  source.cancel();
  assertEquals(await read, null);
  child.kill("SIGKILL");
  await child.status;
});
