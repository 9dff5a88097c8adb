import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromUtf8 } from "../../lib/core/bytes.ts";
import { SystemError } from "../../lib/core/errors.ts";
import { spawnWorker, type WorkerChild } from "../../lib/host/child.ts";
import { type Console, ConsoleWriter } from "../../lib/host/console.ts";
import { LogDirectory } from "../../lib/host/log_directory.ts";
import { type AttemptOutput, OutputHub, type OutputSettings } from "../../lib/host/output.ts";
import { LineMix } from "../../lib/logs/line_mix.ts";

const SETTINGS: OutputSettings = {
  redirects: 0,
  tee: 0,
  localRanksFilter: null,
  ranksShown: null,
  console: "relay",
  jobId: "job",
  workerCount: 1,
  role: "default",
  hostName: "node1",
  linePrefixTemplate: null,
  duplicateStdoutFilters: [],
  duplicateStderrFilters: [],
  fileBytesMax: null,
};

interface Setup extends Partial<OutputSettings> {
  /** stdout and stderr are one pipe. */
  readonly oneConsole?: boolean;
  /** Each worker's shell script; `$0` is its local rank. */
  readonly scripts: readonly string[];
  readonly drainMs?: number;
}

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly warnings: readonly string[];
  readonly attempt: AttemptOutput;
  /** Content of a file below the attempt's directory. */
  readonly file: (name: string) => string;
}

/** Runs shell scripts as the workers of one attempt and shows where their output went. */
async function run(setup: Setup, check: (outcome: Outcome) => void | Promise<void>): Promise<void> {
  const base = await Deno.makeTempDir();
  const children: WorkerChild[] = [];
  try {
    const written = { stdout: "", stderr: "" };
    const open = (name: "stdout" | "stderr"): Console => {
      const writer = new ConsoleWriter({
        write(bytes) {
          written[name] += fromUtf8(bytes);
          return Promise.resolve(bytes.length);
        },
      }, { isFile: false });
      const mix = new LineMix((bytes) => writer.push(bytes), { isTerminal: false });
      return { writer, mix, colour: false };
    };
    const stdout = open("stdout");
    const stderr = setup.oneConsole ? stdout : open("stderr");
    const warnings: string[] = [];
    const { scripts, ...settings } = setup;
    const directory = LogDirectory.create({ baseDirectory: base, jobId: "job" });
    const hub = await OutputHub.open({
      settings: { ...SETTINGS, ...settings, workerCount: scripts.length },
      consoles: { stdout, stderr, stdoutIsTerminal: false, stderrIsTerminal: false },
      directory,
      warn: (text) => warnings.push(text),
    });
    const place = { firstRank: 10, worldSize: 10 + scripts.length, hasSeveralHosts: false };
    const attempt = hub.startAttempt({ attempt: 0, round: 0, place });
    scripts.forEach((script, localRank) => {
      const child = spawnWorker({
        executable: "/bin/sh",
        arguments: ["-c", script, String(localRank)],
        environment: {},
        cwd: base,
        stdin: "null",
        ...attempt.prepare(localRank, localRank + 10),
      }, (spawn) => spawn());
      attempt.attach(localRank, child);
      children.push(child);
    });
    await Promise.all(children.map(({ ended }) => ended));
    await attempt.drained(setup.drainMs ?? 10_000);
    await hub.close(10_000);
    const file = (name: string) => Deno.readTextFileSync(`${directory.path}/attempt_0/${name}`);
    await check({ ...written, warnings, attempt, file });
  } finally {
    for (const { pid } of children) {
      try {
        Deno.kill(-pid, "SIGKILL");
      } catch {
        // Its whole group is gone, as it should be.
      }
    }
    await Deno.remove(base, { recursive: true });
  }
}

const BOTH = "echo out$0; echo err$0 >&2";

Deno.test("OutputHub passes a worker's streams on as they are", () =>
  run({ scripts: ["printf 'a\\0\\nb'; printf 'c\\nd' >&2"] }, ({ stdout, stderr, attempt }) => {
    assertEquals([stdout, stderr], ["a\0\nb", "c\nd"]);
    assertEquals(attempt.tail(0), ["c", "d"]);
    assertEquals(attempt.logFiles(0), []);
    assertStringIncludes(attempt.errorFile(0)!, "/attempt_0/0/error.json");
  }));

Deno.test("OutputHub keeps a worker's own order where stdout and stderr are one", () => {
  const script = "for i in 1 2 3 4 5; do echo o$i; echo e$i >&2; done";
  return run({ scripts: [script, script], oneConsole: true }, ({ stdout, attempt }) => {
    const lines = stdout.trimEnd().split("\n");
    const own = ["o1", "e1", "o2", "e2", "o3", "e3", "o4", "e4", "o5", "e5"];
    assertEquals(lines.toSorted(), [...own, ...own].toSorted());
    assertEquals(attempt.tail(0), own);
    assertEquals(attempt.tail(1), own);
  });
});

Deno.test("OutputHub redirects to files that the workers write themselves", () =>
  run({ scripts: [BOTH, BOTH], redirects: 3 }, ({ stdout, stderr, file, attempt }) => {
    assertEquals([stdout, stderr], ["", ""]);
    assertEquals([file("0/stdout.log"), file("1/stderr.log")], ["out0\n", "err1\n"]);
    assertEquals(attempt.tail(1), ["err1"]);
    const directory = attempt.errorFile(1)!.replace("error.json", "");
    assertEquals(attempt.logFiles(1), [`${directory}stdout.log`, `${directory}stderr.log`]);
  }));

