import { assertEquals, assertGreater } from "@std/assert";
import { ERROR_FILE_BYTES_MAX, startEvidence } from "../../lib/host/evidence.ts";
import { canLimitMemory, newLimitedCgroup } from "./limited_cgroup.ts";
import { libc } from "../../lib/host/libc.ts";

// Once for the process: no test is to be blamed for opening it.
libc();

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "muster-evidence-" });
  try {
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function errorFileAt(path: string) {
  const { errorFiles } = await startEvidence().gather({ errorFiles: [path], statuses: [] });
  return errorFiles[0]!;
}

Deno.test("startEvidence().gather() reads each worker's error file with its time", () =>
  withDirectory(async (directory) => {
    const path = `${directory}/error.json`;
    await Deno.writeTextFile(path, '{"message": "bad"}');
    await Deno.utime(path, 1000, 1234.5);
    const { errorFiles } = await startEvidence().gather({
      errorFiles: [path, "", `${directory}/never written`],
      statuses: [],
    });
    assertEquals(errorFiles, [
      { path, text: '{"message": "bad"}', writtenAt: 1_234_500, problem: null },
      null,
      { path: `${directory}/never written`, text: null, writtenAt: null, problem: null },
    ]);
  }));

Deno.test("startEvidence().gather() refuses what is too large to be a record", () =>
  withDirectory(async (directory) => {
    const path = `${directory}/error.json`;
    await Deno.writeTextFile(path, "");
    await Deno.truncate(path, ERROR_FILE_BYTES_MAX + 1);
    const { text, problem } = await errorFileAt(path);
    assertEquals([text, problem], [null, "is larger than 4 MiB"]);
  }));

Deno.test("startEvidence().gather() takes bytes that are no text as they come", () =>
  withDirectory(async (directory) => {
    const path = `${directory}/error.json`;
    await Deno.writeFile(path, new Uint8Array([0xff, 0x00, 0x7b]));
    assertEquals((await errorFileAt(path)).text, "\ufffd\u0000{");
  }));

Deno.test("startEvidence().gather() does not wait for a FIFO that somebody put in the file's place", () =>
  withDirectory(async (directory) => {
    const path = `${directory}/error.json`;
    await new Deno.Command("mkfifo", { args: [path] }).output();
    assertEquals((await errorFileAt(path)).problem, "isn't a regular file");
  }));

Deno.test("startEvidence().gather() says why a file can't be read", () =>
  withDirectory(async (directory) => {
    await Deno.symlink("loop", `${directory}/loop`);
    assertEquals((await errorFileAt(`${directory}/loop`)).problem?.startsWith("can't be read: "), true);
  }));

Deno.test("startEvidence().gather() looks at /dev/shm after a bus error only", async () => {
  const evidence = startEvidence();
  const without = await evidence.gather({ errorFiles: [], statuses: [{ kind: "exited", code: 1 }] });
  assertEquals(without.machine.sharedMemory, null);
  const after = await evidence.gather({
    errorFiles: [],
    statuses: [{ kind: "signalled", signal: "SIGBUS" }],
  });
  assertGreater(after.machine.sharedMemory?.totalBytes ?? 0, 0);
});

/** Run inside the group, as a launcher would be: notes the counters, loses a child, looks again. */
const LAUNCHER_IN_CGROUP = `
  import { startEvidence } from "${new URL("../../lib/host/evidence.ts", import.meta.url)}";
  const evidence = startEvidence();
  const hog = new Deno.Command("tail", { args: ["/dev/zero"], stdout: "null", stderr: "null" });
  const { signal } = await hog.output();
  const { machine } = await evidence.gather({ errorFiles: [], statuses: [] });
  console.log(JSON.stringify({ signal, ...machine }));
`;

const LIMIT_BYTES = 256 << 20;

Deno.test({
  name: "startEvidence() counts a real kill for lack of memory",
  ignore: !canLimitMemory(),
  fn: () =>
    withDirectory(async (scripts) => {
      const script = `${scripts}/launcher.ts`;
      await Deno.writeTextFile(script, LAUNCHER_IN_CGROUP);
      using cgroup = newLimitedCgroup(LIMIT_BYTES);
      const enter = ["-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup.directory];
      const { stdout } = await new Deno.Command("sh", {
        args: [...enter, Deno.execPath(), "run", "-A", "--quiet", "--no-config", script],
        stderr: "inherit",
      }).output();
      const { signal, outOfMemoryKills, machineOutOfMemoryKills, memoryLimitBytes } = JSON.parse(
        new TextDecoder().decode(stdout),
      );
      assertEquals([signal, outOfMemoryKills, memoryLimitBytes], ["SIGKILL", 1, LIMIT_BYTES]);
      assertGreater(machineOutOfMemoryKills, 0);
    }),
});
