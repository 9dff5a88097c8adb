/**
 * Scripted failures with a planted culprit, rank 1 of four, and collateral of every kind around it. Those with real
 * PyTorch are in interop/verdict_test.ts.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { runLauncher } from "../interop/harness.ts";

interface Planted {
  readonly name: string;
  /** What rank 1 does. */
  readonly culprit: string;
  /** What the others do; without it they work on until they are stopped. */
  readonly others?: string;
  readonly kind: string;
  readonly summary: RegExp;
}

const WORK_ON = "sleep 60";
/** A moment after rank 1 began to fail: what it had printed by then has been read. */
const THEN = "wait_for failing; sleep 0.4; ";
/** Ends as a worker does that lost a peer. */
const LOSE_PEER = THEN + 'cat "$SAMPLES/peer_raises.txt" >&2; exit 1';
const TRACEBACK = 'printf "Traceback (most recent call last):\\n  File \\"t.py\\", line 3, in <module>\\n' +
  'ValueError: planted\\n" >&2';
const RECORD = 'printf %s \'{"message": {"message": "ValueError: recorded", "extraInfo": {"py_callstack": ' +
  '"Traceback (most recent call last):\\n  File t.py, line 3\\nValueError: recorded\\n", "timestamp": "1"}}}\' ' +
  '>"$TORCHELASTIC_ERROR_FILE"';

const PLANTED: readonly Planted[] = [
  {
    name: "a bare exit code",
    culprit: "exit 3",
    kind: "exit-code",
    summary: /^ended itself with exit code 3/,
  },
  {
    name: "an exception, and peers that end before it of a lost connection",
    culprit: `${TRACEBACK}; : >failing; wait_for lost; exit 1`,
    others: THEN + 'cat "$SAMPLES/peer_raises.txt" >&2; [ "$RANK" = 0 ] && { : >lost; exit 1; }; sleep 60',
    kind: "exception",
    summary: /^ValueError: planted$/,
  },
  {
    name: "an exception of a worker that is stopped on its way out, its peers having been faster",
    culprit: `${TRACEBACK}; : >failing; sleep 60`,
    others: LOSE_PEER,
    kind: "exception",
    summary: /^ValueError: planted$/,
  },
  {
    name: "a recorded exception of a worker that is stopped on its way out",
    culprit: `${RECORD}; sleep 0.2; : >failing; sleep 60`,
    others: LOSE_PEER,
    kind: "exception",
    summary: /^ValueError: recorded$/,
  },
  {
    name: "a segmentation fault, and peers that fail of something else a moment later",
    culprit: ": >failing; kill -SEGV $$$$; sleep 60",
    others: 'trap "" TERM; wait_for failing; sleep 1.2; exit 9',
    kind: "signal",
    summary: /^SIGSEGV \(11\)/,
  },
  {
    name: "a kill from outside, and peers that print exceptions when they are stopped",
    culprit: "kill -KILL $$$$; sleep 60",
    others: `trap '${TRACEBACK.replaceAll("'", "'\\''")}; exit 1' TERM; sleep 60 & wait`,
    kind: "signal",
    summary: /^SIGKILL \(9\): somebody killed the worker|^SIGKILL \(9\): killed from outside/,
  },
  {
    name: "an abort, and peers that have to be killed",
    culprit: "kill -ABRT $$$$; sleep 60",
    others: 'trap "" TERM; while :; do sleep 0.1; done',
    kind: "signal",
    summary: /^SIGABRT \(6\)/,
  },
  {
    name: "an illegal instruction, and peers that end with 0 when they are stopped",
    culprit: "kill -ILL $$$$; sleep 60",
    others: 'trap "exit 0" TERM; sleep 60 & wait',
    kind: "signal",
    summary: /^SIGILL \(4\): an instruction that this CPU doesn't have/,
  },
  {
    name: "a SIGTERM that did not come from muster",
    culprit: "kill -TERM $$$$; sleep 60",
    kind: "signal",
    summary: /^SIGTERM \(15\): somebody other than muster/,
  },
  {
    name: "a child that was killed, as a shell passes it on",
    culprit: "sh -c 'kill -KILL $$$$'; exit $?",
    kind: "signal",
    summary: /^exit code 137, which is how a shell reports SIGKILL of its child/,
  },
  {
    name: "a program that is not there",
    culprit: "no-such-program-here; exit $?",
    kind: "exit-code",
    summary: /^exit code 127: a program that the script calls was not found/,
  },
  {
    name: "a missing module",
    culprit: 'cat "$SAMPLES/import_error.txt" >&2; exit 1',
    others: `sleep 0.1; ${WORK_ON}`,
    kind: "module-not-found",
    summary: /^ModuleNotFoundError: No module named/,
  },
  {
    name: "a port that is in use, and peers that can't reach the store",
    culprit: 'cat "$SAMPLES/port_in_use.txt" >&2; : >failing; sleep 0.2; exit 1',
    others: THEN + 'cat "$SAMPLES/store_is_not_there.txt" >&2; exit 1',
    kind: "port-in-use",
    summary: /The server socket has failed to listen/,
  },
  {
    name: "a full /dev/shm",
    culprit: 'cat "$SAMPLES/shared_memory_full.txt" >&2; exit 1',
    kind: "shared-memory-full",
    summary: /^\/dev\/shm is full/,
  },
  {
    name: "a device out of memory, and peers whose collectives time out",
    culprit: 'cat "$SAMPLES/cuda_out_of_memory.txt" >&2; : >failing; sleep 0.2; exit 1',
    others: THEN + 'cat "$SAMPLES/nccl_watchdog.txt" >&2; kill -ABRT $$$$',
    kind: "device-out-of-memory",
    summary: /CUDA out of memory/,
  },
  {
    name: "a lost GPU connection that NCCL reports on the others",
    culprit: 'cat "$SAMPLES/device_launch_failure.txt" >&2; : >failing; sleep 0.2; exit 1',
    others: THEN + 'cat "$SAMPLES/nccl_remote_error.txt" >&2; exit 1',
    kind: "device-failed",
    summary: /CUDA error: unspecified launch failure/,
  },
];

