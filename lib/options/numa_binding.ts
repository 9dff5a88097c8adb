/**
 * `--numa-binding`: the CPUs of each worker, near the GPU whose index is its local rank (torchrun.md 6, "NUMA
 * binding"). Like PyTorch it wants an NVIDIA or AMD GPU for each worker, and what can't be bound is not started. A part
 * of planning that comes after `planLaunch`, so that a job without it does not load it.
 */

import type { UsageProblem } from "../core/errors.ts";
import { locateAmdDevices } from "./amd_devices.ts";
import { givenName } from "./checks.ts";
import type { Location } from "./detection.ts";
import type { MachineView } from "./machine_view.ts";
import { cpusForDevice, NUMA_MODES } from "./numa_modes.ts";
import { readTopology } from "./numa_topology.ts";
import { locateNvidiaDevices } from "./nvidia_devices.ts";
import type { ParsedOptions } from "./options.ts";
import type { PlanResult } from "./plan.ts";
import { chooseDevices } from "./plan_devices.ts";

/** The plan with the CPUs of each worker, or with the problem that keeps it from having them. */
export function withCpuBinding(planned: PlanResult, parsed: ParsedOptions, machine: MachineView): PlanResult {
  const { plan } = planned;
  const mode = NUMA_MODES.find((name) => name === parsed.values.numaBinding);
  if (plan === null || mode === undefined) return planned;
  const { workerCount, virtualLocalRank } = plan;
  const option = `${givenName(parsed, "numaBinding")}=${mode}`;
  const refuse = ({ message, ...hint }: UsageProblem): PlanResult => ({
    ...planned,
    plan: null,
    problems: [...planned.problems, { message: `${option}: ${message}`, ...hint }],
  });

  // The plan has no problem, so neither has its choice of devices.
  const seen = chooseDevices(parsed.values, machine, { problems: [], notices: [], reasons: new Map() });
  const location = locateDevices(seen.machine, virtualLocalRank);
  if (location.kind === "command") return { ...planned, plan: null, needs: location.command };
  if (location.kind === "unknown") return refuse({ message: location.because });
  const { addresses, because, notices } = location;
  if (addresses.length < workerCount) {
    const message = addresses.length === 0
      ? `No accelerator available for NUMA binding: found no NVIDIA or AMD GPU that workers would see`
      : `each worker needs a GPU of its own: ${workerCount} workers, but ${because}`;
    return refuse({ message, hint: "Leave it out for workers without a GPU" });
  }

  const topology = readTopology(machine.files);
  if (topology === null) return refuse({ message: "/proc does not say on which CPUs the launcher may run" });
  const nodes: number[] = [];
  for (const address of addresses) {
    const node = topology.nodeOfDevice(address);
    if (node === null) {
      return refuse({
        message: `/sys/bus/pci does not say to which NUMA node the GPU at ${address} is next`,
      });
    }
    nodes.push(node);
  }
  const cpuBinding: (readonly number[])[] = [];
  for (let localRank = 0; localRank < workerCount; localRank++) {
    const cpus = cpusForDevice(mode, localRank, { nodes, topology });
    if (cpus.kind === "problem") return refuse(cpus.problem);
    cpuBinding.push(cpus.value);
  }
  const near = nodes.slice(0, workerCount).join(",");
  return {
    ...planned,
    plan: { ...plan, cpuBinding },
    notices: [...planned.notices, ...notices],
    reasons: new Map([...planned.reasons, ["cpuBinding", `${option}, GPUs next to the nodes ${near}`]]),
  };
}

/** NVIDIA's come first, as in `countDevices`. */
function locateDevices(machine: MachineView, virtualLocalRank: boolean): Location {
  const nvidia = locateNvidiaDevices(machine, { virtualLocalRank });
  if (nvidia.kind !== "located" || nvidia.addresses.length > 0) return nvidia;
  const amd = locateAmdDevices(machine);
  return amd.kind !== "located" || amd.addresses.length > 0 ? amd : nvidia;
}
