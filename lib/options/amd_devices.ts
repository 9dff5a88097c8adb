/**
 * AMD's GPUs, from the kernel driver's topology. A node of it can be used where its render node is there, which is
 * how containers are given some of the GPUs. Sources: ROCm's topology documentation; `topology_sysfs_check_node_supported`
 * in ROCR's libhsakmt; ROCm's page "GPU isolation techniques". Tried on recorded trees only.
 */

import { type DevicesFound, devicesFound, type Mask } from "./detection.ts";
import { type FileView, numbersAfter } from "./file_view.ts";
import { type MachineView, variable } from "./machine_view.ts";

/** AMD GPUs that a HIP program started now would see. */
export function findAmdDevices(machine: MachineView): DevicesFound {
  const present = gpuIdentifiers(machine.files);
  const masks: Mask[] = [];
  let left = present;
  const apply = (name: string): boolean => {
    const value = variable(machine, name);
    if (value === undefined) return false;
    masks.push({ name, value });
    left = select(value, left);
    return true;
  };
  // The runtime below HIP takes its mask first; HIP counts within what that leaves.
  apply("ROCR_VISIBLE_DEVICES");
  if (!apply("HIP_VISIBLE_DEVICES")) apply("CUDA_VISIBLE_DEVICES");
  return devicesFound("AMD GPU", { present: present.length, count: left.length }, { masks });
}

/** `GPU-` and the unique id of each GPU in hexadecimal; older ones have none. */
function gpuIdentifiers(files: FileView): readonly string[] {
  if (files.kind("/dev/kfd") === "missing") return [];
  const renderNodes = numbersAfter("renderD", files.list("/dev/dri"));
  const root = "/sys/class/kfd/kfd/topology/nodes";
  return numbersAfter("", files.list(root)).flatMap((node) => {
    // Nodes of GPUs that a cgroup withholds can't be read.
    const properties = files.readText(`${root}/${node}/properties`) ?? "";
    const property = (name: string) => new RegExp(`^${name} (\\d+)$`, "m").exec(properties)?.[1] ?? "0";
    if (property("simd_count") === "0") return [];
    if (!renderNodes.includes(Number(property("drm_render_minor")))) return [];
    return [`GPU-${BigInt(property("unique_id")).toString(16).padStart(16, "0")}`];
  });
}

/** Entries are indices or `GPU-` names; the first that fits no device ends the list, one named twice empties it. */
function select(mask: string, devices: readonly string[]): readonly string[] {
  const chosen = new Set<number>();
  for (const entry of mask.split(",").map((text) => text.trim())) {
    let at = /^\d+$/.test(entry) ? Number(entry) : -1;
    if (entry.startsWith("GPU-")) {
      at = devices.indexOf(entry.toLowerCase().replace("gpu-", "GPU-"));
      // Newer drivers have a longer form than the topology shows; what can't be compared is believed.
      if (at < 0) at = devices.findIndex((_, index) => !chosen.has(index));
    }
    if (at < 0 || at >= devices.length) break;
    if (chosen.has(at)) return [];
    chosen.add(at);
  }
  return [...chosen].map((index) => devices[index]!);
}
