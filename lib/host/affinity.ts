/**
 * Starts workers on CPUs of their own (`--numa-binding`). The affinity must be there before the worker's first thread
 * is: so the launcher's main thread takes it for the moment of the spawn, which happens in that thread, and the child
 * inherits it. No thread of the launcher begins in that moment. Where the C library is not at hand `taskset`
 * (util-linux, busybox) does it, and becomes the worker.
 */

import { cpuListText } from "../options/cpus.ts";
import { openLibc } from "./libc.ts";
import { type SpawnRequest, spawnWorker, type WorkerChild } from "./child.ts";
import type { WithWorkerLimits } from "./worker_limits.ts";

/** Not among those of libc.ts: each call adds 0.15 ms to the start of a job, and few jobs need these. */
const SYMBOLS = {
  sched_getaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  sched_setaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
} as const;

type Calls = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const calls = openLibc(SYMBOLS)?.symbols ?? null;

/** Starts the worker with only `cpus` (not empty) to run on. Throws as `spawnWorker` does. */
export type SpawnOnCpus = (
  request: SpawnRequest,
  cpus: readonly number[],
  withLimits: WithWorkerLimits,
) => WorkerChild;

export const spawnOnCpus: SpawnOnCpus = (request, cpus, withLimits) =>
  calls === null
    ? spawnWorker(throughTaskset(request, cpus), withLimits)
    : onCpus(calls, cpus, () => spawnWorker(request, withLimits));

/** The same worker with `taskset` in front. */
export function throughTaskset(request: SpawnRequest, cpus: readonly number[]): SpawnRequest {
  return {
    ...request,
    executable: "taskset",
    arguments: ["-c", cpuListText(cpus), request.executable, ...request.arguments],
  };
}

/** A mask of 8,192 CPUs, the most that Linux can be built for. */
const MASK_WORDS = 128;
const MASK_BYTES = BigInt(MASK_WORDS * 8);
const CALLING_THREAD = 0;

function onCpus<T>(
  { sched_getaffinity, sched_setaffinity }: Calls,
  cpus: readonly number[],
  spawn: () => T,
): T {
  const own = new BigUint64Array(MASK_WORDS);
  const wanted = new BigUint64Array(MASK_WORDS);
  for (const cpu of cpus) wanted[cpu >> 6]! |= 1n << BigInt(cpu & 63);
  const isSet = sched_getaffinity(CALLING_THREAD, MASK_BYTES, own) === 0 &&
    sched_setaffinity(CALLING_THREAD, MASK_BYTES, wanted) === 0;
  if (!isSet) throw new Error(`the system lets nothing run on the CPUs ${cpuListText(cpus)} any more`);
  try {
    return spawn();
  } finally {
    sched_setaffinity(CALLING_THREAD, MASK_BYTES, own);
  }
}
