/**
 * Parsed options and a machine to a launch plan: every default resolved, everything that cannot work found out before
 * anything is started. Sources of torchrun's rules: torchrun.md 1.3 to 1.6 and 6.
 */

import type { UsageProblem } from "../core/errors.ts";
import { givenName } from "./checks.ts";
import { checkedValue } from "./checked.ts";
import { countDevices, type DeviceCount } from "./devices.ts";
import type { Findings, Reasons } from "./findings.ts";
import type { LaunchPlan } from "./launch_plan.ts";
import { type MachineView, variable } from "./machine_view.ts";
import type { Options, ParsedOptions } from "./options.ts";
import { checkVirtualRanks, chooseDevices, type DeviceChoice, inheritedDevices } from "./plan_devices.ts";
import { planMeeting } from "./plan_meeting.ts";
import { checkStdinRank, planOutput } from "./plan_output.ts";
import { planStopping } from "./plan_stopping.ts";
import { planWatch } from "./plan_watch.ts";
import { parseWorkerCount } from "./values.ts";
import { workerCommand } from "./worker_command.ts";

/** More workers need `--force`: it is a slip of the keyboard more often than a wish. */
export const WORKERS_MAX = 4096;

export interface PlanResult {
  /** Null when there is a problem, or a command to run first. */
  readonly plan: LaunchPlan | null;
  readonly problems: readonly UsageProblem[];
  readonly notices: readonly string[];
  /** Run this, then plan again with what it printed in `MachineView.commandOutput`; null: nothing to run. */
  readonly needs: readonly string[] | null;
  readonly reasons: Reasons;
}

export function planLaunch(parsed: ParsedOptions, machine: MachineView): PlanResult {
  const { values } = parsed;
  const findings: Findings = { problems: [], notices: [], reasons: new Map() };
  const { problems, notices, reasons } = findings;
  const source = givenName(parsed, "nprocPerNode") ?? "--nproc-per-node";
  const devices = chooseDevices(values, machine, findings);
  const counted = countWorkers(values, devices, source);
  if (counted.kind === "command") {
    return { plan: null, problems: [], notices: [], needs: counted.command, reasons };
  }
  const possibleCount = checkCount(counted, { source, values }, findings);
  if (possibleCount !== null) {
    checkStdinRank(values, possibleCount, findings);
    if (values.virtualLocalRank) checkVirtualRanks(devices.chosen, possibleCount, machine, findings);
  }
  const workerCount = possibleCount ?? 1;
  const meeting = planMeeting(parsed, machine, findings);
  const { command, because } = workerCommand(values, workerCount, machine, findings);
  if (because !== null) reasons.set("command", because);
  const inherited = inheritedDevices(machine);
  const rest = {
    workerCount,
    role: values.role,
    maxRestarts: values.maxRestarts,
    environment: commonVariables(values, workerCount, machine),
    devices: devices.chosen,
    // Binding to CPUs is a step of its own (numa_binding.ts).
    cpuBinding: null,
    virtualLocalRank: values.virtualLocalRank,
    inheritedCudaVisibleDevices: inherited.cuda,
    inheritedHipVisibleDevices: inherited.hip,
    exitCode: values.exitCode,
    ...planStopping(parsed, machine, findings),
    ...planOutput(parsed, machine, findings),
    watch: planWatch(parsed, machine, findings),
  };
  const isPossible = problems.length === 0 && meeting !== null && command !== null;
  return {
    plan: isPossible ? { ...meeting, ...rest, command } : null,
    problems,
    notices,
    needs: null,
    reasons,
  };
}

/** The number that was given, or that of the devices that were named. */
function countWorkers(values: Options, { chosen, machine }: DeviceChoice, source: string): DeviceCount {
  const wanted = checkedValue(parseWorkerCount(values.nprocPerNode));
  if (typeof wanted === "number") return { kind: "count", count: wanted, because: null, notices: [] };
  // Who chooses GPUs does not want to end up on CPUs.
  const kind = wanted === "auto" && chosen !== null ? "gpu" : wanted;
  const counted = countDevices(kind, machine, { source, virtualLocalRank: values.virtualLocalRank });
  // A CUDA process sees only one of several MIG instances.
  const mayBeFewer = chosen === null || kind === "cpu" || chosen[0]!.startsWith("MIG-");
  if (mayBeFewer || counted.kind !== "count" || counted.count === chosen.length) return counted;
  const message = `--gpus=${values.gpus} names a GPU that is not there: ${source} found ${counted.because}`;
  return { kind: "problem", problem: { message } };
}

/** The number of workers; null where it is not possible. */
function checkCount(
  counted: Exclude<DeviceCount, { kind: "command" }>,
  { source, values }: { readonly source: string; readonly values: Options },
  { problems, notices, reasons }: Findings,
): number | null {
  if (counted.kind === "problem") {
    problems.push(counted.problem);
    return null;
  }
  const { count, because } = counted;
  notices.push(...counted.notices);
  if (because !== null) reasons.set("workerCount", `${source}=${values.nprocPerNode}: ${because}`);
  if (count <= WORKERS_MAX || values.force) return count;
  problems.push({
    message: `${source} asks for ${count} workers on this machine, more than ${WORKERS_MAX}`,
    hint: "If that is meant, add --force",
  });
  return null;
}

/** Variables that all workers get alike, beside those of the launcher (torchrun.md 1.6 and 2). */
function commonVariables(
  values: Options,
  workerCount: number,
  machine: MachineView,
): Record<string, string> {
  const variables: Record<string, string> = {
    TORCHELASTIC_SIGNALS_TO_HANDLE: values.signalsToHandle,
    TORCH_NCCL_ASYNC_ERROR_HANDLING: variable(machine, "TORCH_NCCL_ASYNC_ERROR_HANDLING") ?? "1",
  };
  if (workerCount > 1 && variable(machine, "OMP_NUM_THREADS") === undefined) {
    variables["OMP_NUM_THREADS"] = "1";
  }
  return variables;
}