const WAIT_FOR = 'wait_for() { while [ ! -e "$1" ]; do sleep 0.02; done; }; ';

for (const { name, culprit, others = WORK_ON, kind, summary } of PLANTED) {
  Deno.test(`verdict: the culprit is named among collateral: ${name}`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "muster-verdict-" });
    try {
      const script = `${WAIT_FOR} if [ "$RANK" = 1 ]; then ${culprit}; else ${others}; fi`;
      const options = ["--standalone", "--nproc-per-node=4", "--shutdown-timeout=1", "--report=report.json"];
      const run = await runLauncher("muster", [...options, "--no-python", "sh", "-c", script], {
        cwd: directory,
        env: { SAMPLES: new URL("../agent/samples", import.meta.url).pathname },
      });
      assertEquals(run.code, 1, run.stderr);
      const report = JSON.parse(await Deno.readTextFile(`${directory}/report.json`));
      assertEquals([report.rootCause?.rank, report.rootCause?.kind], [1, kind], run.stderr);
      assertMatch(report.rootCause.summary, summary);
      // Whatever the others did: none of it is called a failure of their own.
      assertEquals(report.failures, [], run.stderr);
      assertEquals(report.consequences.length + report.stopped.length, 3, run.stderr);
      assertEquals(report.doubts, [], run.stderr);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("verdict: what a worker prints after the first failure is marked, not left out", async () => {
  const directory = await Deno.makeTempDir({ prefix: "muster-verdict-" });
  try {
    const script =
      `echo before >&2; [ "$RANK" = 1 ] && exit 3; trap 'echo noise >&2; echo more >&2; exit 1' TERM; ` +
      "sleep 60 & wait";
    for (const redirect of [[], ["--redirects=3", `--log-dir=${directory}`]]) {
      const options = [
        "--standalone",
        "--nproc-per-node=2",
        ...redirect,
        `--report=${directory}/report.json`,
      ];
      const run = await runLauncher("muster", [...options, "--no-python", "sh", "-c", script]);
      assertEquals(run.code, 1, run.stderr);
      const { rootCause, stopped } = JSON.parse(await Deno.readTextFile(`${directory}/report.json`));
      assertEquals([rootCause.tail, rootCause.tailAfterFailure], [["before"], 0]);
      assertEquals([stopped[0].tail, stopped[0].tailAfterFailure], [["before", "noise", "more"], 2]);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
