/**
 * AMD's GPUs, from the kernel driver's topology. A node of it can be used where its render node is there, which is
 * how containers are given some of the GPUs. Sources: ROCm's topology documentation; `topology_sysfs_check_node_supported`
 * in ROCR's libhsakmt; ROCm's page "GPU isolation techniques". Tried on recorded trees only.
 */

import { type DevicesFound, devicesFound, type Location, type Mask } from "./detection.ts";
import { type FileView, numbersAfter } from "./file_view.ts";
import { type MachineView, variable } from "./machine_view.ts";

interface Gpu {
  /** `GPU-` and the unique id in hexadecimal; older ones have none. */
  readonly identifier: string;
  /** Such as `0000:1b:00.0`; null: the driver does not say. */
  readonly address: string | null;
}

/** AMD GPUs that a HIP program started now would see. */
export function findAmdDevices(machine: MachineView): DevicesFound {
  const { present, left, masks } = visibleGpus(machine);
  return devicesFound("AMD GPU", { present: present.length, count: left.length }, { masks });
}

/** The PCI addresses of what `findAmdDevices` finds; HIP numbers GPUs in the order of the topology's nodes. */
export function locateAmdDevices(machine: MachineView): Location {
  const { left } = visibleGpus(machine);
  const addresses = left.flatMap(({ address }) => address ?? []);
  if (addresses.length < left.length) {
    return { kind: "unknown", because: "the AMD driver does not say at which PCI address its GPUs are" };
  }
  return { kind: "located", because: findAmdDevices(machine).because, addresses, notices: [] };
}

/** All GPUs, those that the masks leave in their order, and the masks. */
function visibleGpus(machine: MachineView) {
  const present = allGpus(machine.files);
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
  return { present, left, masks };
}

function allGpus(files: FileView): readonly Gpu[] {
  if (files.kind("/dev/kfd") === "missing") return [];
  const renderNodes = numbersAfter("renderD", files.list("/dev/dri"));
  const root = "/sys/class/kfd/kfd/topology/nodes";
  return numbersAfter("", files.list(root)).flatMap((node) => {
    // Nodes of GPUs that a cgroup withholds can't be read.
    const properties = files.readText(`${root}/${node}/properties`) ?? "";
    const property = (name: string) => new RegExp(`^${name} (\\d+)$`, "m").exec(properties)?.[1] ?? "0";
    if (property("simd_count") === "0") return [];
    if (!renderNodes.includes(Number(property("drm_render_minor")))) return [];
    const identifier = `GPU-${BigInt(property("unique_id")).toString(16).padStart(16, "0")}`;
    return [{ identifier, address: addressOf(Number(property("domain")), Number(property("location_id"))) }];
  });
}

/** Eight bits of bus and five of device; the last three number the parts of a partitioned GPU. */
function addressOf(domain: number, location: number): string | null {
  if (location === 0) return null;
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
  return `${hex(domain, 4)}:${hex((location >> 8) & 0xff, 2)}:${hex((location >> 3) & 0x1f, 2)}.0`;
}

/** Entries are indices or `GPU-` names; the first that fits no device ends the list, one named twice empties it. */
function select(mask: string, devices: readonly Gpu[]): readonly Gpu[] {
  const chosen = new Set<number>();
  for (const entry of mask.split(",").map((text) => text.trim())) {
    let at = /^\d+$/.test(entry) ? Number(entry) : -1;
    if (entry.startsWith("GPU-")) {
      const wanted = entry.toLowerCase().replace("gpu-", "GPU-");
      at = devices.findIndex(({ identifier }) => identifier === wanted);
      // Newer drivers have a longer form than the topology shows; what can't be compared is believed.
      if (at < 0) at = devices.findIndex((_, index) => !chosen.has(index));
    }
    if (at < 0 || at >= devices.length) break;
    if (chosen.has(at)) return [];
    chosen.add(at);
  }
  return [...chosen].map((index) => devices[index]!);
}
