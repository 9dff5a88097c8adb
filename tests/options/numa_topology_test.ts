import { assertEquals } from "@std/assert";
import { readTopology } from "../../lib/options/numa_topology.ts";
import { fileTree } from "./file_tree.ts";
import { numaTree, TWO_SOCKETS } from "./numa_machine.ts";

Deno.test("readTopology() knows nodes, sockets, cores and caches", () => {
  const topology = readTopology(fileTree(numaTree({ ...TWO_SOCKETS, coresPerCache: 2 })))!;
  assertEquals(topology.nodes, [0, 1]);
  assertEquals([12, 13, 14].map(topology.socketOf), [1, 1, 1]);
  assertEquals([12, 13, 14].map(topology.coreOf), [4, 5, 6]);
  assertEquals([12, 13, 14].map(topology.complexOf), [4, 4, 6]);
});

Deno.test("readTopology() says where the system says nothing", () => {
  assertEquals(readTopology(fileTree({})), null);
  const files = { "/proc/self/status": "Cpus_allowed_list:\t0-1\n" };
  const topology = readTopology(fileTree({ files }))!;
  assertEquals(topology.allowed, [0, 1]);
  const answers = [topology.cpusOfNode(0), topology.socketOf(0), topology.coreOf(0), topology.complexOf(0)];
  assertEquals([...answers, topology.nodeOfDevice("0000:1b:00.0")], [null, null, null, null, null]);
});
