/** The options that only muster has. None of them may be the beginning of one of torchrun's spellings. */

import { type OptionRow, type OptionSpec, optionSpec } from "./spec.ts";
import { parseByteSize, parseRankRanges } from "./log_values.ts";
import { checkAddressRanges, checkNotNegative, parseForwardedSignals, parseListenAddress } from "./values.ts";

const ROWS: readonly OptionRow[] = [
  {
    name: "gpus",
    long: "gpus",
    kind: "text",
    metavar: "LIST",
    group: "Workers",
    tier: "common",
    help: "Devices for the workers, such as 0,2,5: all workers see these and no others.",
  },
  {
    name: "stdinRank",
    long: "stdin-rank",
    kind: "integer",
    metavar: "RANK",
    check: checkNotNegative,
    group: "Workers",
    help:
      "Local rank of the worker that reads the launcher's input, as a debugger needs it. Default: rank 0 where " +
      "it is the only worker and the input is a terminal, else none.",
  },
  {
    name: "force",
    long: "force",
    kind: "flag",
    group: "Workers",
    help: "Start more than 4096 workers.",
  },
  {
    name: "python",
    long: "python",
    kind: "text",
    metavar: "PROGRAM",
    completes: "file",
    group: "Program",
    tier: "common",
    help:
      "Interpreter to use. Default: PYTHON_EXEC, the active virtual or conda environment, python3 or python " +
      "on PATH.",
  },
  {
    name: "forwardSignals",
    long: "forward-signals",
    kind: "text",
    default: "",
    metavar: "NAMES",
    check: parseForwardedSignals,
    group: "Failures and stopping",
    help: "Signals to pass on to the workers, such as USR1,USR2.",
  },
  {
    name: "keepDaemons",
    long: "keep-daemons",
    kind: "flag",
    group: "Failures and stopping",
    help: "After success, leave running what the workers left behind.",
  },
  {
    name: "onTerm",
    long: "on-term",
    kind: "text",
    default: "node",
    choices: ["node", "job"],
    metavar: "WHAT",
    group: "Failures and stopping",
    help:
      "What SIGTERM ends in a job of several nodes: node (this node leaves, the others go on; default) or job. SIGINT " +
      "always ends the job.",
  },
  {
    name: "onNodeLoss",
    long: "on-node-loss",
    kind: "text",
    default: "wait",
    choices: ["wait", "fail"],
    metavar: "WHAT",
    group: "Failures and stopping",
    help:
      "What to do when a lost node leaves too few: wait for another (default, as long as rdzv-conf's join_timeout) " +
      "or fail.",
  },
  {
    name: "noFailover",
    long: "no-failover",
    kind: "flag",
    group: "Nodes",
    help:
      "When the node at which the others meet is lost, end the job. Without it another node takes over, where MIN is " +
      "more than half of MAX.",
  },
  {
    name: "exitBarrierTimeout",
    long: "exit-barrier-timeout",
    kind: "number",
    default: 300,
    metavar: "SECONDS",
    check: checkNotNegative,
    group: "Nodes",
    help: "How long nodes whose workers are done wait for the others (default 300).",
  },
  {
    name: "nodeId",
    long: "node-id",
    kind: "text",
    metavar: "NAME",
    group: "Nodes",
    help: "A name for this node that is unique in the job and stable over restarts of the launcher.",
  },
  {
    name: "topologyKey",
    long: "topology-key",
    kind: "text",
    metavar: "KEY",
    group: "Nodes",
    help: "Nodes with the same key, such as a switch's name, get neighbouring ranks.",
  },
  {
    name: "jobSecretFile",
    long: "job-secret-file",
    kind: "text",
    metavar: "FILE",
    completes: "file",
    group: "Nodes",
    help:
      "The launchers of the job prove to each other that they know FILE's content. Or set MUSTER_JOB_SECRET.",
  },
  {
    name: "storeAllow",
    long: "store-allow",
    kind: "text",
    metavar: "CIDR,...",
    check: checkAddressRanges,
    group: "Nodes",
    help: "Who may connect to the job's endpoint, beside this machine (default: everybody who can reach it).",
  },
  {
    name: "exitCode",
    long: "exit-code",
    kind: "text",
    default: "torchrun",
    choices: ["torchrun", "worker"],
    metavar: "WHOSE",
    group: "Failures and stopping",
    help: "Exit code when a worker failed: torchrun (1, default) or worker (that of the first that failed).",
  },
  {
    name: "report",
    long: "report",
    kind: "text",
    metavar: "FILE",
    completes: "file",
    group: "Output",
    tier: "common",
    help: "Write what became of the job to FILE, as JSON.",
  },
  {
    name: "events",
    long: "events",
    kind: "text",
    metavar: "FILE",
    completes: "file",
    group: "Output",
    tier: "common",
    help:
      "Append what happens to the job to FILE, one JSON object a line; 'muster report FILE' makes a page of it.",
  },
  {
    name: "metricsPort",
    long: "metrics-port",
    kind: "text",
    metavar: "[HOST:]PORT",
    check: parseListenAddress,
    group: "Output",
    help:
      "Serve metrics for Prometheus at /metrics, and /healthz. Default host: all addresses. 0: any free port, which " +
      "is said.",
  },
  {
    name: "metricsFile",
    long: "metrics-file",
    kind: "text",
    metavar: "FILE",
    completes: "file",
    group: "Output",
    help:
      "Write the metrics to FILE every 15 s, for a node exporter's textfile collector (its name ends in .prom).",
  },
  {
    name: "console",
    long: "console",
    kind: "text",
    default: "relay",
    choices: ["relay", "inherit"],
    metavar: "HOW",
    group: "Output",
    help:
      "How output reaches the console: relay (default; whole lines, the last ones kept for the failure report) " +
      "or inherit (workers write to the launcher's own output).",
  },
  {
    name: "color",
    long: "color",
    kind: "text",
    default: "auto",
    choices: ["auto", "always", "never"],
    metavar: "WHEN",
    group: "Output",
    tier: "common",
    help: "Colour labels by rank: auto (default; on a terminal, unless NO_COLOR is set), always or never.",
  },
  {
    name: "ranks",
    long: "ranks",
    kind: "text",
    default: "",
    metavar: "LIST",
    check: parseRankRanges,
    group: "Output",
    tier: "common",
    help:
      "Show only these global ranks on the console, such as 0,8-15. Log files and the failure report have all.",
  },
  {
    name: "timestamps",
    long: "timestamps",
    kind: "flag",
    group: "Output",
    tier: "common",
    help: "Put the time before every line on the console.",
  },
  {
    name: "fold",
    long: "fold",
    kind: "text",
    default: "auto",
    choices: ["auto", "never"],
    metavar: "WHEN",
    group: "Output",
    help:
      "Make one line of equal lines that several workers write within a moment, with their ranks: auto (default; on " +
      "a terminal) or never.",
  },
  {
    name: "logMaxSize",
    long: "log-max-size",
    kind: "text",
    metavar: "SIZE",
    check: parseByteSize,
    group: "Output",
    help:
      "Keep at most SIZE of each log file, such as 100M or 1G: its beginning and its end, with a line that says " +
      "what was left out.",
  },
  {
    name: "verbose",
    long: "verbose",
    kind: "flag",
    group: "Output",
    help: "Say what the launcher does. Takes LOGLEVEL's place.",
  },
  {
    name: "quiet",
    long: "quiet",
    kind: "flag",
    group: "Output",
    help: "Of the launcher's own messages show only warnings, errors and the failure report.",
  },
  {
    name: "logFormat",
    long: "log-format",
    kind: "text",
    default: "text",
    choices: ["text", "json"],
    metavar: "FORMAT",
    group: "Output",
    help: "The launcher's own messages: text (default) or json (one object for each line).",
  },
  {
    name: "dryRun",
    long: "dry-run",
    kind: "mode",
    default: "off",
    choices: ["text", "json"],
    metavar: "[=json]",
    group: "Information",
    tier: "common",
    help: "Print what would be started, and where each setting comes from; start nothing.",
  },
  {
    name: "version",
    long: "version",
    kind: "flag",
    group: "Information",
    tier: "common",
    help: "Print the version.",
  },
];

export const OWN_OPTIONS: readonly OptionSpec[] = ROWS.map((row) =>
  optionSpec(row, { isOwn: true, hasVariable: false })
);
