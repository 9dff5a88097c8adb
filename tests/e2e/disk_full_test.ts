/** A log directory without space: workers go on, one warning tells of it, and what is missing is counted. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { runLauncher } from "../interop/harness.ts";

/** A small file system of our own, or null where we have no right to make one. */
async function mountSmallDisk(directory: string, size: string): Promise<AsyncDisposable | null> {
  const run = async (program: string, args: readonly string[]) =>
    (await new Deno.Command(program, { args: [...args], stderr: "null" }).output()).success;
  try {
    if (!await run("mount", ["-t", "tmpfs", "-o", `size=${size}`, "muster-test", directory])) return null;
  } catch {
    return null;
  }
  return { [Symbol.asyncDispose]: async () => void await run("umount", ["--lazy", directory]) };
}

/** Runs `body` with a disk of `size`; left out where none can be made. */
function onSmallDisk(name: string, size: string, body: (disk: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const directory = await Deno.makeTempDir({ prefix: "muster-disk-" });
    try {
      await using disk = await mountSmallDisk(directory, size);
      if (disk === null) console.log(`Left out: "${name}" needs the right to mount a tmpfs`);
      else await body(directory);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

const WORKER = 'seq -f "rank $RANK line %g" 1 20000; echo "rank $RANK ends"';

onSmallDisk("disk full: workers go on, one warning, the rest is counted", "256k", async (disk) => {
  const args = ["--standalone", "--nproc-per-node=4", "-t", "3", `--log-dir=${disk}`, "--no-python", "sh"];
  const { code, stdout, stderr } = await runLauncher("muster", [...args, "-c", WORKER]);
  assertEquals(code, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  let writtenBytes = 0;
  for (let rank = 0; rank < 4; rank++) {
    const own = lines.filter((line) => line.startsWith(`[default${rank}]:`)).map((line) => line.slice(11));
    const expected = Array.from({ length: 20_000 }, (_, i) => `rank ${rank} line ${i + 1}`);
    assert(
      own.join("\n") === [...expected, `rank ${rank} ends`].join("\n"),
      `The console misses rank ${rank}'s lines`,
    );
    writtenBytes += own.join("\n").length + 1;
  }
  const warnings = stderr.split("\n").filter((line) => line.startsWith("muster: warning: "));
  assertEquals(warnings.length, 2, stderr);
  assertMatch(warnings[0]!, /Cannot write ".*stdout\.log": No space left on device\. The workers go on/);
  const [, missing, files] = warnings[1]!.match(
    /([\d,]+) bytes of output are missing in (\d) files below "/,
  )!;
  assertEquals(files, "4");
  const [run] = [...Deno.readDirSync(disk)];
  let keptBytes = 0;
  for (let rank = 0; rank < 4; rank++) {
    const text = Deno.readTextFileSync(`${disk}/${run!.name}/attempt_0/${rank}/stdout.log`);
    const kept = text.replaceAll(/\n… [\d,]+ bytes are missing here: No space left on device\n/g, "");
    assert(!kept.includes(`rank ${(rank + 1) % 4}`), "A file has another's lines");
    keptBytes += kept.length;
  }
  assert(keptBytes > 100_000);
  assertEquals(keptBytes + Number(missing!.replaceAll(",", "")), writtenBytes);
});

onSmallDisk("disk full: a later attempt goes on with the console", "64k,nr_inodes=50", async (disk) => {
  const worker = `if [ $TORCHELASTIC_RESTART_COUNT = 0 ]; then
      i=0; while mkdir ${disk}/d$i 2>/dev/null; do i=$((i+1)); done; exit 3
    fi; echo "attempt $TORCHELASTIC_RESTART_COUNT"`;
  const options = ["--standalone", "--max-restarts=1", "-t", "3", `--log-dir=${disk}`];
  const { code, stdout, stderr } = await runLauncher("muster", [
    ...options,
    "--no-python",
    "sh",
    "-c",
    worker,
  ]);
  assertEquals([code, stdout], [0, "[default0]:attempt 1\n"], stderr);
  assertMatch(
    stderr,
    /warning: Cannot make the log (directory|file) ".*attempt_1.*": No space left on device/,
  );
});
