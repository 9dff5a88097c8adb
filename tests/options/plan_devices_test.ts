import { assertEquals } from "@std/assert";
import { checkProblem, planned, planOf } from "./planning.ts";

const cuda = (mask: string) => ({ environment: { CUDA_VISIBLE_DEVICES: mask } });

Deno.test("chooseDevices() takes indices and names", () => {
  assertEquals(planOf(["--gpus=0,2,5"]).devices, ["0", "2", "5"]);
  assertEquals(planOf(["--gpus=GPU-8932f937, GPU-46b12f05"]).devices, ["GPU-8932f937", "GPU-46b12f05"]);
  assertEquals(planOf(["--gpus=MIG-GPU-8932/1/0"]).devices, ["MIG-GPU-8932/1/0"]);
  assertEquals(planOf([]).devices, null);
});

Deno.test("chooseDevices() counts indices within the inherited mask", () => {
  assertEquals(planOf(["--gpus=0,2"], cuda("4,5,6,7")).devices, ["4", "6"]);
  const both = { environment: { CUDA_VISIBLE_DEVICES: "4,5", HIP_VISIBLE_DEVICES: "6, 7" } };
  assertEquals(planOf(["--gpus=1"], both).devices, ["7"]);
  checkProblem(
    ["--gpus=0,4"],
    "--gpus names device 4, but CUDA_VISIBLE_DEVICES=4,5,6,7 leaves 4",
    cuda("4,5,6,7"),
  );
});

Deno.test("chooseDevices() refuses what is no list of devices", () => {
  for (const list of ["", "0,,1", "-1", "all", "0;1"]) {
    checkProblem([`--gpus=${list}`], "--gpus must be indices or names");
  }
  checkProblem(["--gpus=1,0,1"], "--gpus names 1 twice");
});

Deno.test("chooseDevices() decides how many workers gpu means", () => {
  const given = { tree: "nvidia_8" };
  assertEquals(planOf(["--gpus=1,3,5", "--nproc-per-node=gpu"], given).workerCount, 3);
  assertEquals(planOf(["--gpus=0,1", "--nproc-per-node=auto"], { tree: "amd_8" }).workerCount, 2);
  assertEquals(planOf(["--gpus=1", "--nproc-per-node=gpu"], { ...given, ...cuda("6,7") }).workerCount, 1);
  assertEquals(planOf(["--gpus=0,1", "--nproc-per-node=3"]).workerCount, 3);
});

Deno.test("chooseDevices() leads to a problem where a GPU is not there, or none is", () => {
  const message =
    "--gpus=0,8 names a GPU that is not there: --nproc-per-node found 8 NVIDIA GPUs, 1 of them in";
  checkProblem(["--gpus=0,8", "--nproc-per-node=gpu"], message, { tree: "nvidia_8" });
  checkProblem(["--gpus=0", "--nproc-per-node=auto"], "Cuda is not available");
  assertEquals(planOf(["--gpus=0", "--nproc-per-node=cpu"]).workerCount, 3);
  const mig = ["--gpus=MIG-a,MIG-b", "--nproc-per-node=gpu"];
  assertEquals(planOf(mig, { tree: "nvidia_mig" }).workerCount, 1);
  assertEquals(planOf([...mig, "--virtual-local-rank"], { tree: "nvidia_mig" }).workerCount, 2);
});

Deno.test("chooseDevices() names the mask of other vendors", () => {
  checkProblem(["--gpus=0", "--nproc-per-node=xpu"], "for xpu set ZE_AFFINITY_MASK", { tree: "intel_arc" });
});

Deno.test("checkVirtualRanks() wants a device for each worker, in torchrun's words", () => {
  const args = ["--virtual-local-rank", "--nproc-per-node=2"];
  checkProblem(args, "local_rank 1 exceeds available GPUs in CUDA_VISIBLE_DEVICES=3", cuda("3"));
  checkProblem(args, "local_rank 1 exceeds available GPUs in CUDA_VISIBLE_DEVICES=", cuda(""));
  checkProblem([...args, "--gpus=5"], "local_rank 1 exceeds available GPUs in --gpus=5");
  checkProblem(args, "local_rank 1 exceeds available GPUs in HIP_VISIBLE_DEVICES=0", {
    environment: { CUDA_VISIBLE_DEVICES: "0,1", HIP_VISIBLE_DEVICES: "0" },
  });
});

Deno.test("checkVirtualRanks() is content where there are enough, or nothing is said", () => {
  const args = ["--virtual-local-rank", "--nproc-per-node=2"];
  const plan = planOf(args, cuda("3,1"));
  assertEquals([plan.virtualLocalRank, plan.inheritedCudaVisibleDevices], [true, "3,1"]);
  assertEquals(planned(args).problems, []);
  assertEquals(planned([...args, "--gpus=1,2"], cuda("3,1,0")).plan?.devices, ["1", "0"]);
  assertEquals(planned(["--nproc-per-node=2"], cuda("3")).problems, []);
});

Deno.test("inheritedDevices() takes an empty HIP mask for none, like torchrun", () => {
  const plan = planOf([], { environment: { CUDA_VISIBLE_DEVICES: "", HIP_VISIBLE_DEVICES: "" } });
  assertEquals([plan.inheritedCudaVisibleDevices, plan.inheritedHipVisibleDevices], ["", null]);
});
