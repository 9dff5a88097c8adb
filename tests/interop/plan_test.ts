/**
 * What a command line comes to, compared with torchrun's own run up to the point where it would start workers: the
 * workers' commands by rank, the rendezvous, the job id, the variables for all workers.
 */

import { assert, assertEquals } from "@std/assert";
import { fileView } from "../../lib/host/file_view.ts";
import type { LaunchPlan } from "../../lib/options/launch_plan.ts";
import { parseCommandLine } from "../../lib/options/parse.ts";
import { planLaunch } from "../../lib/options/plan.ts";
import { substituteLocalRank } from "../../lib/options/worker_command.ts";
import { interopTest, plainEnvironment, PYTHON, runProgram } from "./harness.ts";

/** torchrun's `run` with the launch replaced by a look at what it was given. */
const SCRIPT = `
import json, os, sys
import torch.distributed.run as run
import torch.distributed.launch as launch
from torch.distributed.elastic.agent.server.api import WorkerSpec
from torch.distributed.elastic.utils import macros
from torch.distributed.launcher.api import _get_entrypoint_name

def look(config, entrypoint):
    def launched(*args):
        name = _get_entrypoint_name(entrypoint, list(args))
        program = "run-path" if callable(entrypoint) else entrypoint
        commands = [[program, *macros.substitute(list(args), str(rank))] for rank in range(2)]
        seen.append({
            "program": program, "commands": commands, "name": name, "backend": config.rdzv_backend,
            "endpoint": config.rdzv_endpoint, "jobId": config.run_id, "role": config.role,
            "workers": config.nproc_per_node, "restarts": config.max_restarts,
            "omp": os.environ.get("OMP_NUM_THREADS"), "timeout": config.shutdown_timeout,
            "prefix": config.log_line_prefix_template,
        })
    return launched

run.elastic_launch = look
plain = dict(os.environ)
seen = []
for case in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(plain | case["environment"])
    (launch.launch if case["isLegacy"] else run.run)((launch if case["isLegacy"] else run).parse_args(case["args"]))
print(json.dumps(seen))
`;

interface Case {
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly isLegacy?: boolean;
}

interface Seen {
  readonly program: string;
  readonly commands: readonly (readonly string[])[];
  readonly name: string;
  readonly backend: string;
  readonly endpoint: string;
  readonly jobId: string;
  readonly role: string;
  readonly workers: number;
  readonly restarts: number;
  readonly omp: string | null;
  readonly timeout: number;
  readonly prefix: string | null;
}

const SCRIPT_FILE = new URL(import.meta.url).pathname;

