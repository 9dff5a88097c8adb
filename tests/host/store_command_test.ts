import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";

const ROOT = new URL("../..", import.meta.url).pathname;

/** `muster store` as a process: its own code, without the launcher's around it. */
function start(args: readonly string[]): Deno.ChildProcess {
  const script =
    `Deno.exit(await (await import("${ROOT}lib/host/store_command.ts")).runStoreCommand(Deno.args))`;
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", `--config=${ROOT}deno.json`, script, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await start(args).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("runStoreCommand() serves until a signal, and its client reads and writes", async () => {
  const server = start(["--port", "0"]);
  const reader = server.stdout.getReader();
  try {
    const address = new TextDecoder().decode((await reader.read()).value);
    assertMatch(address, /^127\.0\.0\.1:\d+\n$/);
    const ask = (operation: string, ...words: string[]) => run(operation, address.trim(), ...words);

    assertEquals(await ask("set", "greeting", "hello"), { code: 0, stdout: "", stderr: "" });
    assertEquals((await ask("get", "greeting")).stdout, "hello\n");
    assertEquals((await ask("add", "n", "-5")).stdout, "-5\n");
    assertEquals((await ask("add", "n", "2", "--json")).stdout, '{"key":"n","sum":-3}\n');
    assertEquals((await ask("list")).stdout, "greeting\nn\n");
    assertEquals((await ask("dump")).stdout, "greeting\thello\nn\t-3\n");
    assertEquals((await ask("dump", "g", "--json")).stdout, '{"key":"greeting","text":"hello"}\n');
    assertEquals((await ask("delete", "n", "absent", "--json")).stdout, '{"deleted":["n"]}\n');
    assertEquals((await ask("wait", "greeting")).code, 0);
    await ask("set", "long", "x".repeat(300));
    await ask("set", "lines", "a\nb");
    const shown = `greeting\thello\nlines\ta\\nb\nlong\t${"x".repeat(200)}… (300 bytes)\n`;
    assertEquals((await ask("dump")).stdout, shown);
    assertEquals((await ask("get", "lines")).stdout, "a\nb\n");
    assertEquals((await ask("get", "greeting", "--store-dialect", "b")).stdout, "hello\n");
    const absent = { code: 1, stdout: "", stderr: "muster store: Not in the store after 0 ms: absent\n" };
    assertEquals(await ask("wait", "greeting", "absent", "--timeout", "0"), absent);
    const early = await ask("list", "--store-dialect", "a");
    assertEquals([early.code, early.stdout], [71, ""]);
    assertStringIncludes(early.stderr, "speaks generation A of PyTorch's protocol, without listKeys\n");
    assertEquals(await ask("get", "absent", "--timeout", "0.1"), {
      code: 1,
      stdout: "",
      stderr: "muster store: Not in the store after 100 ms: absent\n",
    });
  } finally {
    server.kill("SIGTERM");
    await reader.cancel();
    await server.stderr.cancel();
  }
  assertEquals((await server.status).code, 0);
});

Deno.test("runStoreCommand() writes its address and its peers' as people do, and keeps the limits it is given", async () => {
  const server = start(["--host", "::", "--port", "0", "--limits", "key-bytes=8,connections=2"]);
  const [stdout, stderr] = [server.stdout, server.stderr].map((stream) =>
    stream.pipeThrough(new TextDecoderStream()).getReader()
  ) as [ReadableStreamDefaultReader<string>, ReadableStreamDefaultReader<string>];
  try {
    const address = (await stdout.read()).value!.trim();
    assertMatch(address, /^\[::\]:\d+$/);
    assertEquals((await run("set", address, "k", "v")).code, 0);
    const refused = await run("set", address.replace("[::]", "127.0.0.1"), "too-long", "v");
    assertEquals([refused.code, refused.stdout], [71, ""]);
    const closed =
      "muster store: Store \\S+ closed the connection of 127\\.0\\.0\\.1:\\d+: it sent 9 bytes of a key";
    assertMatch((await stderr.read()).value!, new RegExp(`^${closed}, over the limit of 8\n`));
  } finally {
    server.kill("SIGINT");
    await Promise.all([stdout.cancel(), stderr.cancel()]);
  }
  assertEquals((await server.status).code, 0);
});

Deno.test("runStoreCommand() explains what it can't do", async () => {
  const unreachable = await run("get", "127.0.0.1:1", "k", "--timeout", "0.1");
  assertEquals(unreachable.code, 71);
  assertStringIncludes(unreachable.stderr, "Cannot connect to the store at 127.0.0.1:1: ");
  const wrong = await run("--port", "x");
  assertEquals([wrong.code, wrong.stdout], [2, ""]);
  assertStringIncludes(wrong.stderr, "muster store: --port must be a number");
  const unbound = await run("--host", "192.0.2.1");
  assertEquals([unbound.code, unbound.stdout], [71, ""]);
  assertStringIncludes(unbound.stderr, "muster store: Cannot listen on 192.0.2.1:29400");
});