Deno.test("OutputHub tees to the file as it is and to the console with labels", () =>
  run({ scripts: [`${BOTH}; printf part`], tee: 3 }, ({ stdout, stderr, file, attempt }) => {
    assertEquals([stdout, stderr], ["[default0]:out0\n[default0]:part", "[default0]:err0\n"]);
    assertEquals([file("0/stdout.log"), file("0/stderr.log")], ["out0\npart", "err0\n"]);
    assertEquals(attempt.tail(0), ["err0"]);
  }));

Deno.test("OutputHub uses the label's template with global ranks", () =>
  run(
    { scripts: [BOTH], tee: 1, linePrefixTemplate: "${hostname}/${rank}: " },
    ({ stdout }) => assertEquals(stdout, "node1/10: out0\n"),
  ));

Deno.test("OutputHub silences ranks that are not chosen, but keeps their tee's file", () =>
  run({ scripts: [BOTH, BOTH], tee: 1, localRanksFilter: [1] }, ({ stdout, stderr, file }) => {
    assertEquals([stdout, stderr], ["[default1]:out1\n", "err1\n"]);
    assertEquals(file("0/stdout.log"), "out0\n");
  }));

Deno.test("OutputHub collects chosen lines of teed streams of all ranks", () =>
  run({
    scripts: ["echo loss 1; echo other", "echo loss 2; printf 'acc'"],
    tee: 3,
    duplicateStdoutFilters: ["loss", "acc"],
  }, ({ file }) => {
    assertEquals(
      file("filtered_stdout.log").trimEnd().split("\n").toSorted(),
      ["[default0]:loss 1", "[default1]:acc", "[default1]:loss 2"],
    );
  }));

Deno.test("OutputHub limits files of tees and redirects, and shows no more than without a limit", () =>
  run({
    scripts: ["seq 1 5000; echo end >&2", "seq 1 5000; echo end >&2"],
    redirects: 3,
    tee: new Map([[1, 3 as const]]),
    fileBytesMax: 4096,
  }, ({ stdout, stderr, file, attempt }) => {
    assertEquals([stdout.split("\n").length, stderr], [5001, "[default1]:end\n"]);
    for (const rank of [0, 1]) {
      const kept = file(`${rank}/stdout.log`);
      assert(kept.length <= 4096 && kept.startsWith("1\n2\n") && kept.endsWith("4999\n5000\n"));
      assertStringIncludes(kept, " bytes left out here");
      assertEquals([file(`${rank}/stderr.log`), attempt.tail(rank)], ["end\n", ["end"]]);
    }
  }));

Deno.test("OutputHub shows the chosen global ranks, and keeps the last lines of the others", () =>
  run(
    { scripts: [BOTH, BOTH, BOTH], ranksShown: [{ first: 11, last: 12 }] },
    ({ stdout, stderr, attempt }) => {
      assertEquals(stdout.trimEnd().split("\n").toSorted(), ["out1", "out2"]);
      assertEquals(stderr.trimEnd().split("\n").toSorted(), ["err1", "err2"]);
      assertEquals([attempt.tail(0), attempt.tail(1)], [["err0"], ["err1"]]);
    },
  ));

Deno.test("OutputHub loses nothing of 64 workers that crash with 10,000 lines each at once", () =>
  run({
    scripts: Array(64).fill('i=$0; seq -f "$i line %g" 1 10000; kill -SEGV $$'),
    tee: 1,
  }, ({ stdout, file }) => {
    const lines = new Map<string, string[]>();
    for (const line of stdout.trimEnd().split("\n")) {
      const label = line.slice(0, line.indexOf(":") + 1);
      const own = lines.get(label) ?? [];
      own.push(line.slice(label.length));
      lines.set(label, own);
    }
    for (let rank = 0; rank < 64; rank++) {
      const text = Array.from({ length: 10_000 }, (_, i) => `${rank} line ${i + 1}\n`).join("");
      assert(file(`${rank}/stdout.log`) === text, `The file of rank ${rank} differs`);
      assert(lines.get(`[default${rank}]:`)!.join("\n") + "\n" === text, `The lines of rank ${rank} differ`);
    }
  }));

Deno.test("AttemptOutput.drained() gives up on a pipe that a background process holds", () =>
  run({
    scripts: ["echo said; sleep 60 &"],
    drainMs: 50,
  }, async ({ stdout, attempt }) => {
    assertEquals(stdout, "said\n");
    await attempt.drained(0);
  }));

Deno.test("OutputHub.startAttempt() refuses a first attempt whose files can't be made, and goes on in later ones", async () => {
  const base = await Deno.makeTempDir();
  try {
    const directory = LogDirectory.create({ baseDirectory: base, jobId: "job" });
    const writer = new ConsoleWriter({ write: (bytes) => Promise.resolve(bytes.length) }, { isFile: false });
    const console = { writer, mix: new LineMix(() => {}, { isTerminal: false }), colour: false };
    const warnings: string[] = [];
    const context = {
      settings: { ...SETTINGS, redirects: 3 as const },
      consoles: { stdout: console, stderr: console, stdoutIsTerminal: false, stderrIsTerminal: false },
      directory,
      warn: (text: string) => warnings.push(text),
    };
    const hub = await OutputHub.open(context);
    hub.startAttempt({ attempt: 0, round: 0 });
    await Deno.remove(directory.path!, { recursive: true });
    const later = hub.startAttempt({ attempt: 1, round: 0 });
    assertEquals(later.prepare(0, 0), { stdout: { kind: "piped" }, stderr: { kind: "piped" } });
    assertEquals([later.errorFile(0), warnings.length], [null, 1]);
    const other = await OutputHub.open(context);
    let refusal: unknown;
    try {
      other.startAttempt({ attempt: 2, round: 0 });
    } catch (error) {
      refusal = error;
    }
    assert(refusal instanceof SystemError);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});
