/**
 * What a worker inherits from the launcher's own start, under torchrun and under muster: signals ignored and
 * blocked, limits, umask, open descriptors, standard input.
 */

import { assertEquals } from "@std/assert";
import { allEnded, interopTest, type LauncherName, LAUNCHERS, PYTHON, runProgram } from "./harness.ts";

/** Lines of /proc/self/status that a launcher could change for its workers. */
const STATUS_FIELDS = ["Umask", "SigBlk", "SigIgn", "SigCgt", "NoNewPrivs", "Seccomp", "Cpus_allowed_list"];
const HANGUP_BIT = 1n << 0n;
/** Signals 32 and 33 belong to glibc, which each program sets up for itself. */
const GLIBC_BITS = 3n << 31n;

interface Surroundings {
  readonly name: string;
  /** Python statements that prepare the launcher's process before it becomes the launcher. */
  readonly prepare: string;
}

const SURROUNDINGS: readonly Surroundings[] = [
  { name: "a plain shell", prepare: "pass" },
  { name: "ignored signals", prepare: "signal.signal(signal.SIGUSR1, signal.SIG_IGN)" },
  {
    name: "blocked signals",
    prepare: "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])",
  },
  { name: "a soft limit of files", prepare: "limit(resource.RLIMIT_NOFILE, 512)" },
  {
    name: "limits of core and stack",
    prepare: "limit(resource.RLIMIT_CORE, 0); limit(resource.RLIMIT_STACK, 1 << 22)",
  },
  { name: "an umask and one processor", prepare: "os.umask(0o027); os.sched_setaffinity(0, [0])" },
];

for (const surroundings of SURROUNDINGS) {
  interopTest(`workers inherit as under torchrun: ${surroundings.name}`, async () => {
    const [theirs, ours] = await allEnded([
      inheritedUnder("torchrun", surroundings.prepare),
      inheritedUnder("muster", surroundings.prepare),
    ]);
    assertEquals(ours, theirs);
  });
}

interopTest("nohup holds for the workers too, where torchrun's are ended by the hangup", async () => {
  const prepare = "signal.signal(signal.SIGHUP, signal.SIG_IGN)";
  const [theirs, ours] = await allEnded([
    inheritedUnder("torchrun", prepare),
    inheritedUnder("muster", prepare),
  ]);
  const ignoresHangup = ({ status }: Inherited) => (BigInt(`0x${status.SigIgn}`) & HANGUP_BIT) !== 0n;
  assertEquals([ignoresHangup(theirs), ignoresHangup(ours)], [false, true]);
});

interopTest("workers get no descriptor of the launcher, nor one that it inherited", async () => {
  const preamble = "import os, sys; os.dup2(0, 40); os.execvp(sys.argv[1], sys.argv[1:])";
  const [theirs, ours] = await allEnded((["torchrun", "muster"] as const).map(async (launcher) => {
    const worker = ["--standalone", "--no-python", "ls", "/proc/self/fd"];
    const run = await runProgram([PYTHON, "-c", preamble, ...LAUNCHERS[launcher], ...worker]);
    return run.stdout;
  }));
  assertEquals(ours, theirs);
});

interopTest("stdin reaches the workers only where it was asked for, where torchrun's share it", async () => {
  const read = ["--standalone", "--nproc-per-node=2", "--no-python", "sh", "-c", 'echo "$RANK: $(cat)"'];
  const outputOf = async (launcher: LauncherName, ...options: string[]) => {
    const run = await runProgram([...LAUNCHERS[launcher], ...options, ...read], { stdin: "hello" });
    return run.stdout.split("\n").filter((line) => line !== "").sort();
  };
  const [nobody, second] = await allEnded([outputOf("muster"), outputOf("muster", "--stdin-rank=1")]);
  assertEquals(nobody, ["0: ", "1: "]);
  assertEquals(second, ["0: ", "1: hello"]);
});

interface Inherited {
  readonly status: Record<string, string>;
  /** The lines of /proc/self/limits. */
  readonly limits: readonly string[];
}

/** Starts the launcher from a process prepared by Python statements, with one worker that shows what it got. */
async function inheritedUnder(launcher: "torchrun" | "muster", prepare: string): Promise<Inherited> {
  const preamble = [
    "import os, resource, signal, sys",
    "def limit(kind, soft): resource.setrlimit(kind, (soft, resource.getrlimit(kind)[1]))",
    // What Python itself ignores is not part of the surroundings.
    "signal.signal(signal.SIGPIPE, signal.SIG_DFL); signal.signal(signal.SIGXFSZ, signal.SIG_DFL)",
    prepare,
    // A parent with the same limits, as a shell is: run from source, muster learns of its first limit there.
    "sys.exit(os.spawnvp(os.P_WAIT, sys.argv[1], sys.argv[1:]))",
  ].join("\n");
  const worker = ["--standalone", "--no-python", "cat", "/proc/self/status", "/proc/self/limits"];
  const run = await runProgram([PYTHON, "-c", preamble, ...LAUNCHERS[launcher], ...worker]);
  assertEquals(run.code, 0, run.stderr);
  const lines = run.stdout.split("\n");
  const fields = lines.map((line) => line.split(":\t")).filter(([name]) => STATUS_FIELDS.includes(name!));
  const status: Record<string, string> = Object.fromEntries(fields);
  status.SigIgn = (BigInt(`0x${status.SigIgn}`) & ~GLIBC_BITS).toString(16);
  return { status, limits: lines.filter((line) => line.startsWith("Max ")) };
}
