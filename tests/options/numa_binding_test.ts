import { assertEquals, assertStringIncludes } from "@std/assert";
import { cpuListText } from "../../lib/options/cpus.ts";
import { withCpuBinding } from "../../lib/options/numa_binding.ts";
import { SETTINGS } from "../../lib/options/dry_run_settings.ts";
import { parseCommandLine } from "../../lib/options/parse.ts";
import { planLaunch, type PlanResult } from "../../lib/options/plan.ts";
import { machine, type Tree } from "./file_tree.ts";
import { type NumaMachine, numaTree, TWO_SOCKETS } from "./numa_machine.ts";

interface Given {
  readonly environment?: Readonly<Record<string, string>>;
  readonly tree?: Tree | string;
  readonly commandOutput?: string | null;
}

function bound(args: readonly string[], change: Partial<NumaMachine> = {}, given: Given = {}): PlanResult {
  const environment = { PATH: "/usr/bin", ...given.environment };
  const parsed = parseCommandLine([...args, "train.py"], environment).options!;
  const tree = given.tree ?? numaTree({ ...TWO_SOCKETS, ...change });
  const view = machine({ ...given, environment, tree });
  return withCpuBinding(planLaunch(parsed, view), parsed, view);
}

function cpusOf(...given: Parameters<typeof bound>): string[] | string {
  const { plan, problems } = bound(...given);
  return plan?.cpuBinding?.map(cpuListText) ?? problems.map(({ message }) => message).join("; ");
}

const four = (mode: string) => [`--numa-binding=${mode}`, "--nproc-per-node=4"];
const mask = (value: string): Given => ({ environment: { CUDA_VISIBLE_DEVICES: value } });

Deno.test("withCpuBinding() gives each worker the CPUs near the GPU of its local rank", () => {
  assertEquals(cpusOf(four("node")), ["0-3,8-11", "0-3,8-11", "4-7,12-15", "4-7,12-15"]);
  assertEquals(cpusOf(four("exclusive")), ["0-1,8-9", "2-3,10-11", "4-5,12-13", "6-7,14-15"]);
  const reason = bound(four("node")).reasons.get("cpuBinding");
  assertEquals(reason, "--numa-binding=node, GPUs next to the nodes 0,0,1,1");
});

Deno.test("withCpuBinding() leaves a plan without the option as it is", () => {
  assertEquals(bound(["--nproc-per-node=4"]).plan?.cpuBinding, null);
});

Deno.test("withCpuBinding() follows masks and --gpus in their order", () => {
  const two = ["--numa-binding=node", "--nproc-per-node=2"];
  assertEquals(cpusOf(two, {}, mask("3,0")), ["4-7,12-15", "0-3,8-11"]);
  assertEquals(cpusOf(two, {}, mask("GPU-00000002,GPU-00000001")), ["4-7,12-15", "0-3,8-11"]);
  assertEquals(cpusOf([...two, "--gpus=2,1"]), ["4-7,12-15", "0-3,8-11"]);
  // A GPU that is hidden takes no cores.
  assertEquals(cpusOf(["--numa-binding=exclusive"], {}, mask("1")), ["0-3,8-11"]);
});

Deno.test("withCpuBinding() knows where AMD's GPUs are", () => {
  assertEquals(cpusOf(four("node"), { vendor: "amd" }), ["0-3,8-11", "0-3,8-11", "4-7,12-15", "4-7,12-15"]);
  const rocr = { environment: { ROCR_VISIBLE_DEVICES: "2,3", HIP_VISIBLE_DEVICES: "1" } };
  assertEquals(cpusOf(["--numa-binding=node"], { vendor: "amd", gpuNodes: [0, 0, 0, 1] }, rocr), [
    "4-7,12-15",
  ]);
  assertStringIncludes(
    String(cpusOf(["--numa-binding=node"], {}, { tree: "amd_8" })),
    "the AMD driver does not say",
  );
});

Deno.test("withCpuBinding() refuses workers without a GPU", () => {
  assertEquals(
    cpusOf(["--numa-binding=node"], { gpuNodes: [] }),
    "--numa-binding=node: No accelerator available for NUMA binding: found no NVIDIA or AMD GPU that workers would see",
  );
  assertEquals(
    cpusOf(["--numa-binding=node", "--nproc-per-node=5"]),
    "--numa-binding=node: each worker needs a GPU of its own: 5 workers, but 4 NVIDIA GPUs",
  );
});

Deno.test("withCpuBinding() refuses GPUs whose place is not known", () => {
  const at = (name: string) => String(cpusOf(["--numa-binding=node"], {}, { tree: name }));
  assertStringIncludes(at("nvidia_8"), "/proc does not say on which CPUs");
  assertStringIncludes(at("nvidia_sandbox"), "the NVIDIA driver does not say at which PCI address");
  assertStringIncludes(at("nvidia_mig"), "nothing says on which GPU a MIG instance is");
});

Deno.test("withCpuBinding() asks nvidia-smi for names that the driver's files lack", () => {
  const tree = numaTree(TWO_SOCKETS);
  const files = Object.fromEntries(
    Object.entries(tree.files!).map(([path, text]) => [path, text.replace(/GPU-0000000./, "GPU-????????")]),
  );
  const args = ["--numa-binding=node", "--nproc-per-node=1"];
  const asked = { tree: { ...tree, files }, ...mask("GPU-00000002") };
  assertEquals(bound(args, {}, asked).needs, ["nvidia-smi", "-L"]);
  const listing = [0, 1, 2, 3].map((index) => `GPU ${index}: NVIDIA H100 (UUID: GPU-0000000${index})\n`).join(
    "",
  );
  assertEquals(cpusOf(args, {}, { ...asked, commandOutput: listing }), ["4-7,12-15"]);
});

Deno.test("withCpuBinding() tells of GPUs that CUDA may number in another order", () => {
  const tree = numaTree(TWO_SOCKETS);
  const path = "/proc/driver/nvidia/gpus/0000:2b:00.0/information";
  const files = { ...tree.files, [path]: tree.files![path]!.replace("H100", "A100") };
  const notices = (environment: Record<string, string>) =>
    bound(four("node"), {}, { tree: { ...tree, files }, environment }).notices.join("\n");
  assertStringIncludes(notices({}), "GPUs of several models");
  assertEquals(notices({ CUDA_DEVICE_ORDER: "PCI_BUS_ID" }).includes("several models"), false);
});

Deno.test("SETTINGS shows the CPUs of each worker", () => {
  const row = SETTINGS.find(({ name }) => name === "cpuBinding")!;
  const { plan } = bound(["--numa-binding=node", "--nproc-per-node=3"]);
  assertEquals(row.value(plan!), ["0-3,8-11", "0-3,8-11", "4-7,12-15"]);
  assertEquals(row.text(plan!), "worker 0: 0-3,8-11; worker 1: 0-3,8-11; worker 2: 4-7,12-15");
  assertEquals(row.text({ ...plan!, cpuBinding: null }), "as inherited");
});
