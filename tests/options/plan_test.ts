import { assertEquals } from "@std/assert";
import { checkProblem, noticesOf, planned, planOf } from "./planning.ts";

Deno.test("planLaunch() fills every default of the plain form", () => {
  assertEquals(planOf(["train.py"]), {
    jobId: "00000000-0000-4000-8000-00000000002a",
    rendezvousBackend: "c10d",
    rendezvousEndpoint: "localhost:0",
    nodesMin: 1,
    nodesMax: 1,
    nodeRank: 0,
    meeting: null,
    onTerm: "node",
    workerCount: 1,
    role: "default",
    maxRestarts: 0,
    command: {
      executable: "/usr/bin/python3",
      fixedArguments: ["-u"],
      scriptArguments: ["train.py"],
      displayName: "train.py",
      cwd: "/work",
    },
    store: { port: 0, hostedByLauncher: true },
    environment: {
      TORCHELASTIC_SIGNALS_TO_HANDLE: "SIGTERM,SIGINT,SIGHUP,SIGQUIT",
      TORCH_NCCL_ASYNC_ERROR_HANDLING: "1",
    },
    devices: null,
    cpuBinding: null,
    virtualLocalRank: false,
    inheritedCudaVisibleDevices: null,
    inheritedHipVisibleDevices: null,
    signalsToHandle: ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"],
    forwardSignals: [],
    shutdownTimeoutMs: 30_000,
    keepDaemons: false,
    console: "relay",
    stdinRank: null,
    exitCode: "torchrun",
    reportPath: null,
    ownErrorFile: null,
    watch: { eventsPath: null, torchEvents: false, metrics: null, metricsPath: null, healthPort: null },
    logs: {
      baseDirectory: null,
      redirects: 0,
      tee: 0,
      localRanksFilter: null,
      linePrefixTemplate: null,
      duplicateStdoutFilters: [],
      duplicateStderrFilters: [],
      ranksShown: null,
      colour: "auto",
      timestamps: false,
      fold: "auto",
      fileBytesMax: null,
      specsModule: null,
    },
    messages: { verbosity: "normal", format: "text" },
    fileTimer: undefined,
    uninterruptibleTimeoutMs: null,
  });
  assertEquals(noticesOf(["train.py"]), []);
});

Deno.test("planLaunch() reports all problems at once", () => {
  const { plan, problems } = planned([
    ...["--nproc-per-node=9999", "--nnodes=2", "--python=/nowhere", "--report=/nowhere/r.json", "missing.py"],
  ]);
  assertEquals(plan, null);
  assertEquals(problems.map((problem) => problem.message), [
    "--nproc-per-node asks for 9999 workers on this machine, more than 4096",
    'There is no file "missing.py" in /work',
    '--python names no interpreter: there is no "/nowhere"',
    '--report cannot be written: there is no directory "/nowhere"',
  ]);
});

Deno.test("planLaunch() refuses to start a worker for each device where there is none", () => {
  checkProblem(
    ["--nproc_per_node=gpu"],
    "Cuda is not available: --nproc_per_node found no NVIDIA or AMD GPU",
  );
  checkProblem([], "Cuda is not available: PET_NPROC_PER_NODE found", {
    environment: { PET_NPROC_PER_NODE: "cuda" },
  });
});

Deno.test("planLaunch() wants --force for more than 4096 workers", () => {
  checkProblem(["--nproc-per-node=4097"], "asks for 4097 workers on this machine, more than 4096");
  assertEquals(planOf(["--nproc-per-node=4096"]).workerCount, 4096);
  assertEquals(planOf(["--nproc-per-node=10000", "--force"]).workerCount, 10_000);
});

Deno.test("planLaunch() counts devices, and explains the number", () => {
  const result = planned(["--nproc-per-node=gpu"], { tree: "nvidia_8" });
  assertEquals(result.plan?.workerCount, 8);
  assertEquals(result.reasons.get("workerCount"), "--nproc-per-node=gpu: 8 NVIDIA GPUs");
});

Deno.test("planLaunch() asks for a command where files do not tell, and goes on with its output", () => {
  const asked = planned(["--nproc-per-node=gpu"], { tree: "nvidia_wsl" });
  assertEquals([asked.plan, asked.problems, asked.needs], [null, [], ["/usr/lib/wsl/lib/nvidia-smi", "-L"]]);
  const commandOutput = "GPU 0: NVIDIA RTX A2000 (UUID: GPU-1a2b)\n";
  const answered = planned(["--nproc-per-node=gpu"], { tree: "nvidia_wsl", commandOutput });
  assertEquals([answered.needs, answered.plan?.workerCount], [null, 1]);
});

Deno.test("planLaunch() sets OMP_NUM_THREADS for several workers only, and never over the user's", () => {
  assertEquals(planOf(["--nproc-per-node=2"]).environment["OMP_NUM_THREADS"], "1");
  assertEquals(noticesOf(["--nproc-per-node=2"]), [], "the launcher's first line tells");
  assertEquals(planOf(["--nproc-per-node=1"]).environment["OMP_NUM_THREADS"], undefined);
  for (const OMP_NUM_THREADS of ["8", ""]) {
    const given = { environment: { OMP_NUM_THREADS } };
    assertEquals(planOf(["--nproc-per-node=2"], given).environment["OMP_NUM_THREADS"], undefined);
    assertEquals(noticesOf(["--nproc-per-node=2"], given), []);
  }
});

Deno.test("planLaunch() hands on the variables that torchrun sets for all workers", () => {
  const { environment } = planOf(["--signals-to-handle=SIGTERM,BOGUS"], {
    environment: { TORCH_NCCL_ASYNC_ERROR_HANDLING: "3" },
  });
  assertEquals(environment, {
    TORCHELASTIC_SIGNALS_TO_HANDLE: "SIGTERM,BOGUS",
    TORCH_NCCL_ASYNC_ERROR_HANDLING: "3",
  });
});
