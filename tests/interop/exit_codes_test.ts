/**
 * How a launcher ends, for every ending that a job can have: torchrun's code and muster's, both really run.
 * Where they differ on purpose the case says why; README's table of exit codes and of differences follows this.
 */

import { assertEquals } from "@std/assert";
import { exitCodeOfSignal, type SignalName } from "../../lib/core/errors.ts";
import { allEnded, interopTest, type LauncherName, type Run, runLauncher, waitForFile } from "./harness.ts";

interface Ending {
  readonly name: string;
  readonly args: readonly string[];
  readonly torchrun: number;
  readonly muster: number;
  /** Why muster's code is another one. */
  readonly because?: string;
  /** Sent to the launcher once the worker has made the file $READY. */
  readonly signal?: SignalName;
  readonly env?: Readonly<Record<string, string>>;
}

// `$$$$` is `$$` for the shell: in the script's arguments both launchers turn `$$` into `$`.
const SHELL = ["--standalone", "--no-python", "sh", "-c"];
const WAITS = [...SHELL, ": >$READY; sleep 60"];
const USAGE = "one code for everything that is wrong with the command line";
const BY_SIGNAL = "whoever sends a signal sees that it worked: 128 + its number";

const ENDINGS: readonly Ending[] = [
  { name: "success", args: [...SHELL, "exit 0"], torchrun: 0, muster: 0 },
  { name: "a worker exits with 1", args: [...SHELL, "exit 1"], torchrun: 1, muster: 1 },
  { name: "a worker exits with 3", args: [...SHELL, "exit 3"], torchrun: 1, muster: 1 },
  { name: "a worker exits with 255", args: [...SHELL, "exit 255"], torchrun: 1, muster: 1 },
  { name: "a worker is killed", args: [...SHELL, "kill -KILL $$$$"], torchrun: 1, muster: 1 },
  { name: "a worker crashes", args: [...SHELL, "kill -SEGV $$$$"], torchrun: 1, muster: 1 },
  { name: "a worker aborts", args: [...SHELL, "kill -ABRT $$$$"], torchrun: 1, muster: 1 },
  { name: "a worker ends itself by SIGTERM", args: [...SHELL, "kill -TERM $$$$"], torchrun: 1, muster: 1 },
  {
    name: "one worker of two fails, the other waits",
    args: ["--nproc-per-node=2", ...SHELL, '[ "$RANK" = 1 ] && exit 5; sleep 60'],
    torchrun: 1,
    muster: 1,
  },
  {
    name: "the second attempt succeeds",
    args: ["--max-restarts=1", ...SHELL, "exit $((1 - TORCHELASTIC_RESTART_COUNT))"],
    torchrun: 0,
    muster: 0,
  },
  { name: "the restarts are spent", args: ["--max-restarts=1", ...SHELL, "exit 9"], torchrun: 1, muster: 1 },
  {
    name: "no such executable",
    args: ["--standalone", "--no-python", "/nonexistent/program"],
    torchrun: 1,
    muster: 2,
    because: USAGE,
  },
  { name: "no such script", args: ["--standalone", "missing.py"], torchrun: 1, muster: 2, because: USAGE },
  { name: "a directory as script", args: ["--standalone", "/tmp"], torchrun: 1, muster: 2, because: USAGE },
  { name: "no script", args: [], torchrun: 2, muster: 2 },
  { name: "an unknown option", args: ["--bogus", "x.py"], torchrun: 2, muster: 2 },
  { name: "not a number", args: ["--max-restarts=one", "x.py"], torchrun: 2, muster: 2 },
  { name: "not a choice", args: ["--start-method=bogus", "x.py"], torchrun: 2, muster: 2 },
  { name: "bad workers", args: ["--nproc-per-node=zero", "x.py"], torchrun: 1, muster: 2, because: USAGE },
  { name: "no workers", args: ["--nproc-per-node=0", "x.py"], torchrun: 1, muster: 2, because: USAGE },
  { name: "bad nodes", args: ["--nnodes=2:1", "x.py"], torchrun: 1, muster: 2, because: USAGE },
  {
    name: "a bad flag in the environment",
    args: ["x.py"],
    env: { PET_STANDALONE: "yes" },
    torchrun: 1,
    muster: 2,
    because: USAGE,
  },
  { name: "help", args: ["--help"], torchrun: 0, muster: 0 },
  { name: "SIGTERM", args: WAITS, signal: "SIGTERM", torchrun: 1, muster: 143, because: BY_SIGNAL },
  { name: "SIGINT", args: WAITS, signal: "SIGINT", torchrun: 1, muster: 130, because: BY_SIGNAL },
  { name: "SIGHUP", args: WAITS, signal: "SIGHUP", torchrun: 1, muster: 129, because: BY_SIGNAL },
  { name: "SIGQUIT", args: WAITS, signal: "SIGQUIT", torchrun: 1, muster: 131, because: BY_SIGNAL },
  {
    name: "SIGTERM, and the worker ends well in time",
    args: [...SHELL, 'trap "exit 0" TERM; : >$READY; while :; do sleep 0.05; done'],
    signal: "SIGTERM",
    torchrun: 1,
    muster: 143,
    because: BY_SIGNAL,
  },
  {
    name: "SIGTERM, and the worker ignores it",
    args: ["--shutdown-timeout=1", ...SHELL, 'trap "" TERM; : >$READY; while :; do sleep 0.05; done'],
    signal: "SIGTERM",
    torchrun: 1,
    muster: 143,
    because: BY_SIGNAL,
  },
  {
    name: "a signal that is not handled",
    args: WAITS,
    signal: "SIGUSR1",
    torchrun: exitCodeOfSignal("SIGUSR1"),
    muster: exitCodeOfSignal("SIGUSR1"),
  },
  { name: "SIGKILL", args: WAITS, signal: "SIGKILL", torchrun: 137, muster: 137 },
];

