import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { SystemError } from "../../lib/core/errors.ts";
import { LogDirectory } from "../../lib/host/log_directory.ts";

async function withDirectory(test: (path: string) => void | Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("LogDirectory.create() makes torchrun's layout, readable by nobody else", () =>
  withDirectory((base) => {
    const directory = LogDirectory.create({ baseDirectory: `${base}/deep/logs`, jobId: "job" });
    assertMatch(directory.path!, new RegExp(`^${base}/deep/logs/job_[0-9a-z]+$`));
    assertEquals(Deno.statSync(directory.path!).mode! & 0o777, 0o700);
    const attempt = directory.startAttempt({ attempt: 0, round: 0, workerCount: 2 });
    assertEquals(attempt, `${directory.path}/attempt_0`);
    assertEquals([...Deno.readDirSync(attempt!)].map(({ name }) => name).sort(), ["0", "1"]);
    const again = directory.startAttempt({ attempt: 0, round: 3, workerCount: 1 });
    assertEquals(again, `${directory.path}/attempt_0.r3`);
    directory.remove();
    assertEquals(exists(attempt!), true);
  }));

Deno.test("LogDirectory.create() gives two launchers of one job a directory each", () =>
  withDirectory((base) => {
    const settings = { baseDirectory: base, jobId: "job" };
    assertEquals(LogDirectory.create(settings).path === LogDirectory.create(settings).path, false);
  }));

Deno.test("LogDirectory.create() makes a file name of any job id", () =>
  withDirectory((base) => {
    const odd = LogDirectory.create({ baseDirectory: base, jobId: "../a/b" });
    assertMatch(odd.path!, new RegExp(`^${base}/\\.\\._a_b_[0-9a-z]+$`));
    LogDirectory.create({ baseDirectory: base, jobId: "ü".repeat(500) });
  }));

Deno.test("LogDirectory.remove() takes a temporary directory away with everything in it", () => {
  const directory = LogDirectory.create({ baseDirectory: null, jobId: "job" });
  try {
    const attempt = directory.startAttempt({ attempt: 0, round: 0, workerCount: 1 });
    Deno.writeTextFileSync(`${attempt}/0/stdout.log`, "text");
  } finally {
    directory.remove();
  }
  assertEquals(directory.isTemporary, true);
  assertEquals(exists(directory.path!.slice(0, directory.path!.lastIndexOf("/"))), false);
});

Deno.test("LogDirectory.create() keeps nothing on disk with /dev/null", () => {
  const directory = LogDirectory.create({ baseDirectory: "/dev/null", jobId: "job" });
  assertEquals(directory.path, null);
  assertEquals(directory.startAttempt({ attempt: 0, round: 0, workerCount: 2 }), null);
});

Deno.test("LogDirectory.create() says why a place can't be used and what to do", () =>
  withDirectory((base) => {
    Deno.writeTextFileSync(`${base}/file`, "");
    const error = assertThrows(
      () => LogDirectory.create({ baseDirectory: `${base}/file`, jobId: "job" }),
      SystemError,
    );
    assertEquals(
      error.message,
      `Cannot make a log directory in "${base}/file": it is a file. ` +
        `Choose another place with --log-dir, or keep no files with --log-dir=/dev/null`,
    );
    assertThrows(() => LogDirectory.create({ baseDirectory: "/proc/none", jobId: "job" }), SystemError);
  }));

Deno.test("LogDirectory.create() finds another temporary place where TMPDIR can't be written", async () => {
  const module = new URL("../../lib/host/log_directory.ts", import.meta.url).href;
  const code = `import { LogDirectory } from "${module}";
    const directory = LogDirectory.create({ baseDirectory: null, jobId: "job" });
    console.log(directory.path);
    directory.remove();`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    env: { TMPDIR: "/proc/none" },
    stderr: "inherit",
  }).output();
  const path = new TextDecoder().decode(stdout).trim();
  assertMatch(path, new RegExp("^/(var/tmp|dev/shm)/muster_[0-9a-z]+/job_[0-9a-z]+$"));
  assertEquals(exists(path), false);
});

Deno.test("LogDirectory.startAttempt() never touches the logs of an attempt that is there", () =>
  withDirectory((base) => {
    const directory = LogDirectory.create({ baseDirectory: base, jobId: "job" });
    const options = { attempt: 1, round: 2, workerCount: 1 };
    const path = directory.startAttempt(options)!;
    Deno.writeTextFileSync(`${path}/0/stdout.log`, "kept");
    const error = assertThrows(() => directory.startAttempt(options), SystemError);
    assertMatch(
      error.message,
      /attempt_1\.r2": it is there already, and the logs of an attempt are never over/,
    );
    assertEquals(Deno.readTextFileSync(`${path}/0/stdout.log`), "kept");
  }));
