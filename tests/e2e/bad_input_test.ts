/** Command lines, surroundings and workers that are wrong: each with a clear outcome, and nothing leaks. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { allProcesses, processInfo } from "../../lib/host/process_table.ts";
import {
  LAUNCHERS,
  type Run,
  runLauncher,
  type RunOptions,
  runProgram,
  waitForFile,
  waitUntil,
} from "../interop/harness.ts";

const muster = (args: readonly string[], more: RunOptions = {}): Promise<Run> =>
  runLauncher("muster", args, more);
const shellJob = (options: readonly string[], script: string, more: RunOptions = {}): Promise<Run> =>
  muster(["--standalone", ...options, "--no-python", "sh", "-c", script], more);

async function inDirectory<T>(body: (directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "muster-bad-" });
  try {
    return await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("bad input: what can't be started is refused before anything starts, with path and reason", async () => {
  await inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/plain.sh`, "#!/bin/sh\necho never\n", { mode: 0o644 });
    const cases: [readonly string[], RegExp][] = [
      [["missing.py"], /missing\.py/],
      [["."], /"\."|director/],
      [["--no-python", "./plain.sh"], /plain\.sh.*execut|execut.*plain\.sh/],
      [["--no-python", "./nowhere"], /nowhere/],
      [["--nproc-per-node=0", "--no-python", "true"], /nproc.per.node.*0|0.*nproc.per.node/],
      [["--nproc-per-node=10000", "--no-python", "true"], /10000[\s\S]*--force|--force[\s\S]*10000/],
      [["--max-restarts=-1", "--no-python", "true"], /max.restarts/],
      [["--monitor-interval=0", "--no-python", "true"], /monitor.interval/],
    ];
    const runs = await Promise.all(cases.map(([args]) => muster(args, { cwd: directory })));
    for (const [index, { code, stdout, stderr }] of runs.entries()) {
      const [args, message] = cases[index]!;
      assertEquals([code, stdout], [2, ""], `${args.join(" ")}\n${stderr}`);
      assertMatch(stderr, message);
      assert(!/^\s+at .*:\d+:\d+/m.test(stderr), `a stack trace for a user's mistake:\n${stderr}`);
    }
  });
});

Deno.test("bad input: all problems of a command line are reported at once, with the nearest option", async () => {
  const { code, stderr } = await muster(["--max-restart-s=1", "--nnodes=3:1", "--node-rank=x", "x.py"]);
  assertEquals(code, 2);
  for (const part of ["--max-restart-s", "--max-restarts", "3:1", "node-rank"]) {
    assertStringIncludes(stderr, part);
  }
});

Deno.test("bad input: an argument that is not UTF-8 is named and refused; such a variable arrives unchanged", async () => {
  const start = (script: string) => runProgram(["bash", "-c", script, "bash", ...LAUNCHERS.muster]);
  const [argument, variable] = await Promise.all([
    start(`exec "$@" --no-python echo fine $'bad\\xffword'`),
    start(`BAD=$'\\xffx' exec "$@" --no-python sh -c 'printf %s "$BAD" | od -An -tx1'`),
  ]);
  assertEquals([argument.code, argument.stdout], [2, ""]);
  assertStringIncludes(argument.stderr, "not UTF-8");
  assertEquals([variable.code, variable.stdout.trim()], [0, "ff 78"], variable.stderr);
});

Deno.test("bad input: a port in use is said, with the system's exit code and what to do", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const { port } = listener.addr;
    const run = await muster(["--master-port", String(port), "--no-python", "echo", "never"]);
    assertEquals([run.code, run.stdout], [71, ""]);
    assertStringIncludes(run.stderr, `127.0.0.1:${port}: the port is in use`);
  } finally {
    listener.close();
  }
});

Deno.test("bad input: a log directory that can't be made is said before anything starts", async () => {
  const run = await shellJob(["--log-dir=/proc/nowhere"], "echo never");
  assertEquals(run.stdout, "");
  assert(run.code === 71 || run.code === 2);
  assertStringIncludes(run.stderr, "/proc/nowhere");
});

const isRoot = Deno.uid() === 0;
if (!isRoot) {
  console.log(
    'Left out: "bad input: a log directory that is full …" needs root, to mount a small file system',
  );
}

Deno.test({
  name: "bad input: a log directory that is full costs lines in a file, not the job",
  ignore: !isRoot,
  fn: async () => {
    await inDirectory(async (directory) => {
      const script =
        'i=0; while [ $i -lt 4000 ]; do echo "a line of output that fills the disk $i"; i=$((i+1)); done; echo end';
      const job = [
        ...LAUNCHERS.muster,
        "--standalone",
        `--log-dir=${directory}`,
        "--tee=1",
        "--no-python",
        "sh",
        "-c",
        script,
      ];
      const mount = `mount -t tmpfs -o size=64k none '${directory}' && exec "$@"`;
      const run = await runProgram(["unshare", "--mount", "sh", "-c", mount, "sh", ...job]);
      assertEquals(run.code, 0, run.stderr);
      assertEquals(run.stdout.trimEnd().split("\n").length, 4001, "the console has everything");
      assertMatch(run.stderr, /muster: warning: .*(space|missing)/i);
    });
  },
});

Deno.test("bad input: a worker that closes its streams runs on, and its code counts", async () => {
  const run = await shellJob(["--exit-code=worker"], "exec >&- 2>&-; sleep 0.3; exit 6");
  assertEquals(run.code, 6);
});

Deno.test("bad input: workers that flood their output lose nothing of it", async () => {
  const run = await shellJob(["--nproc-per-node=2"], "yes $RANK$RANK$RANK$RANK | head -n 2000000");
  assertEquals(run.code, 0);
  const counts = new Map<string, number>();
  for (const line of run.stdout.trimEnd().split("\n")) counts.set(line, (counts.get(line) ?? 0) + 1);
  assertEquals([...counts].sort(), [["0000", 2_000_000], ["1111", 2_000_000]]);
});

Deno.test("bad input: a guard that is killed is replaced, the job goes on, and SIGKILL still leaves nothing", async () => {
  await inDirectory(async (directory) => {
    const script =
      `: >ready; while [ ! -e "${directory}/go" ]; do sleep 0.05; done; setsid -f sleep 300; : >went; sleep 300`;
    // The launcher's last words are read while it lives: a busy machine is given the time to get to them.
    const said = `${directory}/stderr`;
    const job = [...LAUNCHERS.muster, "--standalone", "--no-python", "sh", "-c", script];
    const run = await runProgram(["sh", "-c", 'exec "$@" 2>"$0"', said, ...job], {
      cwd: directory,
      whileRunning: async (launcher) => {
        await waitForFile(`${directory}/ready`);
        const guard = allProcesses().find((pid) =>
          processInfo(pid)?.parent === launcher &&
          Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("muster-guard")
        );
        assert(guard !== undefined, "the launcher has a guard");
        Deno.kill(guard, "SIGKILL");
        const isSaid = async () =>
          (await Deno.readTextFile(said)).includes("The guard process died and was replaced");
        await waitUntil(isSaid, "the launcher says that the guard was replaced");
        await Deno.writeTextFile(`${directory}/go`, "");
        await waitForFile(`${directory}/went`);
        Deno.kill(launcher, "SIGKILL");
      },
    });
    assertEquals(run.survivors, []);
  });
});