for (const ending of ENDINGS) {
  interopTest(`exit code: ${ending.name}`, async () => {
    const [torchrun, muster] = await allEnded([end("torchrun", ending), end("muster", ending)]);
    assertEquals(
      { torchrun: torchrun.code, muster: muster.code },
      { torchrun: ending.torchrun, muster: ending.muster },
      `${ending.because ?? "equal codes"}\n${muster.stderr}`,
    );
    assertEquals(muster.survivors, [], "workers outlived muster");
  });
}

interopTest("exit code: the worker's own with --exit-code worker", async () => {
  const codes = ["exit 3", "exit 255", "kill -KILL $$$$", "kill -SEGV $$$$"].map(async (script) =>
    (await runLauncher("muster", ["--exit-code=worker", ...SHELL, script])).code
  );
  assertEquals(await allEnded(codes), [3, 255, 137, 139]);
});

interopTest("torchrun leaves its workers running where muster leaves none", async () => {
  for (const signal of ["SIGUSR1", "SIGKILL"] as const) {
    const ending: Ending = { name: signal, args: WAITS, signal, torchrun: 0, muster: 0 };
    const [torchrun, muster] = await allEnded([end("torchrun", ending), end("muster", ending)]);
    assertEquals([torchrun.survivors.length > 0, muster.survivors.length], [true, 0], signal);
  }
});

async function end(launcher: LauncherName, ending: Ending): Promise<Run> {
  const directory = await Deno.makeTempDir({ prefix: "muster-ending-" });
  const ready = `${directory}/ready`;
  const { signal } = ending;
  try {
    return await runLauncher(launcher, ending.args, {
      cwd: directory,
      env: { ...ending.env, READY: ready },
      ...(signal === undefined ? {} : {
        whileRunning: async (pid) => {
          await waitForFile(ready);
          Deno.kill(pid, signal as Deno.Signal);
        },
      }),
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
