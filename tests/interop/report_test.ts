/** The same failures under torchrun and under muster: what both report, and where muster knows better. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { allEnded, interopTest, type LauncherName, PYTHON, ROOT, type Run, runLauncher } from "./harness.ts";

const WORKER = `${ROOT}tests/interop/report_worker.py`;

interface Reported {
  readonly launcher: LauncherName;
  readonly run: Run;
  /** The root cause's fields, in their order. */
  readonly fields: Readonly<Record<string, string>>;
  /** The launcher's own error file, as parsed; undefined: not written. */
  // deno-lint-ignore no-explicit-any -- whatever the launcher wrote
  readonly ownFile: any;
}

async function fail(launcher: LauncherName, mode: string, workers: number): Promise<Reported> {
  const directory = await Deno.makeTempDir({ prefix: "muster-report-" });
  try {
    const ownPath = `${directory}/own.json`;
    const python = launcher === "muster" ? ["--python", PYTHON] : [];
    const options = ["--standalone", `--nproc-per-node=${workers}`, `--log-dir=${directory}/logs`, ...python];
    const run = await runLauncher(launcher, [...options, WORKER, mode], {
      env: { TORCHELASTIC_ERROR_FILE: ownPath },
    });
    return { launcher, run, fields: rootFields(run.stderr), ownFile: await readJson(ownPath) };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const both = (mode: string, workers = 1) =>
  allEnded([fail("torchrun", mode, workers), fail("muster", mode, workers)]);

/** `label: text` of the lines below "Root Cause". */
function rootFields(stderr: string): Record<string, string> {
  const [, root = ""] = stderr.split("Root Cause (first observed failure):\n");
  const [section] = root.split(/^[-=]{10,}$/m);
  return Object.fromEntries(
    [...section!.matchAll(/^ {2}([a-z][a-z_ ]*?) *: (.*)$/gm)].map(([, label, text]) => [label!, text!]),
  );
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch {
    return undefined;
  }
}

/** Pids and times differ from run to run. */
const withoutPid = (text: string | undefined) =>
  text?.replace(/pid: \d+/, "pid: N").trimEnd().replace(/ +/g, " ");

const TORCHRUN_FIELDS = ["time", "host", "rank", "exitcode", "error_file", "traceback"];

const MODES = [
  "exit_3",
  "segfault",
  "bus_error",
  "illegal_instruction",
  "killed",
  "abort",
  "recorded_exception",
];

for (const mode of MODES) {
  interopTest(`verdictText() has all of torchrun's fields with torchrun's values: ${mode}`, async () => {
    const [theirs, ours] = await both(mode);
    for (const { run, launcher } of [theirs, ours]) {
      assertEquals(run.code, 1, `${launcher}: ${run.stderr}`);
      assertStringIncludes(run.stderr, `\n${WORKER} FAILED\n`);
    }
    assertEquals(Object.keys(theirs.fields), TORCHRUN_FIELDS);
    assertEquals(
      Object.keys(ours.fields).filter((label) => TORCHRUN_FIELDS.includes(label)),
      TORCHRUN_FIELDS,
    );
    assertMatch(ours.fields.time!, /^\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d$/);
    assertEquals(ours.fields.rank, theirs.fields.rank);
    assertEquals(withoutPid(ours.fields.exitcode), withoutPid(theirs.fields.exitcode));
    assertEquals(ours.fields.error_file === "<N/A>", theirs.fields.error_file === "<N/A>");
  });
}

interopTest("ownErrorFile() hands on the same as torchrun", async () => {
  const [theirs, ours] = await both("recorded_exception");
  for (const { ownFile } of [theirs, ours]) delete ownFile.message.extraInfo.timestamp;
  assertEquals(ours.ownFile, theirs.ownFile);
  assertEquals(ours.ownFile.message.errorCode, 1);
});

interopTest("ownErrorFile() tells the cause where torchrun writes nothing", async () => {
  const [theirs, ours] = await both("import_error");
  assertEquals(theirs.ownFile, undefined);
  assertMatch(ours.ownFile.message.message, /^ModuleNotFoundError: /);
  assertMatch(ours.ownFile.message.extraInfo.py_callstack, /^Traceback \(most recent call last\):\n/);
});

interopTest("judge() shows the traceback without @record, where torchrun has none", async () => {
  const [theirs, ours] = await both("chained_exception");
  assertStringIncludes(theirs.run.stderr, "traceback : To enable traceback see");
  assertEquals(ours.fields.cause, "RuntimeError: The checkpoint can't be read");
});

interopTest("judge() names the worker that failed, where torchrun names its victim", async () => {
  const [theirs, ours] = await both("peer_raises_and_lingers", 2);
  assertEquals(theirs.fields.rank, "0 (local_rank: 0)");
  assertStringIncludes(theirs.run.stderr, "Connection closed by peer");
  assertEquals([ours.fields.rank, ours.fields.cause], [
    "1 (local_rank: 1)",
    "ValueError: rank 1 found a NaN",
  ]);
  assertStringIncludes(ours.run.stderr, "rank 0 failed as a consequence: the connection to a peer broke");
});

interopTest("judge() counts nobody that was stopped among the failures", async () => {
  const { run, fields } = await fail("muster", "peer_exits", 3);
  assertEquals(fields.exitcode?.startsWith("7 "), true, run.stderr);
  assertStringIncludes(run.stderr, "Failures:\n  <NO_OTHER_FAILURES>\n");
});

interopTest(
  "startFileTimer() serves PyTorch's own timer, and the job restarts, where torchrun kills itself",
  async () => {
    const options = ["--standalone", "--max-restarts=1"];
    const env = { TORCHELASTIC_ENABLE_FILE_TIMER: "1" };
    const [theirs, ours] = await allEnded([
      runLauncher("torchrun", [...options, WORKER, "misses_its_deadline_once"], { env }),
      runLauncher("muster", [...options, "--python", PYTHON, WORKER, "misses_its_deadline_once"], { env }),
    ]);
    assertEquals([theirs.code, theirs.signal], [137, "SIGKILL"]);
    assertEquals([ours.code, ours.survivors], [0, []], ours.stderr);
    assertMatch(ours.stderr, /Worker 0 \(pid \d+\): its own timer ran out \(scope "\S+"\); sending SIGKILL/);
  },
);
