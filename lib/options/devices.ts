/**
 * The words that `--nproc-per-node` takes for a number: which devices to count. torchrun imports PyTorch and asks it; here the drivers'
 * files and the masks in the environment answer, so that nothing is loaded and no device is touched. What PyTorch was
 * built for is not known here: a PyTorch without CUDA on a machine with NVIDIA GPUs counts CPUs for `auto`, we GPUs.
 */

import { unreachable } from "../core/assert.ts";
import type { UsageProblem } from "../core/errors.ts";
import { findAmdDevices } from "./amd_devices.ts";
import { affinityCpuCount, cgroupCpuLimit } from "./cpus.ts";
import type { Detection, DevicesFound } from "./detection.ts";
import { findIntelDevices } from "./intel_devices.ts";
import type { MachineView } from "./machine_view.ts";
import { findAscendDevices, findGaudiDevices } from "./npu_devices.ts";
import { findNvidiaDevices } from "./nvidia_devices.ts";

/** `cuda` is ours: torchrun refuses it. */
export const DEVICE_KINDS = ["auto", "cpu", "gpu", "cuda", "xpu", "npu", "hpu"] as const;
export type DeviceKind = (typeof DEVICE_KINDS)[number];

export interface CountOptions {
  /** How the user gave the text: `--nproc-per-node`, `PET_NPROC_PER_NODE`. */
  readonly source: string;
  readonly virtualLocalRank: boolean;
}

export type DeviceCount =
  | {
    readonly kind: "count";
    readonly count: number;
    /** What was counted; null: nothing, the number was given. */
    readonly because: string | null;
    readonly notices: readonly string[];
  }
  /** The host is to run this command and to ask again with `MachineView.commandOutput`. */
  | { readonly kind: "command"; readonly command: readonly string[] }
  | { readonly kind: "problem"; readonly problem: UsageProblem };

/** The workers on this machine for one of the words. */
export function countDevices(kind: DeviceKind, machine: MachineView, options: CountOptions): DeviceCount {
  switch (kind) {
    case "auto":
      return countAny(machine, options);
    case "cpu":
      return countCpus(machine, options);
    case "gpu":
    case "cuda":
      return demand("Cuda", findGpus(machine, options), options);
    case "xpu":
      return demand("Xpu", findIntelDevices(machine), options);
    case "npu":
      return demand("Npu", findAscendDevices(machine), options);
    case "hpu":
      return demand("Hpu", findGaudiDevices(machine), options);
    default:
      return unreachable(kind);
  }
}

/** `torch.cuda` stands for AMD's GPUs too, in a PyTorch that is built for them. */
function findGpus(machine: MachineView, options: CountOptions): Detection {
  const nvidia = findNvidiaDevices(machine, options);
  if (nvidia.kind === "command" || nvidia.present > 0) return nvidia;
  const amd = findAmdDevices(machine);
  return amd.present > 0 ? amd : { ...amd, because: "no NVIDIA or AMD GPU" };
}

/** The count, or torchrun's sentence where there is no device. */
function demand(name: string, detection: Detection, { source }: CountOptions): DeviceCount {
  if (detection.kind === "command") return detection;
  if (detection.count > 0) return counted(detection);
  const message = `${name} is not available: ${source} found ${detection.because}`;
  const hint = "Give the number of workers, or auto, which counts CPUs where there are no devices";
  return { kind: "problem", problem: { message, hint } };
}

/** The first kind that is there, in the order of PyTorch's `torch.accelerator`, else the CPUs. */
function countAny(machine: MachineView, options: CountOptions): DeviceCount {
  const gpus = findGpus(machine, options);
  if (gpus.kind === "command" || gpus.count > 0) return counted(gpus);
  const intel = findIntelDevices(machine);
  if (intel.count > 0 && !intel.isIntegrated) return counted(intel);
  for (const find of [findGaudiDevices, findAscendDevices]) {
    const found = find(machine);
    if (found.count > 0) return counted(found);
  }
  const cpus = countCpus(machine, options);
  if (cpus.kind !== "count" || intel.count === 0) return cpus;
  // Most machines with an integrated GPU have a PyTorch that can't use it.
  const notice = `${options.source} auto counts CPUs: the ${intel.because} is used only with xpu`;
  return { ...cpus, notices: [notice, ...cpus.notices] };
}

function countCpus(machine: MachineView, { source }: CountOptions): DeviceCount {
  const affinity = affinityCpuCount(machine.files);
  const count = affinity ?? machine.cpuCount;
  const because = `${count} CPU${count === 1 ? "" : "s"}${affinity === null ? "" : " in the affinity mask"}`;
  const limit = cgroupCpuLimit(machine.files);
  const notices = limit === null || limit >= count ? [] : [
    `${source}: ${because}, but the cgroup allows the time of ${
      Number(limit.toFixed(1))
    }; for a worker on each of ` +
    `those, give ${Math.max(1, Math.floor(limit))}`,
  ];
  return { kind: "count", count, because, notices };
}

function counted(found: Detection): DeviceCount {
  if (found.kind === "command") return found;
  const { count, because, notices }: DevicesFound = found;
  return { kind: "count", count, because, notices };
}
