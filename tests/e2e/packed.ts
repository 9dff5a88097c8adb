/**
 * Packed executables with a stand-in for the runtime: a small shell script that tells from where it was started
 * and with what. What the shell head does is the same for 100 MB and for 300 kB.
 */

import { type Artefacts, machineName, writeArtefacts } from "../../scripts/build/artefacts.ts";

/** Prints its own path, its arguments and its environment; larger than the small file systems of the tests. */
const STAND_IN = `#!/bin/sh
[ "$1" = --version ] && exit 0
echo "runtime=$0"
printf 'argument=%s\\n' "$@"
env
exit 0
`;
const STAND_IN_PADDING_BYTES = 300_000;

/** Builds all artefacts around the stand-in into `directory`. */
export async function buildStandIn(directory: string, machine = machineName(Deno.build)): Promise<Artefacts> {
  const runtimePath = `${directory}/runtime`;
  await Deno.writeTextFile(runtimePath, STAND_IN + "#".repeat(STAND_IN_PADDING_BYTES));
  return await writeArtefacts({
    version: "1.2.3",
    code: "// the bundle\n",
    runtimePath,
    machine,
    directory,
  });
}

export interface RunOptions {
  /** The whole environment: nothing is inherited. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/** Runs to the end, with `PATH` and nothing else in the environment but what is given. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = new Deno.Command(command[0]!, {
    args: command.slice(1),
    clearEnv: true,
    env: { PATH: SYSTEM_PATH, ...options.environment },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.stdin));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** The value of the first line `name=value` of what the stand-in printed. */
export function told({ stdout }: RunResult, name: string): string | undefined {
  return stdout.split("\n").find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** Paths of all files below `directory`, sorted. */
export function filesBelow(directory: string): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) found.push(...filesBelow(path));
    else found.push(path);
  }
  return found.sort();
}

/** Whether this process may make namespaces and mount, as root outside of a locked-down container can. */
export function canMount(): boolean {
  try {
    const { success } = new Deno.Command("unshare", {
      args: ["--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"],
      stdout: "null",
      stderr: "null",
    }).outputSync();
    return success;
  } catch {
    return false;
  }
}
