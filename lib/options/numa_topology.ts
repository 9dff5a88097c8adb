/**
 * Which CPUs belong together, from the kernel's files, which are asked only as far as a binding needs them. Sources:
 * the kernel's documentation, admin-guide/cputopology and ABI/stable/sysfs-devices-node; `torch/numa/binding.py` of
 * PyTorch 2.15 for the choice of files.
 */

import { affinityCpus, parseCpuList } from "./cpus.ts";
import { type FileView, numbersAfter } from "./file_view.ts";

/** Answers are null where the system does not say. Sets of CPUs are ascending. */
export interface Topology {
  /** CPUs on which the launcher itself may run: an outer cpuset or affinity is never left. */
  readonly allowed: readonly number[];
  /** Numbers of the NUMA nodes, ascending. */
  readonly nodes: readonly number[];
  /** The NUMA node next to a PCI device. */
  nodeOfDevice(address: string): number | null;
  /** All CPUs of a node, allowed or not; none for a node that is only memory. */
  cpusOfNode(node: number): readonly number[] | null;
  socketOf(cpu: number): number | null;
  /** The CPU with the lowest number on the same physical core. */
  coreOf(cpu: number): number | null;
  /** The CPU with the lowest number under the same last-level cache. */
  complexOf(cpu: number): number | null;
}

const NODES = "/sys/devices/system/node";
const CPUS = "/sys/devices/system/cpu";

/** The topology behind `files`; null where the system does not say on which CPUs the launcher may run. */
export function readTopology(files: FileView): Topology | null {
  const allowed = affinityCpus(files);
  if (allowed === null) return null;
  const number = (path: string): number | null => {
    const text = files.readText(path)?.trim() ?? "";
    return /^-?\d+$/.test(text) ? Number(text) : null;
  };
  const list = (path: string): readonly number[] | null => {
    const text = files.readText(path);
    return text === null ? null : parseCpuList(text);
  };
  return {
    allowed,
    nodes: numbersAfter("node", files.list(NODES)),
    nodeOfDevice(address) {
      const node = number(`/sys/bus/pci/devices/${address}/numa_node`);
      // -1: the firmware does not say, as most do where there is only one node.
      return node === null ? null : Math.max(node, 0);
    },
    cpusOfNode: (node) => list(`${NODES}/node${node}/cpulist`),
    socketOf: (cpu) => number(`${CPUS}/cpu${cpu}/topology/physical_package_id`),
    coreOf: (cpu) => list(`${CPUS}/cpu${cpu}/topology/thread_siblings_list`)?.[0] ?? null,
    complexOf(cpu) {
      const folder = `${CPUS}/cpu${cpu}/cache`;
      const caches = numbersAfter("index", files.list(folder))
        .map((index) => `${folder}/index${index}`)
        .filter((cache) => ["Unified", "Data"].includes(files.readText(`${cache}/type`)?.trim() ?? ""))
        .map((cache) => ({ level: number(`${cache}/level`) ?? 0, cpus: list(`${cache}/shared_cpu_list`) }));
      const last = Math.max(...caches.map(({ level }) => level));
      return caches.find(({ level }) => level === last)?.cpus?.[0] ?? null;
    },
  };
}
