/**
 * `deno task bench tee`: what carrying the workers' output costs, side by side with torchrun in one run. A tee's
 * time is counted over that of the same job without one.
 */

import { type Contender, findContenders } from "./bench/contenders.ts";
import { plainEnvironment, PYTHON } from "../tests/interop/harness.ts";
import { openConsoles } from "../lib/host/console.ts";
import { LogDirectory } from "../lib/host/log_directory.ts";
import { OutputHub } from "../lib/host/output.ts";

const LINES = 1_000_000;
const LINE = "step 00000000 loss 0.12345678 throughput 12345.6 tokens per second ok\n";

const CHATTY_WORKERS = 64;
const CHATTY_SECONDS = 5;
/** 1,000 lines a second, ten at a time, so that the writers themselves leave the machine alone. */
const CHATTY_WRITER = `
import os, sys, time
lines = b"step 1 loss 0.123 throughput 1234.5\\n" * 10
end = time.monotonic() + float(sys.argv[1])
at = time.monotonic()
while at < end:
    os.write(1, lines)
    at += 0.01
    time.sleep(max(0, at - time.monotonic()))
`;

interface Measured {
  readonly seconds: number;
  /** CPU of the launcher itself. */
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

async function main(): Promise<void> {
  const { torchrun, muster, missing } = findContenders();
  for (const line of missing) console.log(`bench: ${line}`);
  const directory = await Deno.makeTempDir({ prefix: "muster-bench-" });
  try {
    const text = `${directory}/lines.txt`;
    await Deno.writeTextFile(text, LINE.repeat(LINES));
    const bytes = 2 * LINES * LINE.length;
    console.log(`tee of 2 workers, ${(bytes / 1e6).toFixed(0)} MB, over the same job without output`);
    console.log("  goal: at least 5 times faster than torchrun, launcher under 100 MiB");
    const references: number[] = [];
    const report = async (name: string, contender: Contender, environment: Record<string, string>) => {
      const { seconds, peakMiB } = await teeOverBare(contender, { text, directory, environment });
      const rate = `${(bytes / 1e6 / seconds).toFixed(0)} MB/s`.padStart(8);
      const ratios = contender === torchrun
        ? ""
        : references.map((reference) => (reference / seconds).toFixed(1)).join(" and ");
      console.log(
        `  ${name.padEnd(34)} ${seconds.toFixed(2)} s ${rate} ${
          peakMiB.toFixed(0).padStart(4)
        } MiB  ${ratios}`,
      );
      if (contender === torchrun) references.push(seconds);
    };
    if (torchrun !== null) {
      // Containers for training set the variable as a rule; torchrun then writes every line by itself.
      await report("torchrun, PYTHONUNBUFFERED=1", torchrun, { PYTHONUNBUFFERED: "1" });
      await report("torchrun without it (tears lines)", torchrun, {});
    }
    for (const contender of muster) await report(contender.name, contender, {});
    console.log(`launcher's CPU for ${CHATTY_WORKERS} workers with 1,000 lines a second each`);
    console.log("  goal: under 15 % of one core");
    for (const contender of muster) {
      for (const [name, options] of [["relayed", []], ["tee", ["-t", "3"]]] as const) {
        const share = await chattyShare(contender, { options, directory });
        console.log(`  ${contender.name.padEnd(12)} ${name.padEnd(8)} ${(share * 100).toFixed(1)} %`);
      }
    }
    console.log("longest pause of the event loop while a console does not read (goal: 20 ms)");
    console.log(`  source       ${await longestPauseMs(text)}`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** The best of three each: what disturbs a run only makes it slower. */
async function teeOverBare(
  contender: Contender,
  { text, directory, environment }: {
    readonly text: string;
    readonly directory: string;
    readonly environment: Readonly<Record<string, string>>;
  },
): Promise<Measured> {
  const options = ["--nproc-per-node=2", `--log-dir=${directory}/logs`];
  const bare: Measured[] = [];
  const tee: Measured[] = [];
  for (let round = 0; round < 3; round++) {
    bare.push(await run(contender, [...options, "--no-python", "true"], { directory, environment }));
    const teed = [...options, "-t", "3", "--no-python", "cat", text];
    tee.push(await run(contender, teed, { directory, environment }));
    await Deno.remove(`${directory}/logs`, { recursive: true });
  }
  const [bareBest, teeBest] = [fastest(bare), fastest(tee)];
  return { ...teeBest, seconds: teeBest.seconds - bareBest.seconds };
}

function fastest(runs: readonly Measured[]): Measured {
  return runs.toSorted((a, b) => a.seconds - b.seconds)[0]!;
}

/** The launcher's part of one core, over what a job with silent workers takes. */
async function chattyShare(
  contender: Contender,
  { options, directory }: { readonly options: readonly string[]; readonly directory: string },
): Promise<number> {
  const job = (script: string) => [
    ...[`--nproc-per-node=${CHATTY_WORKERS}`, `--log-dir=${directory}/logs`, ...options],
    ...["--no-python", PYTHON, "-S", "-c", script, String(CHATTY_SECONDS)],
  ];
  const silent = await run(contender, job("import sys, time; time.sleep(float(sys.argv[1]))"), { directory });
  const chatty = await run(contender, job(CHATTY_WRITER), { directory });
  await Deno.remove(`${directory}/logs`, { recursive: true });
  return (chatty.cpuSeconds - silent.cpuSeconds) / CHATTY_SECONDS;
}

/** Runs a job whose stdout is a pipe that `cat` reads, and watches the launcher. */
async function run(
  contender: Contender,
  args: readonly string[],
  { directory, environment = {} }: {
    readonly directory: string;
    readonly environment?: Readonly<Record<string, string>>;
  },
): Promise<Measured> {
  const pipe = `${directory}/stdout`;
  await new Deno.Command("mkfifo", { args: [pipe] }).output();
  const reader = new Deno.Command("cat", { args: [pipe], stdout: "null" }).spawn();
  const startedAt = performance.now();
  const child = new Deno.Command("sh", {
    args: ["-c", 'exec "$@" >"$0"', pipe, ...contender.commandLine, "--standalone", ...args],
    clearEnv: true,
    env: { ...plainEnvironment(), OMP_NUM_THREADS: "1", ...environment },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const watched = { cpuSeconds: 0, peakMiB: 0 };
  const timer = setInterval(() => Object.assign(watched, usage(child.pid) ?? {}), 20);
  const [status] = await Promise.all([child.status, reader.status]);
  const seconds = (performance.now() - startedAt) / 1000;
  clearInterval(timer);
  await Deno.remove(pipe);
  if (!status.success) throw new Error(`${contender.name} ended with code ${status.code}: ${args.join(" ")}`);
  return { ...watched, seconds };
}

/** CPU and peak memory of process `pid` so far. */
function usage(pid: number): Omit<Measured, "seconds"> | undefined {
  const ticksPerSecond = 100;
  try {
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ").at(-1)!.split(" ");
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
      peakMiB: Number(status.match(/VmHWM:\s+(\d+)/)![1]) / 1024,
    };
  } catch {
    return undefined;
  }
}

/** Starts this file as a launcher whose stdout nobody reads, and returns what it found. */
async function longestPauseMs(text: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", import.meta.filename!, "--as-stalled-launcher", text],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const found = await new Response(child.stderr).text();
  await child.stdout.cancel();
  await child.status;
  return found.trim();
}

async function stalledLauncher(text: string): Promise<void> {
  const directory = LogDirectory.create({ baseDirectory: null, jobId: "bench" });
  const consoles = openConsoles();
  const hub = await OutputHub.open({
    settings: {
      ...{ redirects: 0, tee: 3, localRanksFilter: null, ranksShown: null, console: "relay", workerCount: 2 },
      ...{ jobId: "bench", role: "default", hostName: "bench", linePrefixTemplate: null },
      ...{ duplicateStdoutFilters: [], duplicateStderrFilters: [], fileBytesMax: null },
    },
    consoles,
    directory,
    warn: (warning) => console.error(warning),
  });
  let longestMs = 0;
  let longestOwnMs = 0;
  let last = { wallMs: performance.now(), waitedMs: waitedForCpuMs() };
  const timer = setInterval(() => {
    const now = { wallMs: performance.now(), waitedMs: waitedForCpuMs() };
    const pauseMs = now.wallMs - last.wallMs - 1;
    longestMs = Math.max(longestMs, pauseMs);
    longestOwnMs = Math.max(longestOwnMs, pauseMs - (now.waitedMs - last.waitedMs));
    last = now;
  }, 1);
  const attempt = hub.startAttempt({ attempt: 0, round: 0 });
  const workers = [0, 1].map((rank) => {
    attempt.prepare(rank, rank);
    const child = new Deno.Command("cat", { args: [text], stdout: "piped", stderr: "piped" }).spawn();
    attempt.attach(rank, child);
    return child.status;
  });
  await Promise.all(workers);
  await attempt.drained(60_000);
  clearInterval(timer);
  directory.remove();
  await Deno.stderr.write(
    new TextEncoder().encode(
      `${longestOwnMs.toFixed(0)} ms (${longestMs.toFixed(0)} ms with waits for a CPU)\n`,
    ),
  );
  Deno.exit(0);
}

/** How long this thread was ready to run and had no CPU: what others on the machine do is no pause of ours. */
function waitedForCpuMs(): number {
  return Number(Deno.readTextFileSync("/proc/self/schedstat").split(" ")[1]) / 1e6;
}

if (Deno.args[0] === "--as-stalled-launcher") await stalledLauncher(Deno.args[1]!);
else await main();
