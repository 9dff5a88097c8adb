/** What a failed job leaves for people and programs: the report, its copies, and the watchdogs' doings. */

import { assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { canLimitMemory, newLimitedCgroup } from "../host/limited_cgroup.ts";
import { processInfo } from "../../lib/host/process_table.ts";
import { canFreeze, newFreezer } from "../host/freezer.ts";
import { LAUNCHERS, runLauncher, runProgram, waitForFile, waitUntil } from "../interop/harness.ts";

const SHELL = ["--no-python", "sh", "-c"];

Deno.test("report: the first failure is the root cause, without help from the script", async () => {
  const script = '[ "$RANK" = 1 ] && { echo "data/train.bin: no such file" >&2; exit 3; }; sleep 60';
  const run = await runLauncher("muster", ["--standalone", "--nproc-per-node=3", ...SHELL, script]);
  assertEquals(run.code, 1, run.stderr);
  assertStringIncludes(run.stderr, "\nsh FAILED\n");
  assertMatch(
    run.stderr,
    /Root Cause \(first observed failure\):\n\[0\]:\n {2}time {6}: \d{4}-\d\d-\d\d_\d\d:\d\d:\d\d\n/,
  );
  assertMatch(run.stderr, /\n {2}rank {6}: 1 \(local_rank: 1\)\n {2}exitcode {2}: 3 \(pid: \d+\)\n/);
  assertStringIncludes(run.stderr, "\n  | data/train.bin: no such file\n");
  assertStringIncludes(run.stderr, "\n  ranks 0, 2 were stopped by muster (SIGTERM)\n");
});

Deno.test("report: workers that ended by themselves while another's end was being heard were not stopped", () =>
  withDirectory(async (directory) => {
    const script =
      `echo $$$$ >"${directory}/new.$RANK"; mv "${directory}/new.$RANK" "${directory}/pid.$RANK"; while [ ! -e "${directory}/go" ]; do sleep 0.02; done; exit 2`;
    const workers = 4;
    const run = await runLauncher(
      "muster",
      ["--standalone", `--nproc-per-node=${workers}`, ...SHELL, script],
      {
        whileRunning: async (launcher) => {
          const pids: number[] = [];
          for (let rank = 0; rank < workers; rank++) {
            await waitForFile(`${directory}/pid.${rank}`);
            pids.push(Number(await Deno.readTextFile(`${directory}/pid.${rank}`)));
          }
          // The launcher hears of all ends only when the last of them is past.
          Deno.kill(launcher, "SIGSTOP");
          try {
            await Deno.writeTextFile(`${directory}/go`, "");
            for (const pid of pids) {
              await waitUntil(() => processInfo(pid)?.state === "Z", `${pid} has ended`);
            }
          } finally {
            Deno.kill(launcher, "SIGCONT");
          }
        },
      },
    );
    assertEquals(run.code, 1, run.stderr);
    assertNotMatch(run.stderr, /stopped by muster/);
    assertEquals(run.stderr.match(/^ {2}exitcode {2}: 2 /gm)?.length, workers, run.stderr);
  }));

Deno.test("report: every attempt's cause is told, and nothing is reported when a restart helps", async () => {
  const script =
    'echo "attempt $TORCHELASTIC_RESTART_COUNT broke" >&2; exit $((4 + TORCHELASTIC_RESTART_COUNT))';
  const options = ["--standalone", "--max-restarts=1", ...SHELL];
  const failed = await runLauncher("muster", [...options, script]);
  assertMatch(
    failed.stderr,
    /Earlier attempts:\n {2}attempt 0: rank 0, \S+: ended itself with exit code 4\n/,
  );
  assertStringIncludes(failed.stderr, "\n  | attempt 1 broke\n");
  const helped = await runLauncher("muster", [...options, "exit $((1 - TORCHELASTIC_RESTART_COUNT))"]);
  assertEquals(helped.code, 0, helped.stderr);
  assertNotMatch(helped.stderr, /FAILED|Root Cause/);
});

Deno.test("report: --report and the launcher's own error file receive the verdict", () =>
  withDirectory(async (directory) => {
    const record = '{"message": {"message": "ValueError: bad", "extraInfo": {"py_callstack": ' +
      '"Traceback (most recent call last):\\\\n  File \\\\"t.py\\\\", line 1\\\\nValueError: bad\\\\n", "timestamp": "7"}}}';
    const script = `printf '%b' '${record}' >"$TORCHELASTIC_ERROR_FILE"; kill -SEGV $$$$`;
    const own = `${directory}/termination.json`;
    const run = await runLauncher(
      "muster",
      ["--standalone", `--report=${directory}/report.json`, "--exit-code=worker", ...SHELL, script],
      { env: { TORCHELASTIC_ERROR_FILE: own } },
    );
    assertEquals(run.code, 139, run.stderr);
    const { version, rootCause } = JSON.parse(await Deno.readTextFile(`${directory}/report.json`));
    assertEquals([version, rootCause.exitCode, rootCause.signal], [1, -11, "SIGSEGV"]);
    assertEquals(rootCause.tracebackSource, "error file");
    const { message } = JSON.parse(await Deno.readTextFile(own));
    assertEquals([message.message, message.errorCode], ["ValueError: bad", -11]);
  }));

Deno.test("report: a copy that can't be written costs a warning, not the report", async () => {
  const run = await runLauncher("muster", ["--standalone", "--report=/dev/full", ...SHELL, "exit 5"], {
    env: { TORCHELASTIC_ERROR_FILE: "/dev/full" },
  });
  assertEquals(run.code, 1);
  assertStringIncludes(run.stderr, 'Cannot write the report to "/dev/full" (--report)');
  assertStringIncludes(run.stderr, 'Cannot write the report to "/dev/full" (TORCHELASTIC_ERROR_FILE)');
  assertStringIncludes(run.stderr, "exitcode  : 5");
});

const MEMORY_LIMIT_BYTES = 512 << 20;

Deno.test({
  name: "report: a worker that the kernel killed for lack of memory is explained by the cgroup's counter",
  ignore: !canLimitMemory(),
  fn: async () => {
    using cgroup = newLimitedCgroup(MEMORY_LIMIT_BYTES);
    const enter = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup.directory];
    const job = [
      "--standalone",
      "--nproc-per-node=2",
      ...SHELL,
      '[ "$RANK" = 0 ] && exec tail /dev/zero; sleep 60',
    ];
    const run = await runProgram([...enter, ...LAUNCHERS.muster, ...job]);
    assertEquals(run.code, 1, run.stderr);
    assertStringIncludes(
      run.stderr,
      "SIGKILL (9): out of memory, the kernel killed this worker when it used ",
    );
    assertStringIncludes(run.stderr, "limit is 512 MiB");
    assertMatch(run.stderr, /rank {6}: 0 /);
  },
});

