import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SystemError } from "../../lib/core/errors.ts";
import { type FileTimer, startFileTimer } from "../../lib/host/file_timer.ts";
import { libc } from "../../lib/host/libc.ts";
import type { ExpiredTimer } from "../../lib/supervise/file_timer.ts";

// Opened for the life of the process, which a leak check inside a test would take for a leak.
libc();

interface Bench {
  readonly path: string;
  readonly timer: FileTimer;
  readonly warnings: string[];
  /** The next timer that runs out. */
  expired(): Promise<ExpiredTimer>;
  write(text: string): Promise<void>;
}

async function withTimer(body: (bench: Bench) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "muster-timer-" });
  const path = `${directory}/timer`;
  const warnings: string[] = [];
  let { promise, resolve } = Promise.withResolvers<ExpiredTimer>();
  const timer = await startFileTimer({
    path,
    onExpired: (expired) => resolve(expired),
    warn: (text) => warnings.push(text),
  });
  try {
    await body({
      path,
      timer,
      warnings,
      expired: async () => {
        const expired = await promise;
        ({ promise, resolve } = Promise.withResolvers<ExpiredTimer>());
        return expired;
      },
      write: (text) => Deno.writeTextFile(path, text, { create: false }),
    });
  } finally {
    await timer.close();
    await Deno.remove(directory, { recursive: true });
  }
}

function request(pid: number, scope: string, inMs: number): string {
  const expirationSeconds = inMs < 0 ? -1 : (Date.now() + inMs) / 1000;
  return `${
    JSON.stringify({ version: 1, pid, scope_id: scope, expiration_time: expirationSeconds, signal: 15 })
  }\n`;
}

Deno.test("startFileTimer() makes a FIFO that only its owner may use, and removes it at the end", async () => {
  let made = "";
  await withTimer(({ path }) => {
    made = path;
    const { isFifo, mode } = Deno.statSync(path);
    assertEquals([isFifo, mode! & 0o777], [true, 0o600]);
    return Promise.resolve();
  });
  await assertRejects(() => Deno.stat(made), Deno.errors.NotFound);
});

Deno.test("startFileTimer() tells who missed his deadline, writer after writer", () =>
  withTimer(async ({ write, expired }) => {
    await write(request(Deno.pid, "first", 5));
    assertEquals(await expired(), { pid: Deno.pid, scope: "first", signal: 15 });
    await write(request(Deno.pid, "released", 60_000) + request(Deno.pid, "released", -1));
    await write(request(Deno.pid, "second", 5));
    assertEquals((await expired()).scope, "second");
  }));

Deno.test("startFileTimer() keeps quiet about a process that ended, and about another with its number", () =>
  withTimer(async ({ write, expired }) => {
    const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
    await write(request(child.pid, "of the dead", 50));
    child.kill("SIGKILL");
    await child.status;
    await write(request(Deno.pid, "of the living", 60));
    assertEquals((await expired()).scope, "of the living");
  }));

Deno.test("startFileTimer().forget() and clear() drop timers", () =>
  withTimer(async ({ timer, write, expired }) => {
    const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
    try {
      for (const drop of [() => timer.forget(child.pid), () => timer.clear()]) {
        // The marker's end says that both were received.
        await write(request(child.pid, "dropped", 40) + request(Deno.pid, "marker", 0));
        assertEquals((await expired()).scope, "marker");
        drop();
        await write(request(Deno.pid, "kept", 60));
        assertEquals((await expired()).scope, "kept");
      }
    } finally {
      child.kill("SIGKILL");
      await child.status;
    }
  }));

Deno.test("startFileTimer() warns once of what is no request", () =>
  withTimer(async ({ warnings, write, expired }) => {
    await write("hello\nworld\n");
    await write("again\n" + request(Deno.pid, "marker", 0));
    await expired();
    assertEquals(warnings.length, 1);
    assertStringIncludes(warnings[0]!, "receives what is no timer request");
  }));

Deno.test("startFileTimer() takes the place of an old FIFO or of mktemp's file, of nothing else", async () => {
  const directory = await Deno.makeTempDir({ prefix: "muster-timer-" });
  const start = (path: string) => startFileTimer({ path, onExpired: () => {}, warn: () => {} });
  try {
    await Deno.writeTextFile(`${directory}/empty`, "");
    await (await start(`${directory}/empty`)).close();
    await new Deno.Command("mkfifo", { args: [`${directory}/old`] }).output();
    await (await start(`${directory}/old`)).close();
    await Deno.writeTextFile(`${directory}/data`, "precious");
    await assertRejects(() => start(`${directory}/data`), SystemError, "something else is there");
    assertEquals(await Deno.readTextFile(`${directory}/data`), "precious");
    await assertRejects(
      () => start(`${directory}/none/timer`),
      SystemError,
      "Cannot make the watchdog's FIFO",
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("startFileTimer().close() leaves a FIFO that another launcher put in its place", () =>
  withTimer(async ({ path, timer }) => {
    const other = await startFileTimer({ path, onExpired: () => {}, warn: () => {} });
    await timer.close();
    assertEquals((await Deno.stat(path)).isFifo, true);
    await other.close();
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  }));
