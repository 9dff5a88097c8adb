import { assertEquals, assertStringIncludes } from "@std/assert";
import { countDevices, type DeviceCount, type DeviceKind } from "../../lib/options/devices.ts";
import { machine } from "./file_tree.ts";

interface Given {
  readonly environment?: Record<string, string>;
  readonly commandOutput?: string | null;
  readonly virtualLocalRank?: boolean;
}

function counted(kind: DeviceKind, tree: string | undefined, given: Given = {}): DeviceCount {
  const { virtualLocalRank = false, ...rest } = given;
  const view = machine({ tree: tree ?? {}, ...rest });
  return countDevices(kind, view, { source: "--nproc-per-node", virtualLocalRank });
}

/** Checks the number of workers. */
function check(kind: DeviceKind, tree: string | undefined, count: number, given: Given = {}): void {
  const result = counted(kind, tree, given);
  assertEquals(result.kind === "count" ? result.count : result, count, `${kind} on ${tree}`);
}

function checkProblem(kind: DeviceKind, tree: string | undefined, part: string, given: Given = {}): void {
  const result = counted(kind, tree, given);
  assertStringIncludes(result.kind === "problem" ? result.problem.message : JSON.stringify(result), part);
}

function checkNotice(kind: DeviceKind, tree: string, part: string, given: Given = {}): void {
  const result = counted(kind, tree, given);
  assertStringIncludes(result.kind === "count" ? result.notices.join("\n") : JSON.stringify(result), part);
}

const cuda = (mask: string) => ({ environment: { CUDA_VISIBLE_DEVICES: mask } });

Deno.test("countDevices() cpu: the affinity mask, else what the runtime counts", () => {
  check("cpu", "cpus_cgroup_v1", 2);
  check("cpu", undefined, 3);
});

Deno.test("countDevices() cpu: tells of a cgroup's limit and does not apply it", () => {
  check("cpu", "cpus_cgroup_v1_limit", 8);
  checkNotice("cpu", "cpus_cgroup_v1_limit", "the cgroup allows the time of 1.5");
  checkNotice("auto", "cpus_cgroup_v2_limit", "allows the time of 4; for a worker on each of those, give 4");
  assertEquals(counted("cpu", "cpus_cgroup_v1"), {
    kind: "count",
    count: 2,
    because: "2 CPUs in the affinity mask",
    notices: [],
  });
});

Deno.test("countDevices() gpu: NVIDIA GPUs by the driver's files", () => {
  for (const kind of ["gpu", "cuda", "auto"] as const) {
    check(kind, "nvidia_1", 1);
    check(kind, "nvidia_8", 8);
  }
});

Deno.test("countDevices() gpu: no device is torchrun's error, auto falls back to CPUs", () => {
  checkProblem("gpu", undefined, "Cuda is not available: --nproc-per-node found no NVIDIA or AMD GPU");
  checkProblem("cuda", "intel_arc", "Cuda is not available");
  checkProblem("xpu", "nvidia_8", "Xpu is not available");
  checkProblem("npu", undefined, "Npu is not available");
  checkProblem("hpu", undefined, "Hpu is not available");
  check("auto", "cpus_cgroup_v1", 2);
});

Deno.test("countDevices() gpu: masks by index and by name", () => {
  check("gpu", "nvidia_8", 3, cuda("5,6,7"));
  check("gpu", "nvidia_8", 2, cuda("0,2,-1,1"));
  check("gpu", "nvidia_8", 2, cuda("GPU-79a2ba02,GPU-b1028956-cfa2-0990-bf4a-5da9abb51763"));
  checkProblem("gpu", "nvidia_8", "8 NVIDIA GPUs, none of them in CUDA_VISIBLE_DEVICES=", cuda(""));
  checkProblem("gpu", "nvidia_8", "none of them in CUDA_VISIBLE_DEVICES=1,1", cuda("1,1"));
  check("auto", "nvidia_8", 3, cuda("-1"));
});

Deno.test("countDevices() gpu: in a container the device nodes decide", () => {
  check("gpu", "nvidia_8_container_2", 2);
  // The two that were given are the first two by bus address; the mask counts among what was given.
  check("gpu", "nvidia_8_container_2", 1, cuda("1,2"));
  check("gpu", "nvidia_8_container_2", 1, cuda("GPU-9221d5d1"));
  checkProblem("gpu", "nvidia_8_container_2", "none of them", cuda("GPU-79a2ba02"));
});

