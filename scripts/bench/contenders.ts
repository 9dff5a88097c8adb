/** Who is measured: torchrun, a bare script as the least possible, and muster in each form in which it is shipped. */

import { LAUNCHERS, plainEnvironment, pytorchIsInstalled } from "../../tests/interop/harness.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

export interface Contender {
  readonly name: string;
  /** Program and leading arguments. */
  readonly commandLine: readonly string[];
}

export interface Contenders {
  readonly torchrun: Contender | null;
  readonly bare: Contender;
  readonly muster: readonly Contender[];
  /** What could not be measured, and what to do about it. */
  readonly missing: readonly string[];
}

export function findContenders(): Contenders {
  const missing: string[] = [];
  const muster: Contender[] = [{ name: "source", commandLine: LAUNCHERS.muster }];
  const bundle = `${ROOT}dist/muster.js`;
  const executable = `${ROOT}dist/muster`;
  const runsBundle = [Deno.execPath(), "run", "-A", "--quiet", "--no-config", "--no-lock", bundle];
  if (isFile(bundle)) muster.push({ name: "bundle", commandLine: runsBundle });
  else missing.push("no dist/muster.js: deno task build makes it");
  if (isFile(executable)) muster.push({ name: "dist/muster", commandLine: [executable] });
  else missing.push("no dist/muster: deno task build makes it");
  const torchrun = pytorchIsInstalled() ? { name: "torchrun", commandLine: LAUNCHERS.torchrun } : null;
  if (torchrun === null) {
    missing.push("no torchrun: .ci/run installs PyTorch; without it there are no ratios");
  }
  const runsBare = [Deno.execPath(), "run", "-A", "--quiet", `${ROOT}scripts/bench/bare.ts`];
  return { torchrun, bare: { name: "bare Deno", commandLine: runsBare }, muster, missing };
}

/** Starts a contender with its output thrown away. */
export function start(
  contender: Contender,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Deno.ChildProcess {
  return new Deno.Command(contender.commandLine[0]!, {
    args: [...contender.commandLine.slice(1), ...args],
    clearEnv: true,
    env: { ...plainEnvironment(), ...env },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
