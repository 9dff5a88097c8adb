/**
 * Finding and ending everything a started program left: a mark in the environment is inherited by all
 * descendants, whatever session or group they went to, and is read back from /proc.
 */

const MARK_VARIABLE = "MUSTER_TEST_MARK";

export interface Mark {
  /** To be merged into the environment of the program to follow. */
  readonly env: Readonly<Record<string, string>>;
  readonly needle: string;
}

export function newMark(): Mark {
  const value = crypto.randomUUID();
  return { env: { [MARK_VARIABLE]: value }, needle: `${MARK_VARIABLE}=${value}` };
}

export interface ProcessInfo {
  readonly pid: number;
  readonly commandLine: string;
}

/** All living processes that carry the mark; zombies have no environment and don't count. */
export function markedProcesses(mark: Mark): ProcessInfo[] {
  const found: ProcessInfo[] = [];
  for (const entry of Deno.readDirSync("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid)) continue;
    try {
      if (!`\0${Deno.readTextFileSync(`/proc/${pid}/environ`)}`.includes(`\0${mark.needle}\0`)) continue;
      const commandLine = Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
      found.push({ pid, commandLine });
    } catch {
      // Gone in the meantime, or a kernel thread.
    }
  }
  return found;
}

/** Ends every marked process, those too that are being started meanwhile. */
export function killMarked(mark: Mark): void {
  const roundsMax = 100;
  for (let round = 0; round < roundsMax; round++) {
    const processes = markedProcesses(mark);
    if (processes.length === 0) return;
    for (const { pid } of processes) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // Gone in the meantime.
      }
    }
  }
}

/** Waits until no marked process is left, and returns those that still are after `timeoutMs`. */
export async function waitUntilGone(mark: Mark, timeoutMs: number): Promise<ProcessInfo[]> {
  const deadline = performance.now() + timeoutMs;
  while (true) {
    const left = markedProcesses(mark);
    if (left.length === 0 || performance.now() > deadline) return left;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
