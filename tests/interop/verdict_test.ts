/**
 * Real PyTorch jobs with a planted culprit, rank 1, among peers that all fail or are stopped because of it: the verdict
 * names the culprit and says what happened. The same with shells is in e2e/verdict_test.ts.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fleet } from "../e2e/fleet.ts";
import { canLimitMemory, newLimitedCgroup } from "../host/limited_cgroup.ts";
import { interopTest, LAUNCHERS, PYTHON, ROOT, runProgram } from "./harness.ts";

const WORKER = `${ROOT}tests/interop/report_worker.py`;

interface Verdict {
  // deno-lint-ignore no-explicit-any -- as parsed
  readonly report: any;
  readonly stderr: string;
}

async function verdictOn(mode: string, enter: readonly string[] = []): Promise<Verdict> {
  const directory = await Deno.makeTempDir({ prefix: "muster-verdict-" });
  try {
    const path = `${directory}/report.json`;
    const options = ["--standalone", "--nproc-per-node=3", `--report=${path}`, `--python=${PYTHON}`];
    const job = [...enter, ...LAUNCHERS.muster, ...options, WORKER, mode];
    const run = await runProgram(job, { timeoutMs: 120_000 });
    assertEquals(run.code, 1, run.stderr);
    return { report: JSON.parse(await Deno.readTextFile(path)), stderr: run.stderr };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

interface Planted {
  readonly mode: string;
  readonly kind: string;
  readonly summary: RegExp;
}

const PLANTED: readonly Planted[] = [
  { mode: "peer_exits", kind: "exit-code", summary: /^ended itself with exit code 7/ },
  { mode: "peer_raises", kind: "exception", summary: /^ValueError: rank 1 found a NaN$/ },
  { mode: "peer_raises_recorded", kind: "exception", summary: /^ValueError: recorded beside peers$/ },
  { mode: "peer_raises_and_is_slow", kind: "exception", summary: /^ValueError: rank 1 found a NaN$/ },
  { mode: "peer_lacks_a_module", kind: "module-not-found", summary: /^ModuleNotFoundError: No module named/ },
  { mode: "peer_segfaults", kind: "signal", summary: /^SIGSEGV \(11\)/ },
  { mode: "peer_meets_illegal_instruction", kind: "signal", summary: /^SIGILL \(4\)/ },
  { mode: "peer_aborts", kind: "signal", summary: /^SIGABRT \(6\)/ },
  { mode: "peer_is_killed", kind: "signal", summary: /^SIGKILL \(9\)/ },
  { mode: "peer_is_terminated", kind: "signal", summary: /^SIGTERM \(15\): somebody other than muster/ },
  { mode: "peer_loses_its_loader", kind: "loader-process-killed", summary: /DataLoader worker/ },
  {
    mode: "peer_hangs",
    kind: "missing-from-collective",
    summary: /^did not join a collective operation: ranks 0, 2 waited for it and all timed out/,
  },
];

for (const { mode, kind, summary } of PLANTED) {
  interopTest(`verdict: the culprit is named among its PyTorch peers: ${mode}`, async () => {
    const { report, stderr } = await verdictOn(mode);
    assertEquals([report.rootCause?.rank, report.rootCause?.kind, report.doubts], [1, kind, []], stderr);
    assertMatch(report.rootCause.summary, summary);
    // Nobody else is called a failure of his own.
    assertEquals(report.failures, [], stderr);
    assertEquals(report.consequences.length + report.stopped.length, 2, stderr);
  });
}

interopTest("verdict: a peer that ended too early is told of, since nobody failed by himself", async () => {
  const { report, stderr } = await verdictOn("peer_exits_early");
  assertEquals(report.rootCause.kind, "lost-peer", stderr);
  assertEquals(report.doubts, ["Rank 1 had ended with code 0 while others were still working"], stderr);
});

for (
  const [mode, cause] of [
    ["peer_raises", "ValueError: rank 1 found a NaN"],
    ["peer_segfaults", "SIGSEGV (11)"],
    ["peer_hangs", "did not join a collective operation: rank 0 waited for it and timed out"],
  ] as const
) {
  interopTest(
    `verdict: the culprit is named on two nodes that train together: ${mode}`,
    () =>
      fleet(async ({ start }) => {
        const nodes = [0, 1].map(() => start(["--nnodes=2"], `exec ${PYTHON} -u ${WORKER} ${mode}`));
        assertEquals(await Promise.all(nodes.map(({ ended }) => ended)), [1, 1], nodes[0]!.output());
        const [a, b] = nodes.map((node) =>
          /^=+\nsh FAILED\n[\s\S]*?^=+\n/m.exec(node.output())?.[0] ?? node.output()
        );
        assertEquals(a, b);
        assertStringIncludes(a!, "  rank      : 1 (local_rank: 0)\n");
        assertStringIncludes(a!, `  cause     : ${cause}`);
      }),
  );
}

const MEMORY_LIMIT_BYTES = 1536 << 20;

if (canLimitMemory()) {
  interopTest(
    "verdict: the worker that the kernel killed for lack of memory is named among its peers",
    async () => {
      using cgroup = newLimitedCgroup(MEMORY_LIMIT_BYTES);
      const enter = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup.directory];
      const { report, stderr } = await verdictOn("peer_eats_memory", enter);
      assertEquals([report.rootCause?.rank, report.rootCause?.kind], [1, "out-of-memory"], stderr);
      assertMatch(report.rootCause.summary, /the memory limit is 1\.5 GiB$/);
      assertEquals(report.failures, [], stderr);
    },
  );
}

if (Deno.uid() === 0) {
  interopTest(
    "verdict: the worker whose data loader found /dev/shm full is named among its peers",
    async () => {
      const mount = 'mount -t tmpfs -o size=1m none /dev/shm && exec "$@"';
      const enter = ["unshare", "--mount", "sh", "-c", mount, "sh"];
      const { report, stderr } = await verdictOn("peer_fills_shared_memory", enter);
      assertEquals([report.rootCause?.rank, report.rootCause?.kind], [1, "shared-memory-full"], stderr);
      assertEquals([report.failures, report.doubts], [[], []], stderr);
    },
  );
} else console.log("Left out: a full /dev/shm, which needs root");