const CASES: readonly Case[] = [
  { args: [SCRIPT_FILE] },
  {
    args: [
      SCRIPT_FILE,
      "--out=/tmp/\${local_rank}",
      "$local_rank",
      "$$HOME",
      "$$$local_rank",
      "\${rank}",
      "a b",
      "",
    ],
  },
  { args: ["--standalone", "--nproc-per-node=2", SCRIPT_FILE] },
  { args: ["--nproc-per-node=2", SCRIPT_FILE], environment: { OMP_NUM_THREADS: "3" } },
  { args: ["--nproc-per-node=2", SCRIPT_FILE], environment: { OMP_NUM_THREADS: "" } },
  { args: ["--nproc-per-node=cpu", SCRIPT_FILE] },
  { args: ["--nproc-per-node=auto", SCRIPT_FILE] },
  { args: ["-m", "pkg.train", "-x"] },
  { args: ["-m", "pkg_\${local_rank}.train"] },
  { args: ["--no-python", "sh", "-c", "echo $local_rank $$"] },
  { args: ["--no-python", "/bin/sh", "x"] },
  { args: ["--run-path", "--no-python", "-m", SCRIPT_FILE, "\${local_rank}"] },
  { args: ["--", "-c", "print($local_rank)"] },
  { args: [SCRIPT_FILE], environment: { PYTHON_EXEC: "/usr/bin/python3" } },
  { args: ["--master-port=1234", SCRIPT_FILE] },
  { args: ["--master-port=1234", "--master-addr=localhost", "--rdzv-id=x", SCRIPT_FILE] },
  { args: ["--rdzv-backend=static", "--rdzv-endpoint=localhost:777", "--role=trainer", SCRIPT_FILE] },
  { args: ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--nnodes=1:1", SCRIPT_FILE] },
  { args: ["--rdzv-backend=c10d", "--rdzv-id=a", "--max-restarts=3", SCRIPT_FILE] },
  { args: [SCRIPT_FILE], environment: { TORCH_ELASTIC_SHUTDOWN_TIMEOUT: " 7", PET_MAX_RESTARTS: "2" } },
  { args: ["--shutdown-timeout=5", SCRIPT_FILE], environment: { TORCH_ELASTIC_SHUTDOWN_TIMEOUT: "7" } },
  { args: [SCRIPT_FILE], environment: { TORCHELASTIC_LOG_LINE_PREFIX_TEMPLATE: "<\${rank}>" } },
  {
    args: ["--log-line-prefix-template=", SCRIPT_FILE],
    environment: { TORCHELASTIC_LOG_LINE_PREFIX_TEMPLATE: "<>" },
  },
  { args: [SCRIPT_FILE, "x"], isLegacy: true },
  { args: ["--use-env", SCRIPT_FILE, "x"], isLegacy: true },
  { args: ["--use-env", "--no-python", "sh"], isLegacy: true },
];

/** As torchrun, but for what `equal` leaves out on purpose. */
function planOf({ args, environment = {}, isLegacy = false }: Case): LaunchPlan {
  const all = { ...plainEnvironment(), ...environment };
  const parsed = parseCommandLine(args, all, isLegacy ? "legacy" : "torchrun");
  assert(parsed.options !== null, JSON.stringify(parsed.problems));
  const { plan, problems } = planLaunch(parsed.options, {
    environment: all,
    cwd: Deno.cwd(),
    files: fileView,
    cpuCount: navigator.hardwareConcurrency,
    uuid: crypto.randomUUID(),
    commandOutput: undefined,
  });
  assert(plan !== null, JSON.stringify(problems));
  return plan;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function seenInPlan(plan: LaunchPlan, { environment = {} }: Case): Seen {
  const { command } = plan;
  const isRunPath = command.displayName === "run_script_path";
  const fixed = isRunPath ? [] : command.fixedArguments;
  const program = isRunPath ? "run-path" : command.executable;
  return {
    program,
    commands: [0, 1].map((rank) => [
      program,
      ...fixed,
      ...command.scriptArguments.map((argument) => substituteLocalRank(argument, rank)),
    ]),
    name: command.displayName,
    backend: plan.rendezvousBackend,
    endpoint: plan.rendezvousEndpoint,
    jobId: plan.jobId.replace(UUID, "(new)"),
    role: plan.role,
    workers: plan.workerCount,
    restarts: plan.maxRestarts,
    omp: plan.environment["OMP_NUM_THREADS"] ?? environment["OMP_NUM_THREADS"] ?? null,
    timeout: plan.shutdownTimeoutMs / 1000,
    prefix: plan.logs.linePrefixTemplate,
  };
}

interopTest(`planLaunch() comes to what torchrun comes to, on ${CASES.length} command lines`, async () => {
  const input = CASES.map(({ args, environment = {}, isLegacy = false }) => ({
    args,
    environment,
    isLegacy,
  }));
  // TORCH_HOME's bin is first on PATH, so the interpreter we find is the one that torchrun runs on.
  const run = await runProgram([PYTHON, "-c", SCRIPT], { stdin: JSON.stringify(input) });
  assertEquals(run.code, 0, run.stderr);
  const all: Seen[] = JSON.parse(run.stdout);
  assertEquals(all.length, CASES.length);
  CASES.forEach((one, index) => {
    const torchrun = all[index]!;
    const wanted = {
      ...torchrun,
      jobId: torchrun.jobId.replace(UUID, "(new)"),
      // torchrun keeps the empty text.
      prefix: torchrun.prefix || null,
    };
    const got = seenInPlan(planOf(one), one);
    const python = (text: string) =>
      text.endsWith("/python3") && !one.environment?.["PYTHON_EXEC"] ? PYTHON : text;
    const normalised = {
      ...got,
      program: python(got.program),
      commands: got.commands.map(([program, ...rest]) => [python(program!), ...rest]),
    };
    assertEquals(normalised, wanted, JSON.stringify(one));
  });
});
