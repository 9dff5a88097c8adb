/**
 * Looks at the workers' state in the kernel while the D-state guard is on. There is no event for a process that
 * stops answering, so this is the one place that asks again and again; without the guard nothing does.
 */

import { parseKernelState, type StuckProcess, UninterruptibleWatch } from "../supervise/uninterruptible.ts";
import { monotonicNow } from "./clock.ts";

export interface UninterruptibleOptions {
  readonly timeoutMs: number;
  /** The workers that run now. */
  readonly pids: () => readonly number[];
  /** A worker has been stuck for the whole timeout; told once. */
  readonly onStuck: (stuck: StuckProcess) => void;
}

/** Starts the guard, which ends with `close()`. Linux only: elsewhere there is nothing to read and nothing happens. */
export function startUninterruptibleGuard(options: UninterruptibleOptions): { close(): void } {
  const watch = new UninterruptibleWatch(options.timeoutMs);
  const timer = setInterval(() => {
    const looks = options.pids().map((pid) => ({ pid, state: readKernelState(pid) }));
    for (const stuck of watch.observe(looks, monotonicNow())) options.onStuck(stuck);
  }, watch.intervalMs);
  return { close: () => clearInterval(timer) };
}

function readKernelState(pid: number) {
  try {
    return parseKernelState(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    // The worker ended.
    return null;
  }
}