Deno.test("countDevices() gpu: a GPU that the driver excludes does not count", () => {
  check("gpu", "nvidia_excluded", 1);
});

Deno.test("countDevices() gpu: asks nvidia-smi where the files do not tell", () => {
  const listing = "GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-11111111-2222)\n" +
    "GPU 1: NVIDIA GeForce RTX 4090 (UUID: GPU-33333333-4444)\n";
  assertEquals(counted("gpu", "nvidia_wsl"), {
    kind: "command",
    command: ["/usr/lib/wsl/lib/nvidia-smi", "-L"],
  });
  assertEquals(counted("auto", "nvidia_8_container_0"), { kind: "command", command: ["nvidia-smi", "-L"] });
  check("gpu", "nvidia_wsl", 2, { commandOutput: listing });
  check("auto", "nvidia_8_container_0", 3, { commandOutput: null });
  checkProblem("gpu", "nvidia_wsl", "Cuda is not available", { commandOutput: null });
  checkProblem("gpu", "nvidia_wsl", "Cuda is not available", { commandOutput: "No devices found.\n" });
});

Deno.test("countDevices() gpu: asks nvidia-smi for names only where a mask has some", () => {
  const listing = "GPU 0: NVIDIA L4 (UUID: GPU-11111111-2222)\nGPU 1: NVIDIA L4 (UUID: GPU-33333333-4444)\n";
  check("gpu", "nvidia_sandbox", 2);
  check("gpu", "nvidia_sandbox", 1, cuda("1"));
  assertEquals(counted("gpu", "nvidia_sandbox", cuda("GPU-3")).kind, "command");
  check("gpu", "nvidia_sandbox", 1, { ...cuda("GPU-3"), commandOutput: listing });
});

Deno.test("countDevices() gpu: asks for the names of GPUs that nobody has used yet", () => {
  check("gpu", "nvidia_unused", 2);
  assertEquals(counted("gpu", "nvidia_unused", cuda("GPU-9221d5d1")).kind, "command");
  const listing = "GPU 0: NVIDIA L4 (UUID: GPU-4404041a)\nGPU 1: NVIDIA L4 (UUID: GPU-9221d5d1-b60b)\n";
  check("gpu", "nvidia_unused", 1, { ...cuda("GPU-9221d5d1"), commandOutput: listing });
});

Deno.test("countDevices() gpu: a Jetson board has one", () => {
  check("gpu", "nvidia_jetson", 1);
});

Deno.test("countDevices() gpu: with MIG a process sees one instance, whatever is there", () => {
  check("gpu", "nvidia_mig", 1);
  checkNotice("gpu", "nvidia_mig", "one of the 2 MIG instances");
  check("gpu", "nvidia_mig", 1, cuda("0,1"));
  check("gpu", "nvidia_mig_container", 1);
  assertEquals(counted("gpu", "nvidia_mig_container"), {
    kind: "count",
    count: 1,
    because: "1 NVIDIA MIG instance",
    notices: [],
  });
  checkProblem("gpu", "nvidia_mig", "Cuda is not available", cuda(""));
});

Deno.test("countDevices() gpu: MIG instances by name are one for all, or one for each with virtual local ranks", () => {
  const mask = "MIG-d9a47cfb-d1f2,MIG-2f8c1a77-33aa";
  check("gpu", "nvidia_mig", 1, cuda(mask));
  check("gpu", "nvidia_mig", 2, { ...cuda(mask), virtualLocalRank: true });
  checkProblem("gpu", undefined, "Cuda is not available", cuda(mask));
});

Deno.test("countDevices() gpu: MIG instances in nvidia-smi's list", () => {
  const listing = "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-e86cb44c-6756)\n" +
    "  MIG 3g.20gb     Device  0: (UUID: MIG-0f93-aa)\n  MIG 3g.20gb     Device  1: (UUID: MIG-0f93-bb)\n";
  check("gpu", "nvidia_wsl", 1, { commandOutput: listing });
});