Deno.test("report: a missed deadline of the file timer ends the worker, and a restart can use the timer", () =>
  withDirectory(async (directory) => {
    // What torch.distributed.elastic.timer writes; attempt 0 hangs, attempt 1 is in time.
    const script = `now=$(date +%s)
      request() { printf '{"version": 1, "pid": %d, "scope_id": "step", "expiration_time": %s, "signal": 9}\\n' $$$$ "$1"; }
      request $((now + 2)) >"$TORCHELASTIC_TIMER_FILE"
      [ "$TORCHELASTIC_RESTART_COUNT" = 0 ] && sleep 60
      request -1 >"$TORCHELASTIC_TIMER_FILE"
      sleep 3`;
    const path = `${directory}/timer`;
    const options = ["--standalone", "--max-restarts=1", ...SHELL, script];
    const env = { TORCHELASTIC_ENABLE_FILE_TIMER: "1", TORCHELASTIC_TIMER_FILE: path };
    const run = await runLauncher("muster", options, { env });
    assertEquals([run.code, run.survivors], [0, []], run.stderr);
    assertStringIncludes(run.stderr, 'its own timer ran out (scope "step"); sending SIGKILL');
    assertEquals([...Deno.readDirSync(directory)], []);
  }));

Deno.test("report: the file timer's victim is named with the reason, and a path is made up where none is given", async () => {
  const script =
    `printf '{"version": 1, "pid": %d, "scope_id": "step", "expiration_time": 1, "signal": 15}\\n' $$$$ \
    >"$TORCHELASTIC_TIMER_FILE"; sleep 60`;
  const run = await runLauncher("muster", ["--standalone", ...SHELL, script], {
    env: { TORCHELASTIC_ENABLE_FILE_TIMER: "1" },
  });
  assertEquals(run.code, 1, run.stderr);
  assertStringIncludes(run.stderr, '  cause     : its own timer ran out (scope "step")\n');
});

Deno.test("report: the file timer does not touch a process that is not of the job", () =>
  withDirectory(async (directory) => {
    const stranger = new Deno.Command("sleep", { args: ["60"] }).spawn();
    try {
      const script =
        `printf '{"version": 1, "pid": ${stranger.pid}, "scope_id": "s", "expiration_time": 1, "signal": 9}\\n' \
        >"$TORCHELASTIC_TIMER_FILE"; sleep 1`;
      const run = await runLauncher("muster", ["--standalone", ...SHELL, script], {
        env: { TORCHELASTIC_ENABLE_FILE_TIMER: "1", TORCHELASTIC_TIMER_FILE: `${directory}/timer` },
      });
      assertEquals(run.code, 0, run.stderr);
      // Had it been killed, the signal would be the other one.
      stranger.kill("SIGTERM");
      assertEquals((await stranger.status).signal, "SIGTERM");
    } finally {
      try {
        stranger.kill("SIGKILL");
      } catch {
        // Ended above.
      }
    }
  }));

Deno.test({
  name: "report: a worker that hangs in the kernel fails the job within bounds, without a restart",
  ignore: !canFreeze(),
  fn: () =>
    withDirectory(async (directory) => {
      await using freezer = newFreezer();
      const script =
        `echo $$$$ >"${directory}/pid.$RANK.new"; mv "${directory}/pid.$RANK.new" "${directory}/pid.$RANK"; ` +
        "while :; do sleep 0.1; done";
      const options = ["--standalone", "--nproc-per-node=2", "--max-restarts=3", "--shutdown-timeout=1"];
      const run = await runLauncher("muster", [...options, ...SHELL, script], {
        env: { TORCHELASTIC_UNINTERRUPTIBLE_STATE_TIMEOUT: "1" },
        timeoutMs: 40_000,
        whileRunning: async () => {
          await waitForFile(`${directory}/pid.1`);
          freezer.freeze(Number(await Deno.readTextFile(`${directory}/pid.1`)));
        },
      });
      assertEquals(run.code, 1, run.stderr);
      assertMatch(run.stderr, /Worker 1 \(pid \d+\) is stuck in the kernel for \S+ s/);
      assertMatch(run.stderr, /rank {6}: 1 /);
      assertMatch(run.stderr, / {2}cause {5}: stuck in the kernel for/);
      assertStringIncludes(run.stderr, "\n  rank 0 was stopped by muster");
    }),
});

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "muster-report-" });
  try {
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
