/** torchrun 2.15's options, and the one of `torch.distributed.launch`. Source: torchrun.md 1.3; defaults as there. */

import { DEVICE_KINDS } from "./devices.ts";
import { type OptionRow, type OptionSpec, optionSpec } from "./spec.ts";
import {
  checkNotNegative,
  checkOneOf,
  checkPositive,
  parseNodes,
  parseRankList,
  parseSignalNames,
  parseStreamMasks,
  parseWorkerCount,
} from "./values.ts";
import { parseLogsSpecs } from "./log_values.ts";
import { BACKENDS } from "./rendezvous_choice.ts";
import { parseRendezvousConf } from "./rendezvous_conf.ts";

const EVENT_LOG_HANDLERS = ["null", "console", "dynamic_rendezvous"];

const ROWS: readonly OptionRow[] = [
  {
    name: "nprocPerNode",
    long: "nproc-per-node",
    kind: "text",
    default: "1",
    metavar: "N",
    check: parseWorkerCount,
    completes: DEVICE_KINDS,
    group: "Workers",
    tier: "common",
    help:
      "Workers on this machine: a number, gpu (one per visible device; also cuda, xpu, npu, hpu), cpu (one " +
      "per usable CPU), or auto (devices if there are any, else CPUs).",
  },
  {
    name: "virtualLocalRank",
    long: "virtual-local-rank",
    kind: "flag",
    group: "Workers",
    help: "Give every worker LOCAL_RANK=0 and a CUDA_VISIBLE_DEVICES that holds only its own device.",
  },
  {
    name: "numaBinding",
    long: "numa-binding",
    kind: "text",
    choices: ["node", "socket", "exclusive", "core-complex"],
    metavar: "MODE",
    group: "Workers",
    help:
      "Bind each worker to CPUs near its GPU: node (all of its NUMA node), socket, exclusive (its share of whole " +
      "cores) or core-complex (one last-level cache).",
  },
  {
    name: "startMethod",
    long: "start-method",
    kind: "text",
    default: "spawn",
    choices: ["spawn", "fork", "forkserver"],
    metavar: "METHOD",
    group: "Workers",
    help:
      "Accepted for torchrun's sake: spawn, fork or forkserver. Workers are always programs started anew.",
  },
  {
    name: "module",
    long: "module",
    short: "-m",
    kind: "flag",
    group: "Program",
    tier: "common",
    help: "SCRIPT is a Python module, run as 'python -m' does.",
  },
  {
    name: "noPython",
    long: "no-python",
    kind: "flag",
    group: "Program",
    tier: "common",
    help: "SCRIPT is a program of its own, started without Python.",
  },
  {
    name: "runPath",
    long: "run-path",
    kind: "flag",
    group: "Program",
    help:
      "SCRIPT is the path of a Python file, run as runpy.run_path does. Wins over --no-python and --module.",
  },
  {
    name: "nnodes",
    long: "nnodes",
    kind: "text",
    default: "1:1",
    metavar: "N",
    check: parseNodes,
    group: "Nodes",
    tier: "common",
    help:
      "Machines in the job: a number, or MIN:MAX for a job that may grow and shrink. More than one is not in " +
      "force yet.",
  },
  {
    name: "standalone",
    long: "standalone",
    kind: "flag",
    group: "Nodes",
    tier: "common",
    help:
      "This machine alone, on a free port, with a new job id: several jobs can run side by side. Back end, " +
      "endpoint and id given elsewhere do not count.",
  },
  {
    name: "rdzvBackend",
    long: "rdzv-backend",
    kind: "text",
    default: "static",
    metavar: "NAME",
    completes: BACKENDS,
    group: "Nodes",
    tier: "common",
    help:
      "How the machines find each other: static (default; fixed ranks), c10d (one machine hosts the meeting), " +
      "etcd-v3 (any machine can host it), or what torchrun's agents write to etcd: etcd-v2, etcd.",
  },
  {
    name: "rdzvEndpoint",
    long: "rdzv-endpoint",
    kind: "text",
    default: "",
    metavar: "HOST:PORT",
    group: "Nodes",
    tier: "common",
    help:
      "Where they meet. Without a port: 29400 for c10d, 2379 for etcd, whose members may be listed: A,B,C.",
  },
  {
    name: "rdzvId",
    long: "rdzv-id",
    kind: "text",
    default: "none",
    metavar: "ID",
    group: "Nodes",
    tier: "common",
    help: "Name of the job, equal on all its machines.",
  },
  {
    name: "rdzvConf",
    long: "rdzv-conf",
    kind: "text",
    default: "",
    metavar: "K=V,...",
    check: parseRendezvousConf,
    group: "Nodes",
    help: "Settings of the back end, such as join_timeout=600,is_host=1.",
  },
  {
    name: "nodeRank",
    long: "node-rank",
    kind: "integer",
    default: 0,
    metavar: "RANK",
    group: "Nodes",
    tier: "common",
    help: "Rank of this machine, for static only.",
  },
  {
    name: "masterAddr",
    long: "master-addr",
    kind: "text",
    default: "127.0.0.1",
    metavar: "HOST",
    group: "Nodes",
    tier: "common",
    help: "Machine with rank 0, for static without --rdzv-endpoint. Default: 127.0.0.1.",
  },
  {
    name: "masterPort",
    long: "master-port",
    kind: "integer",
    metavar: "PORT",
    group: "Nodes",
    tier: "common",
    help: "Port on that machine. Default: 29500; any free port where the job has one machine.",
  },
  {
    name: "localAddr",
    long: "local-addr",
    kind: "text",
    metavar: "HOST",
    group: "Nodes",
    help: "Address under which the others reach this machine. Default: found out.",
  },
  {
    name: "maxRestarts",
    long: "max-restarts",
    kind: "integer",
    default: 0,
    metavar: "N",
    check: checkNotNegative,
    group: "Failures and stopping",
    tier: "common",
    help: "How often all workers are started again after one failed. Default: 0.",
  },
  {
    name: "shutdownTimeout",
    long: "shutdown-timeout",
    kind: "integer",
    metavar: "SECONDS",
    check: checkNotNegative,
    group: "Failures and stopping",
    tier: "common",
    help: "How long workers that were told to stop may take before they are killed. Default: " +
      "TORCH_ELASTIC_SHUTDOWN_TIMEOUT, else 30.",
  },
  {
    name: "signalsToHandle",
    long: "signals-to-handle",
    kind: "text",
    default: "SIGTERM,SIGINT,SIGHUP,SIGQUIT",
    metavar: "NAMES",
    check: parseSignalNames,
    group: "Failures and stopping",
    help: "Signals that stop this machine's workers. Default: SIGTERM,SIGINT,SIGHUP,SIGQUIT.",
  },
  {
    name: "monitorInterval",
    long: "monitor-interval",
    kind: "number",
    default: 0.1,
    metavar: "SECONDS",
    check: checkPositive,
    group: "Failures and stopping",
    help: "Accepted for torchrun's sake. Nothing is polled: the end of a worker is seen at once.",
  },
  {
    name: "logDir",
    long: "log-dir",
    kind: "text",
    metavar: "DIRECTORY",
    completes: "directory",
    group: "Output",
    tier: "common",
    help: "Where log files go. Default: a temporary directory, removed after success.",
  },
  {
    name: "redirects",
    long: "redirects",
    short: "-r",
    kind: "text",
    default: "0",
    metavar: "WHAT",
    check: parseStreamMasks,
    group: "Output",
    tier: "common",
    help:
      "Write output to log files instead of the console: 0 nothing, 1 stdout, 2 stderr, 3 both, or by local " +
      "rank: 0:3,1:2.",
  },
  {
    name: "tee",
    long: "tee",
    short: "-t",
    kind: "text",
    default: "0",
    metavar: "WHAT",
    check: parseStreamMasks,
    group: "Output",
    tier: "common",
    help: "Write output to log files and, each line with its worker's name, to the console. Values as for " +
      "--redirects.",
  },
  {
    name: "logLinePrefixTemplate",
    long: "log-line-prefix-template",
    kind: "text",
    default: "",
    metavar: "TEMPLATE",
    group: "Output",
    help:
      "What --tee puts before a line: text with ${role_name}, ${local_rank}, ${rank}, ${hostname}. Default: " +
      "TORCHELASTIC_LOG_LINE_PREFIX_TEMPLATE, else [${role_name}${local_rank}]:",
  },
  {
    name: "localRanksFilter",
    long: "local-ranks-filter",
    kind: "text",
    default: "",
    metavar: "RANKS",
    check: parseRankList,
    group: "Output",
    help: "Show only these local ranks on the console, such as 0,1. Log files are not affected.",
  },
  {
    name: "duplicateStdoutFilters",
    long: "duplicate-stdout-filters",
    kind: "list",
    default: [],
    metavar: "TEXTS",
    group: "Output",
    help:
      "Copy lines of tee'd stdout that contain one of these texts into filtered_stdout.log; ',,' is a comma.",
  },
  {
    name: "duplicateStderrFilters",
    long: "duplicate-stderr-filters",
    kind: "list",
    default: [],
    metavar: "TEXTS",
    group: "Output",
    help: "The same for stderr, into filtered_stderr.log.",
  },
  {
    name: "role",
    long: "role",
    kind: "text",
    default: "default",
    metavar: "NAME",
    group: "Output",
    help: "Role of the workers: ROLE_NAME, and the start of --tee's line prefix.",
  },
  {
    name: "eventLogHandler",
    long: "event-log-handler",
    kind: "text",
    default: "null",
    metavar: "NAME",
    check: checkOneOf(EVENT_LOG_HANDLERS),
    completes: EVENT_LOG_HANDLERS,
    group: "Output",
    help:
      "Where torchrun's event lines go: console (the launcher's stderr), or null and dynamic_rendezvous (nowhere). " +
      "--events has more.",
  },
  {
    name: "logsSpecs",
    long: "logs-specs",
    kind: "text",
    metavar: "PATH",
    check: parseLogsSpecs,
    completes: "file",
    group: "Output",
    help:
      "A TypeScript or JavaScript module that says where each worker's output goes, in place of torchrun's Python " +
      "entry point, or 'default'.",
  },
  {
    name: "help",
    long: "help",
    short: "-h",
    kind: "mode",
    metavar: "[all]",
    completes: ["all"],
    group: "Information",
    tier: "common",
    help: "Print the common options; with the word 'all' every one.",
  },
  {
    name: "printCompletion",
    long: "print-completion",
    kind: "text",
    choices: ["bash", "zsh", "fish", "tcsh"],
    metavar: "SHELL",
    group: "Information",
    help:
      "Print the completions for bash, zsh, fish or tcsh. For bash: source <(muster --print-completion bash)",
  },
];

/** torchrun reads no variable for these. */
const WITHOUT_VARIABLE: readonly string[] = ["help", "numaBinding", "logsSpecs", "printCompletion"];

export const TORCHRUN_OPTIONS: readonly OptionSpec[] = ROWS.map((row) =>
  optionSpec(row, { isOwn: false, hasVariable: !WITHOUT_VARIABLE.includes(row.name) })
);

export const LEGACY_OPTIONS: readonly OptionSpec[] = [
  optionSpec({
    name: "useEnv",
    long: "use-env",
    kind: "flag",
    group: "Program",
    tier: "common",
    help:
      "Do not append --local-rank=N to the script's arguments; it reads LOCAL_RANK. Always so without 'launch'.",
  }, { isOwn: false, hasVariable: false }),
];
