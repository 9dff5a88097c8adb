/**
 * One function for each figure: it runs one job under one contender and returns the measured number. All jobs are of
 * small shell programs, so that what is measured is the launcher.
 */

import { waitForFile } from "../../tests/interop/harness.ts";
import { type Contender, start } from "./contenders.ts";

/** Milliseconds from the launcher's start to its end, for a job of two workers that do nothing. */
export async function shortestJobMs(contender: Contender): Promise<number> {
  const startedAt = performance.now();
  const args = ["--standalone", "--nproc-per-node=2", "--no-python", "true"];
  const { code } = await start(contender, args).status;
  const elapsedMs = performance.now() - startedAt;
  assertSucceeded(contender, code);
  return elapsedMs;
}

/** Peak resident memory of the launcher alone, in MiB, once two workers run. */
export function peakMemoryMiB(contender: Contender): Promise<number> {
  return withWaitingJob(contender, 2, (pid) => Promise.resolve(Number(statusField(pid, "VmHWM")) / 1024));
}

/** CPU milliseconds that the launcher and its helpers use in ten seconds of an idle job. */
export function idleCpuMs(contender: Contender): Promise<number> {
  const settleMs = 1000;
  const windowMs = 10_000;
  return withWaitingJob(contender, 2, async (pid) => {
    await sleep(settleMs);
    const before = cpuTicks(pid);
    await sleep(windowMs);
    return (cpuTicks(pid) - before) * TICK_MS;
  });
}

/** Milliseconds from the launcher's start until the last of 64 workers runs. */
export async function manyWorkersMs(contender: Contender): Promise<number> {
  const workers = 64;
  return await withDirectory(async (directory) => {
    const startedAt = Date.now();
    const args = ["--standalone", `--nproc-per-node=${workers}`, "--no-python", "sh", "-c", ": >$MET/$RANK"];
    const { code } = await start(contender, args, { MET: directory }).status;
    assertSucceeded(contender, code);
    return Math.max(...createdAt(directory, workers)) - startedAt;
  });
}

/** Milliseconds from the death of one worker of four until all run again, for workers that die of SIGTERM at once. */
export async function restartMs(contender: Contender): Promise<number> {
  const workers = 4;
  const script = `
    echo $EPOCHREALTIME >$MET/$RANK.$TORCHELASTIC_RESTART_COUNT
    [ $TORCHELASTIC_RESTART_COUNT = 1 ] && exit
    [ $RANK != 2 ] && exec sleep 60
    sleep 0.5
    echo $EPOCHREALTIME >$MET/died
    kill -KILL $BASHPID`;
  return await withDirectory(async (directory) => {
    const args = [
      "--standalone",
      `--nproc-per-node=${workers}`,
      "--max-restarts=1",
      "--no-python",
      "bash",
      "-c",
      script,
    ];
    const { code } = await start(contender, args, { MET: directory }).status;
    assertSucceeded(contender, code);
    const seconds = (name: string) => Number(Deno.readTextFileSync(`${directory}/${name}`));
    const restarted = Array.from({ length: workers }, (_, rank) => seconds(`${rank}.1`));
    return (Math.max(...restarted) - seconds("died")) * 1000;
  });
}

/** Runs `body` while a job of `workers` workers does nothing, then stops the job. */
async function withWaitingJob<T>(
  contender: Contender,
  workers: number,
  body: (pid: number) => Promise<T>,
): Promise<T> {
  return await withDirectory(async (directory) => {
    const script = ": >$MET/$RANK; exec sleep 600";
    const args = ["--standalone", `--nproc-per-node=${workers}`, "--no-python", "sh", "-c", script];
    const child = start(contender, args, { MET: directory });
    try {
      for (let rank = 0; rank < workers; rank++) await waitForFile(`${directory}/${rank}`);
      return await body(child.pid);
    } finally {
      child.kill("SIGTERM");
      await child.status;
    }
  });
}

/** Kernel ticks of /proc/<pid>/stat (USER_HZ). */
const TICK_MS = 10;

/** CPU time so far of the launcher and of its children that are not workers; a sleeping worker uses none. */
function cpuTicks(pid: number): number {
  let ticks = 0;
  for (const process of [pid, ...childrenOf(pid)]) {
    const fields = statFields(process);
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks;
}

function childrenOf(pid: number): number[] {
  return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
}

/** Fields of /proc/<pid>/stat from the state on, which is field 3 in proc(5). */
function statFields(pid: number): string[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function statusField(pid: number, name: string): string {
  const text = Deno.readTextFileSync(`/proc/${pid}/status`);
  return text.match(new RegExp(`^${name}:\\s+(\\d+)`, "m"))![1]!;
}

function createdAt(directory: string, workers: number): number[] {
  return Array.from({ length: workers }, (_, rank) => Deno.statSync(`${directory}/${rank}`).mtime!.getTime());
}

function assertSucceeded(contender: Contender, code: number): void {
  if (code !== 0) throw new Error(`${contender.name} ended with code ${code}`);
}

async function withDirectory<T>(body: (directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "muster-bench-" });
  try {
    return await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
