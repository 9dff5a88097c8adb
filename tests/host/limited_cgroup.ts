/** A memory cgroup of our own with a limit, on machines whose rights allow one. */

import { findMemoryCgroup } from "../../lib/host/cgroup.ts";

export interface LimitedCgroup extends Disposable {
  /** Write a pid to its `cgroup.procs` to put a process in. */
  readonly directory: string;
}

/** Whether this machine lets us make one; says so where it does not. */
export function canLimitMemory(): boolean {
  try {
    newLimitedCgroup(1 << 30)[Symbol.dispose]();
    return true;
  } catch {
    console.log("Left out: no memory cgroup can be made here");
    return false;
  }
}

/** Makes a group below the one that we are in. Its processes must be gone when it is disposed of. */
export function newLimitedCgroup(limitBytes: number): LimitedCgroup {
  const own = findMemoryCgroup((path) => {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return null;
    }
  });
  if (own === null) throw new Error("No memory cgroup is mounted");
  const directory = `${own.directory}/muster-test-${crypto.randomUUID()}`;
  Deno.mkdirSync(directory);
  const cgroup = { directory, [Symbol.dispose]: () => Deno.removeSync(directory) };
  try {
    const limitFile = own.version === 1 ? "memory.limit_in_bytes" : "memory.max";
    Deno.writeTextFileSync(`${directory}/${limitFile}`, String(limitBytes));
  } catch (error) {
    cgroup[Symbol.dispose]();
    throw error;
  }
  return cgroup;
}
