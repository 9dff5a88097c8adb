/** `--numa-binding`, compared with PyTorch's own on generated machines and on the files of this one. */

import { assert, assertEquals } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { fileView } from "../../lib/host/file_view.ts";
import type { FileView } from "../../lib/options/file_view.ts";
import { cpusForDevice, NUMA_MODES } from "../../lib/options/numa_modes.ts";
import { readTopology, type Topology } from "../../lib/options/numa_topology.ts";
import { fileTree } from "../options/file_tree.ts";
import { gpuAddress, type NumaMachine, numaTree } from "../options/numa_machine.ts";
import { interopTest, PYTHON, ROOT, runProgram } from "./harness.ts";

interface Case {
  readonly about: unknown;
  readonly files: Readonly<Record<string, string>>;
  readonly view: FileView;
  readonly addresses: readonly string[];
  readonly real: boolean;
}

function generated(prng: Prng): Case {
  const [sockets, nodesPerSocket] = [1 + prng.below(2), prng.pick([1, 1, 2, 4])];
  const [coresPerNode, threadsPerCore] = [1 + prng.below(9), 1 + prng.below(2)];
  const nodeCount = sockets * nodesPerSocket;
  const cpuCount = nodeCount * coresPerNode * threadsPerCore;
  const first = prng.below(cpuCount);
  const machine: NumaMachine = {
    sockets,
    nodesPerSocket,
    coresPerNode,
    threadsPerCore,
    threads: prng.pick(["split", "adjacent"]),
    coresPerCache: 1 + prng.below(coresPerNode),
    gpuNodes: Array.from({ length: 1 + prng.below(8) }, () => prng.below(nodeCount + 1) - 1),
    vendor: "nvidia",
    allowed: prng.below(2) === 0 ? null : `${first}-${first + prng.below(cpuCount - first)}`,
    memoryNodes: prng.below(8) === 0 ? 1 : 0,
  };
  const tree = numaTree(machine);
  return {
    about: machine,
    files: tree.files!,
    view: fileTree(tree),
    addresses: machine.gpuNodes.map((_, index) => gpuAddress(index)),
    real: false,
  };
}

/** This machine, with two GPUs that are not there. */
function thisMachine(): Case {
  const addresses = [gpuAddress(0), gpuAddress(1)];
  const files = Object.fromEntries(
    addresses.map((address) => [`/sys/bus/pci/devices/${address}/numa_node`, "-1\n"]),
  );
  const view = { ...fileView, readText: (path: string) => files[path] ?? fileView.readText(path) };
  return { about: "this machine", files, view, addresses, real: true };
}

function ownAnswers({ addresses }: Case, topology: Topology): (readonly number[] | null)[] {
  const nodes = addresses.map((address) => topology.nodeOfDevice(address)!);
  return NUMA_MODES.flatMap((mode) =>
    nodes.map((_, index) => {
      const found = cpusForDevice(mode, index, { nodes, topology });
      return found.kind === "value" ? found.value : null;
    })
  );
}

interopTest(
  "cpusForDevice() gives the CPUs that PyTorch gives, on 300 generated machines and this one",
  async () => {
    const prng = new Prng(26);
    const cases = [thisMachine(), ...Array.from({ length: 300 }, () => generated(prng))];
    const topologies = cases.map(({ view }) => readTopology(view)!);
    const input = cases.map(({ files, addresses, real }, at) => ({
      files,
      addresses,
      real,
      allowed: topologies[at]!.allowed,
      modes: NUMA_MODES,
    }));
    const run = await runProgram([PYTHON, `${ROOT}tests/interop/numa_oracle.py`], {
      stdin: JSON.stringify(input),
    });
    assertEquals(run.code, 0, run.stderr);
    const oracle: (number[] | string)[][] = JSON.parse(run.stdout);
    let [same, refused, better] = [0, 0, 0];
    cases.forEach((one, at) => {
      const own = ownAnswers(one, topologies[at]!);
      assertEquals(own.length, oracle[at]!.length);
      own.forEach((cpus, index) => {
        const wanted = oracle[at]![index]!;
        const mode = NUMA_MODES[Math.floor(index / one.addresses.length)];
        if (typeof wanted !== "string") {
          assertEquals(cpus, wanted, `${mode} on ${JSON.stringify(one.about)}`);
          same++;
        } else if (cpus === null) {
          refused++;
        } else {
          // PyTorch takes the first CPU of every node that is possible, also of those that have none to use.
          assert(mode === "socket" && /(min\(\)|is empty)/.test(wanted), `${mode}: ${wanted}`);
          better++;
        }
      });
    });
    assert(
      same > 1_000 && refused > 100 && better > 10,
      `${same} the same, ${refused} refused, ${better} better`,
    );
  },
);
