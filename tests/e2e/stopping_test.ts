/** How a running job is stopped: whom a signal reaches, in which order, what is said, and what is left. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import {
  LAUNCHERS,
  type Run,
  runLauncher,
  type RunOptions,
  runProgram,
  waitForFile,
} from "../interop/harness.ts";

/** Runs muster with shell workers in an empty directory; `body` acts once every worker has made `ready.<rank>`. */
async function stopped(
  options: readonly string[],
  script: string,
  body: (pid: number, directory: string) => Promise<void>,
  more: RunOptions = {},
): Promise<Run> {
  const directory = await Deno.makeTempDir({ prefix: "muster-stop-" });
  const count = Number(options.find((option) => option.startsWith("--nproc-per-node="))?.split("=")[1] ?? 1);
  try {
    return await runLauncher("muster", ["--standalone", ...options, "--no-python", "sh", "-c", script], {
      cwd: directory,
      ...more,
      whileRunning: async (pid) => {
        for (let rank = 0; rank < count; rank++) await waitForFile(`${directory}/ready.${rank}`);
        await body(pid, directory);
      },
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const IDLE = ": >ready.$RANK; while :; do sleep 0.05; done";

Deno.test("stopping: a first Ctrl-C says what is being waited for and how long, and ends with 130", async () => {
  const run = await stopped(["--nproc-per-node=2"], IDLE, (pid) => Promise.resolve(Deno.kill(pid, "SIGINT")));
  assertEquals(run.code, 130);
  assertStringIncludes(
    run.stderr,
    "SIGINT received: waiting up to 30 s for 2 workers to end (once more to stop at once)",
  );
  assertEquals(run.survivors, []);
});

Deno.test("stopping: a second Ctrl-C ends workers that ignore the first", async () => {
  const run = await stopped(["--nproc-per-node=2"], `trap "" INT TERM; ${IDLE}`, async (pid) => {
    Deno.kill(pid, "SIGINT");
    await delay(600);
    Deno.kill(pid, "SIGINT");
  });
  assertEquals(run.code, 130);
  assertStringIncludes(run.stderr, "SIGINT again: killing what is left");
  assertEquals(run.survivors, []);
});

Deno.test("stopping: data loaders outlive the worker's checkpoint", async () => {
  const loader = "sh -c 'trap \"echo loader stopped; exit\" TERM; : >loader; while :; do sleep 0.02; done' &";
  const worker =
    'trap "sleep 0.4; echo checkpoint saved; exit 0" TERM; while [ ! -e loader ]; do sleep 0.02; done';
  const run = await stopped(
    [],
    `${loader} ${worker}; ${IDLE}`,
    (pid) => Promise.resolve(Deno.kill(pid, "SIGTERM")),
  );
  assertEquals(run.code, 143);
  assertMatch(run.stdout, /checkpoint saved\nloader stopped\n/);
});

Deno.test("stopping: the shutdown timeout holds on the way to a failure too, and a stubborn worker is killed", async () => {
  const run = await stopped(
    ["--nproc-per-node=2", "--shutdown-timeout=1"],
    `trap "" TERM; : >ready.$RANK; [ $RANK = 0 ] || while [ ! -e go ]; do sleep 0.05; done; [ $RANK = 0 ] || exit 4; ${IDLE}`,
    (_, directory) => Deno.writeTextFile(`${directory}/go`, ""),
    // torchrun waits for thirty seconds here, whatever --shutdown-timeout says.
    { timeoutMs: 20_000 },
  );
  assertEquals(run.code, 1);
  assertStringIncludes(run.stderr, "stopping the other one (up to 1 s)");
  assertEquals(run.survivors, []);
});

Deno.test("stopping: a hang-up that was ignored at the start (nohup) stays ignored, also for the workers", async () => {
  const directory = await Deno.makeTempDir({ prefix: "muster-nohup-" });
  const script =
    "grep SigIgn /proc/self/status; : >ready; while [ ! -e go ]; do sleep 0.05; done; echo went on";
  try {
    const launcher = [...LAUNCHERS.muster, "--standalone", "--no-python", "sh", "-c", script];
    const run = await runProgram(["sh", "-c", 'trap "" HUP; exec "$@"', "sh", ...launcher], {
      cwd: directory,
      whileRunning: async (pid) => {
        await waitForFile(`${directory}/ready`);
        Deno.kill(pid, "SIGHUP");
        await delay(300);
        await Deno.writeTextFile(`${directory}/go`, "");
      },
    });
    assertEquals(run.code, 0);
    assertStringIncludes(run.stdout, "went on");
    const ignored = BigInt(`0x${run.stdout.match(/SigIgn:\s*(\w+)/)![1]}`);
    assertEquals(ignored & 1n, 1n, "SIGHUP is ignored in the worker");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("stopping: forwarded signals reach the workers and the job goes on", async () => {
  const script =
    'trap "echo $RANK got USR1; : >got.$RANK" USR1; : >ready.$RANK; while [ ! -e got.$RANK ]; do sleep 0.02; done';
  const run = await stopped(
    ["--nproc-per-node=2", "--forward-signals=USR1"],
    script,
    (pid) => Promise.resolve(Deno.kill(pid, "SIGUSR1")),
  );
  assertEquals(run.code, 0);
  assertEquals(run.stdout.split("\n").filter(Boolean).sort(), ["0 got USR1", "1 got USR1"]);
});

Deno.test("stopping: a closed terminal ends everything within the grace", async () => {
  const directory = await Deno.makeTempDir({ prefix: "muster-hangup-" });
  const job = [
    ...LAUNCHERS.muster,
    "--standalone",
    "--no-python",
    "sh",
    "-c",
    ": >ready; while :; do sleep 0.05; done",
  ];
  try {
    const quoted = job.map((word) => `'${word}'`).join(" ");
    const run = await runProgram(["script", "-qfec", quoted, "/dev/null"], {
      cwd: directory,
      whileRunning: async (pid) => {
        await waitForFile(`${directory}/ready`);
        Deno.kill(pid, "SIGKILL");
      },
    });
    assertEquals(run.signal, "SIGKILL");
    assertEquals(run.survivors, []);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("stopping: an unhandled signal and SIGKILL leave nothing, escaped processes included", async () => {
  const script = `setsid sh -c ': >ready.0; sleep 300' & sleep 301`;
  for (const signal of ["SIGUSR1", "SIGKILL"] as const) {
    const run = await stopped([], script, (pid) => Promise.resolve(Deno.kill(pid, signal)));
    assertEquals(run.survivors, [], signal);
    assert(run.code > 128);
  }
});
