/** What workers leave behind: found wherever it went, ended before it can do harm, and nothing else is touched. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { LAUNCHERS, type Run, runLauncher, type RunOptions, runProgram } from "../interop/harness.ts";

const shellJob = (options: readonly string[], script: string, more: RunOptions = {}): Promise<Run> =>
  runLauncher("muster", ["--standalone", ...options, "--no-python", "sh", "-c", script], more);

/** Runs `body` with a directory of its own. */
async function inDirectory<T>(body: (directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "muster-leftovers-" });
  try {
    return await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const DAEMON = "setsid -f sleep 300";

Deno.test("leftovers: after success they are named, then ended", async () => {
  const run = await shellJob([], DAEMON);
  assertEquals(run.code, 0);
  assertMatch(run.stderr, /The workers ended but left 1 process: \d+ (setsid -f )?sleep 300; ending/);
  assertEquals(run.survivors, []);
});

Deno.test("leftovers: --keep-daemons leaves them and says so", async () => {
  const run = await shellJob(["--keep-daemons"], DAEMON);
  assertEquals(run.code, 0);
  assertStringIncludes(run.stderr, "left running, as asked");
  assertEquals(run.survivors.length, 1);
});

Deno.test("leftovers: before a restart every process of the old attempt is gone, escaped ones included", async () => {
  await inDirectory(async (directory) => {
    // Both stubborn: one in the worker's own group, one in a session of its own.
    const daemons =
      `(trap "" TERM; exec sleep 300) & echo $! >>pids; setsid -f sh -c 'trap "" TERM; echo $$ >>pids; exec sleep 301'`;
    const first = `${daemons}; while [ "$(wc -l <pids)" != 2 ]; do sleep 0.02; done; exit 9`;
    const second =
      'for pid in $(cat pids); do kill -0 $pid 2>/dev/null && { echo "$pid lives"; exit 1; }; done; echo clean';
    // `$$$$` is `$$` after the launcher's own replacement in the script's arguments.
    const script = `if [ $TORCHELASTIC_RESTART_COUNT = 0 ]; then ${first}; fi; ${second}`.replaceAll(
      "$$",
      "$$$$$$$$",
    );
    const run = await shellJob(["--max-restarts=1"], script, { cwd: directory });
    assertEquals([run.code, run.stdout], [0, "clean\n"], run.stderr);
    assertEquals(run.survivors, []);
  });
});

Deno.test("leftovers: an inner launcher ends its own and never the outer's", async () => {
  await inDirectory(async (directory) => {
    const inner = [...LAUNCHERS.muster, "--standalone", "--no-python", "sh", "-c", DAEMON].map((word) =>
      `'${word}'`
    ).join(" ");
    const script = `if [ $RANK = 0 ]; then ${inner}; echo inner $? >done; exit; fi
      setsid sh -c 'sleep 0.1; while [ ! -e done ]; do sleep 0.05; done; echo escaped process lives' & wait; echo rank 1 lives`;
    const run = await shellJob(["--nproc-per-node=2"], script, { cwd: directory });
    assertEquals(run.code, 0, run.stderr);
    assertEquals(await Deno.readTextFile(`${directory}/done`), "inner 0\n");
    assertEquals(run.stdout, "escaped process lives\nrank 1 lives\n");
    assertEquals(run.survivors, []);
  });
});

Deno.test("leftovers: a child that the launcher inherited is a stranger and stays", async () => {
  const job = [...LAUNCHERS.muster, "--standalone", "--no-python", "sh", "-c", DAEMON];
  const run = await runProgram(["sh", "-c", 'sleep 299 >/dev/null 2>&1 & exec "$@"', "sh", ...job]);
  assertEquals(run.code, 0, run.stderr);
  assertEquals(run.survivors.map(({ commandLine }) => commandLine), ["sleep 299"]);
});

const isRoot = Deno.uid() === 0;
if (!isRoot) console.log('Left out: "leftovers: as PID 1 …" needs root, to make a pid namespace');

Deno.test({
  name: "leftovers: as PID 1 of a container it reaps orphans, by pid, and obeys SIGTERM",
  ignore: !isRoot,
  fn: async () => {
    await inDirectory(async (directory) => {
      // Twenty orphans that end at once; then the worker counts zombies.
      const script = `for i in 1 2 3 4 5 6 7 8 9 10; do (true &) ; done; sleep 0.5
        grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l; echo launcher is $PPID`;
      const job = [...LAUNCHERS.muster, "--standalone", "--no-python", "sh", "-c", script];
      const run = await runProgram(["unshare", "--pid", "--fork", "--mount-proc", ...job], {
        cwd: directory,
      });
      assertEquals([run.code, run.stdout], [0, "0\nlauncher is 1\n"], run.stderr);
      assert(!run.stderr.includes("No child processes"), "a child of Deno's was reaped");
    });
  },
});
