/**
 * One trial of "no worker outlives its launcher": a job with restarts, children and an escaped session is killed at
 * a random moment of its start, run, restart or stop, and everything it started must be gone.
 */

import type { Prng } from "../../lib/core/prng.ts";
import { killMarked, newMark, type ProcessInfo, waitUntilGone } from "./processes.ts";

/**
 * Each worker has a child in its group and one in a session of its own. The first two attempts fail soon, so that
 * the launcher restarts; one worker of three ignores SIGTERM.
 */
const WORKER = `
  [ "$RANK" = 1 ] && trap "" TERM
  sleep 300 &
  setsid sleep 300 &
  [ "$TORCHELASTIC_RESTART_COUNT" -lt 2 ] && [ "$RANK" = 0 ] && { sleep 0.1; exit 1; }
  while :; do sleep 300; done
`;

export interface LeakTrial {
  /** Since the start: when the launcher got SIGTERM first, if it did, and when SIGKILL. */
  readonly stoppedAtMs: number | null;
  readonly killedAtMs: number;
  /** Time from the kill until everything was gone. */
  readonly goneAfterMs: number;
  /** What was still there after the time allowed. */
  readonly left: readonly ProcessInfo[];
}

/** Starts `launcher` (program and leading arguments), kills it at a moment drawn from `random`, and counts. */
export async function leakTrial(
  launcher: readonly string[],
  options: { readonly random: Prng; readonly allowedMs: number },
): Promise<LeakTrial> {
  const { random, allowedMs } = options;
  const stoppedAtMs = random.chance(1, 3) ? random.below(500) : null;
  const killedAtMs = (stoppedAtMs ?? 0) + random.below(stoppedAtMs === null ? 700 : 200);
  const jobOptions = ["--standalone", "--nproc-per-node=3", "--max-restarts=3", "--shutdown-timeout=1"];
  const mark = newMark();
  const temporaryDirectory = await Deno.makeTempDir({ prefix: "muster-leak-" });
  const child = new Deno.Command(launcher[0]!, {
    args: [...launcher.slice(1), ...jobOptions, "--no-python", "sh", "-c", WORKER],
    env: { ...mark.env, TMPDIR: temporaryDirectory },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const startedAt = performance.now();
    const until = (atMs: number) =>
      new Promise((resolve) => setTimeout(resolve, Math.max(0, startedAt + atMs - performance.now())));
    if (stoppedAtMs !== null) {
      await until(stoppedAtMs);
      child.kill("SIGTERM");
    }
    await until(killedAtMs);
    try {
      child.kill("SIGKILL");
    } catch (error) {
      // The SIGTERM was already enough.
      if (!(error instanceof TypeError)) throw error;
    }
    await child.status;
    const killedAt = performance.now();
    const left = await waitUntilGone(mark, allowedMs);
    return { stoppedAtMs, killedAtMs, goneAfterMs: performance.now() - killedAt, left };
  } finally {
    killMarked(mark);
    await child.status;
    await Deno.remove(temporaryDirectory, { recursive: true });
  }
}
