/**
 * How this process was started. The packed executable (scripts/build/head.ts) is a shell head that starts the
 * runtime; what the head knows and the runtime can't know comes in environment variables, which are taken out
 * here before anything could inherit them.
 *
 * - `MUSTER_PROGRAM_NAME`: the name that the head was called by, `torchrun` for a symlink of that name.
 * - `MUSTER_REPLACED`: names, separated by blanks, of variables that the head changed for the runtime alone.
 *   The value that each had before is in `MUSTER_SAVED_<name>`; it was not set when that is not there.
 * - `MUSTER_NOFILE_SOFT` is read and taken out by worker_limits.ts.
 */

/** Of `Deno.env`, what is used here. */
export type Environment = Pick<typeof Deno.env, "get" | "set" | "delete">;

/**
 * Takes the head's variables out of `environment`, gives the changed ones their values back, and returns the name
 * that muster was called by. Call it first, and once.
 */
export function takeInvocation(environment: Environment = Deno.env): string {
  for (const name of environment.get("MUSTER_REPLACED")?.split(" ") ?? []) {
    const saved = environment.get(`MUSTER_SAVED_${name}`);
    if (saved === undefined) environment.delete(name);
    else environment.set(name, saved);
    environment.delete(`MUSTER_SAVED_${name}`);
  }
  environment.delete("MUSTER_REPLACED");
  const name = environment.get("MUSTER_PROGRAM_NAME");
  environment.delete("MUSTER_PROGRAM_NAME");
  return name ?? (Deno.build.standalone ? baseName(compiledName()) : "muster");
}

/** `deno compile`'s executables see a symlink resolved in `Deno.execPath`; the first argument is as it was typed. */
function compiledName(): string {
  try {
    return Deno.readTextFileSync("/proc/self/cmdline").split("\0")[0]!;
  } catch {
    return Deno.execPath();
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