Deno.test("countDevices() gpu: AMD GPUs by the kernel's topology", () => {
  check("gpu", "amd_8", 8);
  check("auto", "amd_8", 8);
  check("gpu", "amd_apu", 1);
  check("gpu", "amd_8_container_2", 2);
  checkProblem("gpu", "amd_no_kfd", "Cuda is not available");
});

Deno.test("countDevices() gpu: AMD's masks, the runtime's first", () => {
  check("gpu", "amd_8", 2, { environment: { HIP_VISIBLE_DEVICES: "0,1" } });
  check("gpu", "amd_8", 3, cuda("0,1,2"));
  check("gpu", "amd_8", 1, { environment: { HIP_VISIBLE_DEVICES: "3", CUDA_VISIBLE_DEVICES: "0,1,2" } });
  check("gpu", "amd_8", 1, { environment: { ROCR_VISIBLE_DEVICES: "4,5", HIP_VISIBLE_DEVICES: "1,2" } });
  check("gpu", "amd_8", 2, { environment: { ROCR_VISIBLE_DEVICES: "0,GPU-8d3e6f7ab5c92e42" } });
  check("gpu", "amd_8", 0 + 1, {
    environment: { ROCR_VISIBLE_DEVICES: "GPU-4b2c1a9f-8d3e-6f7a-b5c9-2e4d8a1f6c3b" },
  });
  checkProblem("gpu", "amd_8", "none of them in HIP_VISIBLE_DEVICES=2,2", {
    environment: { HIP_VISIBLE_DEVICES: "2,2" },
  });
});

Deno.test("countDevices() xpu: integrated GPUs count where there is no other", () => {
  check("xpu", "intel_integrated", 1);
  check("xpu", "intel_arc", 1);
  check("xpu", "intel_arc", 1, { environment: { ZE_AFFINITY_MASK: "1" } });
  checkProblem("xpu", "intel_arc", "1 Intel GPU, none of them in ZE_AFFINITY_MASK=7", {
    environment: { ZE_AFFINITY_MASK: "7" },
  });
});

Deno.test("countDevices() xpu: tiles are devices but in the composite hierarchy", () => {
  check("xpu", "intel_tiles", 8);
  check("auto", "intel_tiles", 8);
  check("xpu", "intel_tiles", 4, { environment: { ZE_FLAT_DEVICE_HIERARCHY: "COMPOSITE" } });
  check("xpu", "intel_tiles", 2, { environment: { ZE_AFFINITY_MASK: "0,5" } });
  check("xpu", "intel_tiles", 2, {
    environment: { ZE_FLAT_DEVICE_HIERARCHY: "COMPOSITE", ZE_AFFINITY_MASK: "0.0,0.1,3" },
  });
});

Deno.test("countDevices() auto: an integrated Intel GPU gives way to CPUs, and is named", () => {
  check("auto", "intel_integrated", 3);
  checkNotice("auto", "intel_integrated", "1 integrated Intel GPU is used only with xpu");
  check("auto", "intel_arc", 1);
});

Deno.test("countDevices() npu: Ascend's nodes and mask", () => {
  check("npu", "ascend_8", 8);
  check("auto", "ascend_8", 8);
  check("npu", "ascend_8", 3, { environment: { ASCEND_RT_VISIBLE_DEVICES: "1,2,3" } });
  check("npu", "ascend_8", 1, { environment: { ASCEND_RT_VISIBLE_DEVICES: "1, 2,3" } });
  check("npu", "ascend_8", 1, { environment: { ASCEND_RT_VISIBLE_DEVICES: "7,8" } });
});

Deno.test("countDevices() hpu: Gaudi's nodes and modules, no other accelerator", () => {
  check("hpu", "gaudi_8", 8);
  check("auto", "gaudi_8", 8);
  check("hpu", "gaudi_8", 4, { environment: { HABANA_VISIBLE_MODULES: "0,1,2,3" } });
  check("hpu", "gaudi_8", 1, { environment: { HABANA_VISIBLE_MODULES: "7,8" } });
  check("hpu", "gaudi_8", 8, { environment: { HABANA_VISIBLE_MODULES: "all" } });
  checkProblem("hpu", "intel_npu", "Hpu is not available");
});
