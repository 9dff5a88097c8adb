/**
 * What torchrun 2.15 gets wrong on one machine, each as a job in which muster does better. The others of the list
 * have tests of their own: dead keys at a restart (interop/restart_test.ts), workers that outlive the launcher and
 * the lost exit code (interop/exit_codes_test.ts), watchdogs (host), messages and stream masks (options), torn
 * lines (interop/logs_test.ts), event lines (interop/events_test.ts), the exit barrier (e2e/fleet_verdict_test.ts).
 */

import { assertEquals, assertMatch } from "@std/assert";
import { runLauncher } from "../interop/harness.ts";

const SHELL = ["--no-python", "sh", "-c"];

Deno.test("--shutdown-timeout holds when workers are stopped because another failed", async () => {
  // torchrun takes 30 s for it whatever the option says, so it would be found hung.
  const stubborn =
    '[ "$RANK" = 1 ] && { while [ ! -e "$READY" ]; do sleep 0.02; done; exit 3; }; trap "" TERM; : >"$READY"; ' +
    "while :; do sleep 0.05; done";
  await withDirectory(async (directory) => {
    const options = ["--standalone", "--nproc-per-node=2", "--shutdown-timeout=1", "--max-restarts=1"];
    const run = await runLauncher("muster", [...options, ...SHELL, stubborn], {
      env: { READY: `${directory}/ready` },
      timeoutMs: 20_000,
    });
    assertEquals([run.code, run.survivors.length], [1, 0], run.stderr);
  });
});

Deno.test("the logs of every attempt are kept when the job fails", async () => {
  await withDirectory(async (directory) => {
    const script = 'echo "attempt $TORCHELASTIC_RESTART_COUNT"; exit 1';
    const options = ["--rdzv-id=kept", "--max-restarts=2", `--log-dir=${directory}`, "--redirects=3"];
    const run = await runLauncher("muster", [...options, ...SHELL, script]);
    assertEquals(run.code, 1, run.stderr);
    const [runDirectory] = [...Deno.readDirSync(directory)];
    const texts = [0, 1, 2].map((attempt) =>
      Deno.readTextFileSync(`${directory}/${runDirectory!.name}/attempt_${attempt}/0/stdout.log`)
    );
    assertEquals(texts, ["attempt 0\n", "attempt 1\n", "attempt 2\n"]);
  });
});

Deno.test("a broken error file neither ends the launcher nor costs the restart", async () => {
  for (const content of ["{", "", "[]", '{"message": 7}', "\\377\\376\\000"]) {
    const script =
      `[ "$TORCHELASTIC_RESTART_COUNT" = 1 ] || { printf '${content}' >"$TORCHELASTIC_ERROR_FILE"; exit 1; }`;
    const run = await runLauncher("muster", ["--standalone", "--max-restarts=1", ...SHELL, script]);
    assertEquals(run.code, 0, `${content}: ${run.stderr}`);
  }
});

Deno.test("a signal during the start ends the job as one later does", async () => {
  // Some of these moments lie before the first listener, where the signal itself ends the launcher: also 143.
  for (const delayMs of [20, 35, 50, 65, 80, 120]) {
    const run = await runLauncher("muster", ["--standalone", "--nproc-per-node=4", ...SHELL, "sleep 60"], {
      whileRunning: async (pid) => {
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        Deno.kill(pid, "SIGTERM");
      },
    });
    assertEquals([run.code, run.survivors.length], [143, 0], `SIGTERM after ${delayMs} ms: ${run.stderr}`);
  }
});

Deno.test("a job id with a slash, and one on a single machine, is kept", async () => {
  const run = await runLauncher("muster", ["--rdzv-id=team/run 7", ...SHELL, 'echo "$TORCHELASTIC_RUN_ID"']);
  assertEquals([run.code, run.stdout], [0, "team/run 7\n"], run.stderr);
});

Deno.test("nothing is left in the temporary directory after success, the logs after a failure", async () => {
  await withDirectory(async (directory) => {
    const env = { TMPDIR: directory };
    const good = await runLauncher("muster", ["--standalone", "--tee=3", ...SHELL, "echo hello"], { env });
    assertEquals([good.code, [...Deno.readDirSync(directory)]], [0, []], good.stderr);
    const bad = await runLauncher("muster", ["--standalone", "--tee=3", ...SHELL, "echo hello; exit 1"], {
      env,
    });
    const [kept] = [...Deno.readDirSync(directory)].map(({ name }) => name);
    assertEquals(bad.code, 1);
    assertMatch(bad.stderr, new RegExp(`${directory}/${kept}`));
  });
});

Deno.test("the children of a worker that failed by itself are gone before the restart", async () => {
  await withDirectory(async (directory) => {
    const script = `
      if [ "$TORCHELASTIC_RESTART_COUNT" = 0 ]; then
        sleep 600 & echo $! >"$DIRECTORY/grouped"
        setsid sh -c 'echo $$$$ >"$DIRECTORY/escaped"; exec sleep 600' &
        while [ ! -s "$DIRECTORY/escaped" ]; do sleep 0.02; done
        exit 1
      fi
      for name in grouped escaped; do kill -0 "$(cat "$DIRECTORY/$name")" 2>/dev/null && echo "$name lives"; done
      exit 0`;
    const run = await runLauncher("muster", ["--standalone", "--max-restarts=1", ...SHELL, script], {
      env: { DIRECTORY: directory },
    });
    assertEquals([run.code, run.stdout], [0, ""], run.stderr);
  });
});

async function withDirectory(body: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "muster-weakness-" });
  try {
    await body(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}
