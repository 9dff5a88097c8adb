/** What workers have printed so far, as status and metrics show it, whichever way their output goes. */

import type { WallMs } from "../core/time.ts";
import type { Activity } from "../logs/activity.ts";
import { TAIL_BYTES_MAX, tailLines } from "../logs/tail.ts";
import { monotonicNow, wallNow } from "./clock.ts";

export interface WorkerActivity {
  readonly bytes: number;
  /** Null: nothing yet. */
  readonly lastOutputAt: WallMs | null;
  lines(linesMax: number): string[];
}

/** `files`: those that the worker writes itself, of which the launcher sees nothing. */
export function workerActivity(seen: Activity, files: readonly string[]): WorkerActivity {
  let { bytes } = seen;
  let lastOutputAt = seen.lastAt === null ? null : wallNow() - (monotonicNow() - seen.lastAt);
  let newest: string | null = null;
  for (const path of files) {
    const { size, writtenAt } = fileState(path);
    if (size === 0) continue;
    bytes += size;
    if (lastOutputAt !== null && writtenAt <= lastOutputAt) continue;
    lastOutputAt = writtenAt;
    newest = path;
  }
  return {
    bytes,
    lastOutputAt,
    lines: (linesMax) => newest === null ? seen.lines(linesMax) : fileTail(newest).slice(-linesMax),
  };
}

function fileState(path: string): { size: number; writtenAt: WallMs } {
  try {
    const { size, mtime } = Deno.statSync(path);
    return { size, writtenAt: mtime?.getTime() ?? 0 };
  } catch {
    return { size: 0, writtenAt: 0 };
  }
}

/** The last lines of a file that its worker wrote alone; none where it can't be read. */
export function fileTail(path: string, from = 0): string[] {
  try {
    using file = Deno.openSync(path);
    const size = file.statSync().size;
    const bytes = new Uint8Array(Math.min(Math.max(0, size - from), TAIL_BYTES_MAX));
    file.seekSync(size - bytes.length, Deno.SeekMode.Start);
    const count = file.readSync(bytes) ?? 0;
    return tailLines(bytes.subarray(0, count), { isCut: size - from > bytes.length });
  } catch {
    return [];
  }
}

/** 0: there is no such file. */
export function fileSize(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}
