/** What the launcher itself says: little, what matters, and in the form that was asked for. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ROOT, runLauncher, runProgram } from "../interop/harness.ts";

const job = (options: readonly string[], script: string) =>
  runLauncher("muster", ["--standalone", ...options, "--no-python", "sh", "-c", script]);

Deno.test("messages: a good job says nothing on a pipe, and what it does with --verbose", async () => {
  assertEquals((await job([], "true")).stderr, "");
  assertMatch((await job(["--verbose"], "true")).stderr, /^muster: .*started/m);
});

Deno.test("messages: --quiet leaves warnings, errors and the report", async () => {
  const failed = await job(["--quiet"], "echo last words >&2; exit 3");
  assertEquals(failed.code, 1);
  assertStringIncludes(failed.stderr, "Root Cause");
  assertEquals(failed.stderr.split("\n").filter((line) => /^muster: (?!warning|error)/.test(line)), []);
});

Deno.test("messages: with --log-format json every line of the launcher's is an object", async () => {
  const { stderr } = await job(["--log-format=json", "--verbose"], "exit 3");
  const records = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(records.filter(({ message }) => message.includes("Root Cause")).length, 1);
  assertEquals(records.every(({ time, level }) => time.endsWith("Z") && typeof level === "string"), true);
});

Deno.test("messages: --timestamps puts the time before workers' and launcher's lines", async () => {
  const { stdout, stderr } = await job(
    ["--timestamps", "--nproc-per-node=2", "-t", "1"],
    "echo $RANK; exit 3",
  );
  const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d`;
  for (const line of stdout.trimEnd().split("\n")) {
    assertMatch(line, new RegExp(`^${time} \\[default[01]\\]:[01]$`));
  }
  for (const line of stderr.trimEnd().split("\n")) assertMatch(line, new RegExp(`^${time} `));
});

Deno.test("messages: without -A the launcher says that escaped processes can't be found", async () => {
  const some = ["run", "net", "read", "write", "env", "sys", "ffi"].map((name) => `--allow-${name}`);
  const args = ["--standalone", "--no-python", "true"];
  const listed = await runProgram([Deno.execPath(), "run", "--quiet", ...some, `${ROOT}main.ts`, ...args]);
  assertEquals(listed.code, 0, listed.stderr);
  assertMatch(
    listed.stderr,
    /^muster: warning: Without deno's -A, processes that a worker puts into a session/m,
  );
});
