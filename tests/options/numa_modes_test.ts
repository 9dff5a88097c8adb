import { assertEquals } from "@std/assert";
import { cpuListText } from "../../lib/options/cpus.ts";
import { cpusForDevice, NUMA_MODES, type NumaMode } from "../../lib/options/numa_modes.ts";
import { readTopology } from "../../lib/options/numa_topology.ts";
import { optionTable } from "../../lib/options/option_table.ts";
import { fileTree } from "./file_tree.ts";
import { gpuAddress, type NumaMachine, numaTree, TWO_SOCKETS } from "./numa_machine.ts";

/** The CPUs of each device, or why it has none. */
function cpus(mode: NumaMode, change: Partial<NumaMachine> = {}): string[] {
  const given = { ...TWO_SOCKETS, ...change };
  const topology = readTopology(fileTree(numaTree(given)))!;
  const nodes = given.gpuNodes.map((_, index) => topology.nodeOfDevice(gpuAddress(index))!);
  return nodes.map((_, index) => {
    const found = cpusForDevice(mode, index, { nodes, topology });
    return found.kind === "value" ? cpuListText(found.value) : found.problem.message;
  });
}

Deno.test("NUMA_MODES are the choices of the option", () => {
  assertEquals(optionTable("torchrun").find(({ name }) => name === "numaBinding")?.choices, NUMA_MODES);
});

Deno.test("cpusForDevice() node: without a place in the firmware it is node 0", () => {
  assertEquals(cpus("node", { sockets: 1, gpuNodes: [-1] }), ["0-7"]);
});

Deno.test("cpusForDevice() socket: all nodes of the package", () => {
  const change = { nodesPerSocket: 2, threadsPerCore: 1, gpuNodes: [1, 2] };
  assertEquals(cpus("node", change), ["4-7", "8-11"]);
  assertEquals(cpus("socket", change), ["0-7", "8-15"]);
});

Deno.test("cpusForDevice() socket: passes over nodes without a usable CPU, where PyTorch fails", () => {
  assertEquals(cpus("socket", { memoryNodes: 1, gpuNodes: [0] }), ["0-3,8-11"]);
  assertEquals(cpus("socket", { allowed: "4-7", gpuNodes: [1] }), ["4-7"]);
});

Deno.test("cpusForDevice() exclusive: whole cores, the odd ones to the first devices", () => {
  assertEquals(cpus("exclusive", { coresPerNode: 5, gpuNodes: [0, 0], threads: "adjacent" }), ["0-5", "6-9"]);
  assertEquals(cpus("exclusive", { coresPerNode: 5, gpuNodes: [0, 1, 0] }), [
    "0-2,10-12",
    "5-9,15-19",
    "3-4,13-14",
  ]);
});

Deno.test("cpusForDevice() exclusive: more GPUs than cores is refused", () => {
  assertEquals(cpus("exclusive", { allowed: "0,8,4-7", gpuNodes: [0, 0, 1] }), [
    "NUMA node 0 has 1 usable physical core for its 2 GPUs",
    "NUMA node 0 has 1 usable physical core for its 2 GPUs",
    "4-7",
  ]);
});

Deno.test("cpusForDevice() core-complex: one cache each, the largest first, then again from the first", () => {
  const change = { coresPerNode: 5, coresPerCache: 2, threadsPerCore: 1, gpuNodes: [0, 0, 0, 0] };
  assertEquals(cpus("core-complex", change), ["0-1", "2-3", "4", "0-1"]);
  assertEquals(cpus("core-complex", { ...change, allowed: "1-4" }), ["2-3", "1", "4", "2-3"]);
});

Deno.test("cpusForDevice() never leaves the launcher's CPUs", () => {
  assertEquals(cpus("node", { allowed: "2-5", gpuNodes: [0, 1] }), ["2-3", "4-5"]);
  assertEquals(cpus("node", { allowed: "0-3", gpuNodes: [1] }), [
    "NUMA node 1 has the CPUs 4-7,12-15, and the launcher may use 0-3",
  ]);
});
