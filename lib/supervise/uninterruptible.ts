/**
 * Notices a worker that hangs in the kernel: continuously in uninterruptible sleep ("D", waiting for a device or a
 * file server), where no signal reaches it (torchrun.md 6, TORCHELASTIC_UNINTERRUPTIBLE_STATE_TIMEOUT).
 *
 * Two looks that both find "D" prove nothing: a worker that reads a lot is often found so. The kernel's count of
 * context switches tells: as long as it stands still, the worker has not run at all.
 */

import { assert } from "../core/assert.ts";
import { durationText, type InstantMs } from "../core/time.ts";

/** What /proc/<pid>/status says of a worker's main thread. */
export interface KernelState {
  /** "R", "S", "D", … */
  readonly letter: string;
  /** Context switches so far, voluntary and not. */
  readonly switches: number;
}

/** One look at one process; null: it has no state any more, or none that can be read. */
export interface Look {
  readonly pid: number;
  readonly state: KernelState | null;
}

export interface StuckProcess {
  readonly pid: number;
  /** Completes "worker 3 is given up: it is …". */
  readonly reason: string;
}

interface Dwell {
  readonly since: InstantMs;
  readonly switches: number;
  readonly reported: boolean;
}

export class UninterruptibleWatch {
  readonly #timeoutMs: number;
  #dwells: ReadonlyMap<number, Dwell> = new Map();

  constructor(timeoutMs: number) {
    assert(timeoutMs > 0, `A timeout must be positive: got ${timeoutMs}`);
    this.#timeoutMs = timeoutMs;
  }

  /** How often to look: late by an eighth at most, and never more than eight times a second. */
  get intervalMs(): number {
    return Math.min(5_000, Math.max(125, this.#timeoutMs / 8));
  }

  /** Takes one look at every running worker; returns those that have been stuck for the timeout, each once. */
  observe(looks: readonly Look[], now: InstantMs): StuckProcess[] {
    const dwells = new Map<number, Dwell>();
    const stuck: StuckProcess[] = [];
    for (const { pid, state } of looks) {
      if (state?.letter !== "D") continue;
      const before = this.#dwells.get(pid);
      const stays = before?.switches === state.switches;
      const since = stays ? before!.since : now;
      const isDue = now - since >= this.#timeoutMs;
      if (isDue && !before!.reported) stuck.push({ pid, reason: reasonText(now - since) });
      dwells.set(pid, { since, switches: state.switches, reported: isDue });
    }
    this.#dwells = dwells;
    return stuck;
  }
}

function reasonText(dwellMs: number): string {
  return `stuck in the kernel for ${
    durationText(dwellMs)
  } (uninterruptible sleep, state D: a device or a file ` +
    "server does not answer), where no signal reaches it";
}

/** Reads /proc/<pid>/status; null when the fields aren't there. Source: proc_pid_status(5). */
export function parseKernelState(status: string): KernelState | null {
  const letter = /^State:\s+(\S)/m.exec(status)?.[1];
  const voluntary = /^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1];
  const forced = /^nonvoluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1];
  if (letter === undefined || voluntary === undefined || forced === undefined) return null;
  return { letter, switches: Number(voluntary) + Number(forced) };
}
