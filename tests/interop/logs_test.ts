import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { FIXTURES, interopTest, PYTHON, runLauncher, runProgram } from "./harness.ts";

/** What one launcher left of one job. */
interface Remains {
  /** Content of every file below the run's directory by its path; bytes as Latin-1 text. */
  readonly files: Readonly<Record<string, string>>;
  readonly directories: readonly string[];
  /** Lines that the workers wrote to the console, sorted: the order between workers is nobody's promise. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
}

const JOB = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--rdzv-id=job", "--nnodes=1:1"];

/** Lines as every worker of a training writes them; the last ones of each stream are whole. */
const CLEAN_WORKER =
  `echo "out $LOCAL_RANK loss"; echo "err $LOCAL_RANK" >&2; echo; echo "größe"; echo "loss 2" >&2`;

/** Everything that bytes can be: invalid UTF-8, NUL, progress bars, a last line without end. */
const ODD_WORKER = `printf 'a\\0b\\377\\n\\r10%%\\r20%%\\r\\nCRLF\\r\\n'; printf 'part'; printf '\\303' >&2`;

interface Case {
  readonly options: readonly string[];
  readonly worker?: string;
}

const CASES: readonly Case[] = [
  ...[0, 1, 2, 3].flatMap((redirects) =>
    [0, 1, 2, 3].map((tee) => ({ options: ["-r", String(redirects), "-t", String(tee)] }))
  ),
  { options: ["-r", "0:1,1:2"] },
  { options: ["-t", "1:3", "-r", "0:3"] },
  { options: ["-t", "3", "--local-ranks-filter=1"] },
  { options: ["-t", "1", "-r", "2", "--local-ranks-filter=0,7"] },
  { options: ["--local-ranks-filter=1"] },
  { options: ["-t", "3", "--role=trainer", "--log-line-prefix-template=$$${role_name}/${rank}:$other "] },
  { options: ["-t", "3", "--duplicate-stdout-filters=loss", "--duplicate-stderr-filters=err,2"] },
  { options: ["-t", "1", "--duplicate-stderr-filters=err"] },
  { options: ["-r", "3", "--duplicate-stdout-filters=loss"] },
  { options: ["-r", "3", "-t", "1", "--local-ranks-filter=1", "--log-dir=/dev/null"] },
  { options: ["-r", "3"], worker: ODD_WORKER },
  { options: ["-t", "3"], worker: ODD_WORKER },
];

interopTest("muster leaves torchrun's files and console lines for every -r, -t and filter", async () => {
  const base = await Deno.makeTempDir();
  try {
    const torchrun = await runWithTorchrun(base);
    for (const [index, one] of CASES.entries()) {
      const name = `${one.options.join(" ")}${one.worker === undefined ? "" : " with odd bytes"}`;
      const muster = await runWithMuster(`${base}/muster-${index}`, one);
      assertEquals(muster.directories, torchrun[index]!.directories, name);
      assertEquals(muster.files, torchrun[index]!.files, name);
      if (one.worker !== undefined) continue;
      assertEquals(muster.stdout, torchrun[index]!.stdout, name);
      assertEquals(muster.stderr, torchrun[index]!.stderr, name);
    }
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});

interopTest("muster keeps lines whole that torchrun's tee tears apart (torchrun.md 7, 17)", async () => {
  const worker = `printf "partial$LOCAL_RANK"; sleep 0.5; printf "...rest$LOCAL_RANK\\n"`;
  const args = [...JOB, "--nproc-per-node=2", "-t", "3", "--no-python", "/bin/sh", "-c", worker];
  const [torchrun, muster] = await Promise.all([
    runLauncher("torchrun", args),
    runLauncher("muster", args),
  ]);
  const whole = ["[default0]:partial0...rest0", "[default1]:partial1...rest1"];
  assertEquals(muster.stdout.trimEnd().split("\n").toSorted(), whole);
  assertNotEquals(torchrun.stdout.trimEnd().split("\n").toSorted(), whole);
});

interopTest(
  "muster keeps the lines of plain output whole, which workers share under torchrun (torchrun.md 7, 29)",
  async () => {
    const worker = `printf "partial$LOCAL_RANK"; sleep 0.5; printf "...rest$LOCAL_RANK\\n"`;
    const args = [...JOB, "--nproc-per-node=2", "--no-python", "/bin/sh", "-c", worker];
    const [torchrun, muster] = await Promise.all([
      runLauncher("torchrun", args),
      runLauncher("muster", args),
    ]);
    const whole = ["partial0...rest0", "partial1...rest1"];
    assertEquals(muster.stdout.trimEnd().split("\n").toSorted(), whole);
    assertNotEquals(torchrun.stdout.trimEnd().split("\n").toSorted(), whole);
  },
);

interopTest(
  "muster takes ranks above 9 in -r and -t, which torchrun refuses (torchrun.md 7, 15)",
  async () => {
    const base = await Deno.makeTempDir();
    try {
      const args = [
        ...JOB,
        "--nproc-per-node=11",
        `--log-dir=${base}`,
        "-r",
        "10:1",
        "--no-python",
        "/bin/sh",
      ];
      const run = await runLauncher("muster", [...args, "-c", "echo out"]);
      assertEquals([run.code, run.stdout], [0, "out\n".repeat(10)]);
      const [directory] = [...Deno.readDirSync(base)];
      const log = `${base}/${directory!.name}/attempt_0/10/stdout.log`;
      assertEquals(await Deno.readTextFile(log), "out\n");
    } finally {
      await Deno.remove(base, { recursive: true });
    }
  },
);

async function runWithTorchrun(base: string): Promise<Remains[]> {
  const cases = CASES.map((one, index) => {
    const directory = `${base}/torchrun-${index}`;
    Deno.mkdirSync(directory);
    return {
      args: argumentsOf(one, directory),
      stdout: `${directory}/stdout`,
      stderr: `${directory}/stderr`,
    };
  });
  const fixture = `${FIXTURES}/torchrun_cases.py`;
  const run = await runProgram([PYTHON, fixture], { stdin: JSON.stringify(cases), timeoutMs: 180_000 });
  assert(run.code === 0, run.stderr);
  return cases.map(({ stdout, stderr }, index) => ({
    ...tree(`${base}/torchrun-${index}/logs`),
    stdout: workerLines(Deno.readTextFileSync(stdout)),
    stderr: workerLines(Deno.readTextFileSync(stderr)),
  }));
}

async function runWithMuster(directory: string, one: Case): Promise<Remains> {
  const { code, stdout, stderr } = await runLauncher("muster", argumentsOf(one, directory));
  assert(code === 0, stderr);
  return { ...tree(`${directory}/logs`), stdout: workerLines(stdout), stderr: workerLines(stderr) };
}

function argumentsOf({ options, worker = CLEAN_WORKER }: Case, directory: string): string[] {
  const logDirectory = `--log-dir=${directory}/logs`;
  return [
    ...[...JOB, "--nproc-per-node=2", logDirectory, ...options],
    ...["--no-python", "/bin/sh", "-c", worker],
  ];
}

/** All lines but those of the launchers themselves. */
function workerLines(text: string): string[] {
  return text.split("\n").filter((line) => !/^(muster:|[VIWEC]\d{4} |\*+$|Setting OMP_)/.test(line))
    .toSorted();
}

/** Everything below the one directory in `base`, if there is one. Lines of files for all workers are sorted. */
function tree(base: string): Pick<Remains, "files" | "directories"> {
  if (!exists(base)) return { files: {}, directories: [] };
  const runs = [...Deno.readDirSync(base)].map(({ name }) => name);
  assertEquals(runs.map((name) => name.replace(/_[0-9a-z_]+$/, "")), ["job"]);
  const root = `${base}/${runs[0]}`;
  assertEquals(Deno.statSync(root).mode! & 0o777, 0o700);
  const files: Record<string, string> = {};
  const directories: string[] = [];
  const visit = (below: string) => {
    for (const entry of Deno.readDirSync(`${root}/${below}`)) {
      const path = `${below}/${entry.name}`;
      if (entry.isDirectory) {
        directories.push(path);
        visit(path);
      } else {
        const text = new TextDecoder("latin1").decode(Deno.readFileSync(`${root}/${path}`));
        files[path] = path.includes("filtered") ? text.split("\n").toSorted().join("\n") : text;
      }
    }
  };
  visit("");
  return { files, directories: directories.toSorted() };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
