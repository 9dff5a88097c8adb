import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { spawnFailure, type SpawnRequest, spawnWorker, type WorkerChild } from "../../lib/host/child.ts";
import { processInfo } from "../../lib/host/process_table.ts";

const BASE: SpawnRequest = {
  executable: "/bin/sh",
  arguments: [],
  environment: {},
  cwd: "/",
  stdin: "null",
  stdout: { kind: "piped" },
  stderr: { kind: "piped" },
};

const withoutLimits = <T>(spawn: () => T): T => spawn();

function shell(script: string, more: Partial<SpawnRequest> = {}): WorkerChild {
  return spawnWorker({ ...BASE, arguments: ["-c", script], ...more }, withoutLimits);
}

async function textOf(stream: ReadableStream<Uint8Array> | null): Promise<string> {
  return stream === null ? "" : await new Response(stream).text();
}

Deno.test("spawnWorker() makes the worker the leader of a session of its own, with /dev/null as stdin", async () => {
  const child = shell("read -r line || echo end of input; cut -d' ' -f5,6 /proc/$$/stat");
  const [out, , status] = await Promise.all([textOf(child.stdout), textOf(child.stderr), child.ended]);
  assertEquals(out, `end of input\n${child.pid} ${child.pid}\n`);
  assertEquals(status, { kind: "exited", code: 0 });
});

// Deno itself leaves the resource of a process open that a real-time signal ended.
Deno.test(
  "spawnWorker() reports codes, signals and real-time signals",
  { sanitizeResources: false },
  async () => {
    const endings = ["exit 3", "kill -SEGV $$", "kill -37 $$"].map(async (script) => {
      const child = shell(script, { stdout: { kind: "null" }, stderr: { kind: "null" } });
      return await child.ended;
    });
    assertEquals(await Promise.all(endings), [
      { kind: "exited", code: 3 },
      { kind: "signalled", signal: "SIGSEGV" },
      { kind: "signalled", signal: "signal 37" },
    ]);
  },
);

Deno.test("spawnWorker() opens streams by path, keeps the worker's pid and its arguments as they are", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const [out, err] = [`${directory}/out with 'quotes'`, `${directory}/err`];
    const child = spawnWorker({
      ...BASE,
      arguments: ["-c", 'echo "$$ $1"; echo bad >&2', "sh", 'a b"c\n$d'],
      stdout: { kind: "file", path: out },
      stderr: { kind: "file", path: err },
    }, withoutLimits);
    await child.ended;
    assertEquals(await Deno.readTextFile(out), `${child.pid} a b"c\n$d\n`);
    assertEquals(await Deno.readTextFile(err), "bad\n");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("spawnWorker() can mix a file for one stream with a pipe for the other", async () => {
  const path = await Deno.makeTempFile();
  try {
    const child = shell("echo out; echo err >&2", { stderr: { kind: "file", path } });
    assertEquals(await textOf(child.stdout), "out\n");
    await child.ended;
    assertEquals(await Deno.readTextFile(path), "err\n");
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("spawnWorker() sends stderr after stdout where that is asked for, in the order of writing", async () => {
  const path = await Deno.makeTempFile();
  try {
    const script = "echo 1; echo 2 >&2; echo 3; echo 4 >&2";
    await shell(script, { stdout: { kind: "file", path }, stderr: { kind: "stdout" } }).ended;
    assertEquals(await Deno.readTextFile(path), "1\n2\n3\n4\n");
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("spawnFailure() says in words why nothing could be started", () => {
  const request = { ...BASE, executable: "/nowhere/program" };
  let failure = "";
  try {
    spawnWorker(request, withoutLimits);
  } catch (error) {
    failure = spawnFailure(request, error);
  }
  assertStringIncludes(failure, "Cannot start /nowhere/program: it was not found");
  assert(processInfo(Deno.pid) !== undefined);
});
