/**
 * The limit on open files that the launcher was started with. Deno raises its own soft limit to the hard one at
 * start, and children would inherit that; a worker must see what its user set, as under torchrun.
 */

import { libc } from "./libc.ts";

/** The packed executable passes its own soft limit on in this variable: a shell still sees the original. */
export const NOFILE_VARIABLE = "MUSTER_NOFILE_SOFT";
const RLIMIT_NOFILE = 7;

/** Runs `spawn` so that its child starts with the original soft limit. */
export type WithWorkerLimits = <T>(spawn: () => T) => T;

/**
 * Finds the original limit and returns the wrapper for spawns. Without FFI, or where the original equals the
 * present limit, the wrapper does nothing.
 */
export function workerLimits(): WithWorkerLimits {
  const recorded = Deno.env.get(NOFILE_VARIABLE);
  // The workers must not see it: it describes this process alone.
  if (recorded !== undefined) Deno.env.delete(NOFILE_VARIABLE);
  const original = recorded === undefined ? softLimitOfParent() : parseLimit(recorded);
  const library = libc();
  const present = new BigUint64Array(2);
  if (library === null || original === undefined || library.getrlimit(RLIMIT_NOFILE, present) !== 0) {
    return (spawn) => spawn();
  }
  const [soft, hard] = [present[0]!, present[1]!];
  if (original >= soft) return (spawn) => spawn();
  return (spawn) => {
    library.setrlimit(RLIMIT_NOFILE, new BigUint64Array([original, hard]));
    try {
      return spawn();
    } finally {
      library.setrlimit(RLIMIT_NOFILE, new BigUint64Array([soft, hard]));
    }
  };
}

/** The parent's limit is ours before Deno raised it, unless the parent is itself a Deno. */
function softLimitOfParent(): bigint | undefined {
  try {
    const line = Deno.readTextFileSync(`/proc/${Deno.ppid}/limits`).match(/^Max open files +(\S+)/m);
    return line?.[1] === undefined ? undefined : parseLimit(line[1]);
  } catch {
    return undefined;
  }
}

function parseLimit(text: string): bigint | undefined {
  return /^\d+$/.test(text) ? BigInt(text) : undefined;
}
