/**
 * The modes of `--numa-binding`: which of the CPUs near its device each worker gets. The rules are those of
 * `torch/numa/binding.py` of PyTorch 2.15; unlike it, `socket` passes over nodes without a CPU that may be used.
 */

import { unreachable } from "../core/assert.ts";
import { accept, type Checked, refuse } from "./checked.ts";
import { cpuListText } from "./cpus.ts";
import type { Topology } from "./numa_topology.ts";

export const NUMA_MODES = ["node", "socket", "exclusive", "core-complex"] as const;
export type NumaMode = (typeof NUMA_MODES)[number];

/** The CPUs, never none, ascending, for the device `index` of devices that are next to these nodes. */
export function cpusForDevice(
  mode: NumaMode,
  index: number,
  { nodes, topology }: { readonly nodes: readonly number[]; readonly topology: Topology },
): Checked<readonly number[]> {
  const node = nodes[index]!;
  const cpus = usableCpus(topology, node);
  if (cpus.length === 0) return refuseNode(topology, node);
  // Devices of the node share its CPUs in their order.
  const share = {
    place: nodes.slice(0, index).filter((other) => other === node).length,
    sharers: nodes.filter((other) => other === node).length,
  };
  switch (mode) {
    case "node":
      return accept(cpus);
    case "socket":
      return wholeSocket(topology, cpus[0]!);
    case "exclusive":
      return ownCores(groupBy(cpus, (cpu) => topology.coreOf(cpu)), { node, ...share });
    case "core-complex":
      return oneComplex(groupBy(cpus, (cpu) => topology.complexOf(cpu)), share);
    default:
      return unreachable(mode);
  }
}

function usableCpus(topology: Topology, node: number): readonly number[] {
  const cpus = new Set(topology.cpusOfNode(node));
  return topology.allowed.filter((cpu) => cpus.has(cpu));
}

function refuseNode(topology: Topology, node: number): Checked<never> {
  const cpus = topology.cpusOfNode(node);
  if (cpus === null) return refuse(`nothing says which CPUs NUMA node ${node} has`);
  const has = cpus.length === 0 ? "has no CPU" : `has the CPUs ${cpuListText(cpus)}`;
  return refuse(
    `NUMA node ${node} ${has}, and the launcher may use ${cpuListText(topology.allowed)}`,
    "Have the job given CPUs near its GPUs, or leave --numa-binding out",
  );
}

/** A node belongs to the socket of its first usable CPU. */
function wholeSocket(topology: Topology, cpu: number): Checked<readonly number[]> {
  const socket = topology.socketOf(cpu);
  if (socket === null) return refuse(`nothing says in which socket CPU ${cpu} is`);
  const cpus = topology.nodes.map((node) => usableCpus(topology, node))
    .filter(([first]) => first !== undefined && topology.socketOf(first) === socket);
  return accept(cpus.flat().sort((a, b) => a - b));
}

interface Share {
  /** Which of the devices of the node this is. */
  readonly place: number;
  /** How many there are. */
  readonly sharers: number;
}

/** Whole physical cores; what does not divide evenly goes to the first devices, one core each. */
function ownCores(
  cores: Groups,
  { node, place, sharers }: Share & { readonly node: number },
): Checked<readonly number[]> {
  if (cores === null) return refuse(`nothing says which CPUs of NUMA node ${node} share a core`);
  const each = Math.floor(cores.length / sharers);
  if (each < 1) {
    return refuse(
      `NUMA node ${node} has ${cores.length} usable physical core${cores.length === 1 ? "" : "s"} for its ` +
        `${sharers} GPUs`,
      "Use --numa-binding=node, where workers share CPUs",
    );
  }
  const extra = cores.length % sharers;
  const start = place * each + Math.min(place, extra);
  const own = cores.slice(start, start + each + (place < extra ? 1 : 0));
  return accept(own.flatMap(({ cpus }) => cpus).sort((a, b) => a - b));
}

/** The largest come first; where there are fewer than devices, some are shared. */
function oneComplex(complexes: Groups, { place }: Share): Checked<readonly number[]> {
  if (complexes === null) return refuse("nothing says which CPUs share a last-level cache");
  const ranked = complexes.toSorted((a, b) => b.cpus.length - a.cpus.length || a.key - b.key);
  return accept(ranked[place % ranked.length]!.cpus);
}

type Groups = readonly { readonly key: number; readonly cpus: readonly number[] }[] | null;

/** CPUs by key, ascending; null where one has none. */
function groupBy(cpus: readonly number[], keyOf: (cpu: number) => number | null): Groups {
  const groups = new Map<number, number[]>();
  for (const cpu of cpus) {
    const key = keyOf(cpu);
    if (key === null) return null;
    groups.set(key, [...groups.get(key) ?? [], cpu]);
  }
  return [...groups].map(([key, cpus]) => ({ key, cpus })).sort((a, b) => a.key - b.key);
}
