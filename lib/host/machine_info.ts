/** The machine under a plan: its values are read when a plan asks for them, and commands run only on request. */

import type { MachineView } from "../options/machine_view.ts";
import type { ParsedOptions } from "../options/options.ts";
import { planLaunch, type PlanResult } from "../options/plan.ts";
import { fileView } from "./file_view.ts";

/** `nvidia-smi` can take seconds where the driver has to be loaded first, and hangs where a GPU is broken. */
const COMMAND_LIMIT_MS = 30_000;
/** How long a command that was ended may take to be gone. */
const KILL_WAIT_MS = 1_000;

/** Plans a launch on this machine, with the launcher's own environment. */
export async function planOnThisMachine(parsed: ParsedOptions): Promise<PlanResult> {
  const environment = Deno.env.toObject();
  const uuid = crypto.randomUUID();
  const machine = (commandOutput: string | null | undefined): MachineView => ({
    environment,
    cwd: Deno.cwd(),
    files: fileView,
    cpuCount: navigator.hardwareConcurrency,
    uuid,
    commandOutput,
  });
  const plan = parsed.values.numaBinding === null ? planLaunch : await planWithBinding();
  const first = plan(parsed, machine(undefined));
  return first.needs === null ? first : plan(parsed, machine(await outputOf(first.needs)));
}

async function planWithBinding(): Promise<typeof planLaunch> {
  const { withCpuBinding } = await import("../options/numa_binding.ts");
  return (parsed, machine) => withCpuBinding(planLaunch(parsed, machine), parsed, machine);
}

/** What a command prints; null: it can't be run, fails or takes too long. */
export async function outputOf(
  [program, ...args]: readonly string[],
  { limitMs = COMMAND_LIMIT_MS }: { readonly limitMs?: number } = {},
): Promise<string | null> {
  const limit = new AbortController();
  const command = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    signal: limit.signal,
  });
  const endTimer = setTimeout(() => limit.abort(), limitMs);
  let leaveTimer: ReturnType<typeof setTimeout> | undefined;
  // A broken GPU can hold a process in the kernel, where no signal reaches it.
  const left = new Promise<null>((resolve) =>
    leaveTimer = setTimeout(() => resolve(null), limitMs + KILL_WAIT_MS)
  );
  try {
    const output = await Promise.race([command.output(), left]);
    return output?.success ? new TextDecoder().decode(output.stdout) : null;
  } catch {
    return null;
  } finally {
    clearTimeout(endTimer);
    clearTimeout(leaveTimer);
  }
}
