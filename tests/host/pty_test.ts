import { assertEquals } from "@std/assert";
import { concat, fromUtf8 } from "../../lib/core/bytes.ts";
import { Poller } from "../../lib/host/poller.ts";
import { Terminals, type TerminalSource } from "../../lib/host/pty.ts";

const onLinux = Deno.build.os === "linux";

function terminalTest(name: string, body: (terminals: Terminals) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !onLinux,
    fn: async () => {
      const poller = new Poller();
      const terminals = new Terminals(poller);
      try {
        await body(terminals);
      } finally {
        terminals.close();
        await poller.close();
      }
    },
  });
}

/** A worker whose stdout and stderr are `terminal`, opened as the launcher's trampoline does. */
function spawn(terminal: TerminalSource, script: string): Deno.ChildProcess {
  return new Deno.Command("sh", {
    args: ["-c", `exec >"$0" 2>&1; ${script}`, terminal.path],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
}

async function readAll(source: TerminalSource): Promise<string> {
  const chunks: Uint8Array[] = [];
  for (let chunk = await source.read(); chunk !== null; chunk = await source.read()) {
    chunks.push(chunk.slice());
  }
  return fromUtf8(concat(chunks));
}

terminalTest("Terminals.create() gives a worker a terminal that changes no byte", async (terminals) => {
  const terminal = terminals.create({ columnsTaken: 0 })!;
  const child = spawn(terminal, `test -t 1 && test -t 2 && printf 'one\\ntwo\\r\\n\\ttab\\000\\377'`);
  const text = readAll(terminal);
  assertEquals((await child.status).code, 0);
  assertEquals(await text, "one\ntwo\r\n\ttab\0\ufffd");
});

terminalTest("Terminals.create() gives a terminal that does not control the worker", async (terminals) => {
  const terminal = terminals.create({ columnsTaken: 0 })!;
  const child = spawn(terminal, `if (: </dev/tty) 2>/dev/null; then echo controls; else echo free; fi`);
  assertEquals(await readAll(terminal), "free\n");
  await child.status;
});

terminalTest("TerminalSource reads more than a terminal holds, to the last byte", async (terminals) => {
  const terminal = terminals.create({ columnsTaken: 0 })!;
  const child = spawn(terminal, `seq 1 100000`);
  const text = await readAll(terminal);
  assertEquals(text, Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join(""));
  await child.status;
});

terminalTest("Poller serves many terminals with one thread", async (terminals) => {
  const workers = Array.from({ length: 40 }, (_, i) => {
    const terminal = terminals.create({ columnsTaken: 0 })!;
    return { terminal, child: spawn(terminal, `echo ${i}; sleep 0.3; echo end`) };
  });
  const texts = Promise.all(workers.map(({ terminal }) => readAll(terminal)));
  // File access shares the threads: it must not have to wait for any of them.
  await Deno.readTextFile("/proc/self/status");
  assertEquals(await texts, workers.map((_, i) => `${i}\nend\n`));
  await Promise.all(workers.map(({ child }) => child.status));
});

terminalTest("TerminalSource.cancel() ends a read while a process holds the terminal", async (terminals) => {
  const terminal = terminals.create({ columnsTaken: 0 })!;
  const child = spawn(terminal, "exec sleep 60");
  const read = terminal.read();
  terminal.cancel();
  assertEquals(await read, null);
  child.kill("SIGKILL");
  await child.status;
});
