/** Command lines for the comparison of the two parsers: seeded, from plain to perverse. */

import type { Prng } from "../../lib/core/prng.ts";
import { type Dialect, optionTable } from "../../lib/options/option_table.ts";
import type { OptionSpec } from "../../lib/options/spec.ts";

export interface CommandLine {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly dialect: Dialect;
}

const INTEGERS = [
  "0",
  "1",
  "3",
  " 2",
  "+2",
  "1_0",
  "-1",
  "007",
  "٣",
  "1__0",
  "_1",
  "1.5",
  "",
  "x",
  "1e3",
  "- 1",
];
const MASKS = [
  "0",
  "1",
  "2",
  "3",
  "0:3,1:2",
  "1:0,1:3",
  "3\n",
  "4",
  "10:1",
  "0:1,",
  "0:4",
  "",
  "a",
  "0:1 ,1:1",
  "-1",
];

/** Values that an option's meaning depends on; the others get TEXTS. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  nnodes: ["1", "2", "1:1", "1:4", "2:1", "0", " 1 : 2 ", "1:2:3", "1:", "", "x", "-1", "+1", "1_0"],
  nprocPerNode: ["1", "2", " 2", "+2", "1_0", "cpu", "auto", "0", "-1", "cuda", "two", "1.0", ""],
  rdzvBackend: ["static", "c10d", "c10d", "etcd-v2", "etcd", "zookeeper", ""],
  rdzvEndpoint: [
    "localhost:29400",
    "host",
    "host:0",
    "[::1]:1",
    "[::1]",
    "h:65536",
    "h:x",
    "a b",
    ":1",
    "",
    " h:1 ",
  ],
  rdzvConf: [
    ...[
      "join_timeout=5",
      "a=b=c",
      "k=v, is_host = yes ",
      "store_type=file",
      "",
      " ",
      "cas_backoff_max_seconds=.5",
    ],
    ...[
      "join_timeout",
      "=1",
      "a=",
      "a=1,,b=2",
      "join_timeout=0",
      "join_timeout=x",
      "is_host=2",
      "store_type=disk",
    ],
    ...[
      "read_timeout=-1",
      "keep_alive_interval=x",
      "cas_backoff_max_seconds=-1",
      "timeout=5",
      "timeout=x",
      "protocol=https",
      "protocol=ftp",
    ],
  ],
  maxRestarts: INTEGERS,
  monitorInterval: [
    "0.1",
    "5",
    "1e-3",
    " .5",
    "5.",
    "inf",
    "nan",
    "-inf",
    "0",
    "-1",
    "1_0.5",
    "1e",
    "x",
    "",
    "Infinity",
  ],
  startMethod: ["spawn", "fork", "forkserver", "thread", ""],
  eventLogHandler: ["null", "console", "dynamic_rendezvous", "syslog"],
  redirects: MASKS,
  tee: MASKS,
  localRanksFilter: ["", "0", "0,1", "1, 0 ,1", "-1", "0,", "a", ",", "+1,1_0"],
  duplicateStdoutFilters: ["", "a", "a,b", "a,,b", ",", ",,,", "a, b"],
  duplicateStderrFilters: ["a", ",,", "x,,,y"],
  nodeRank: INTEGERS,
  masterAddr: ["127.0.0.1", "[::1]", "::1", "a b", "", "host"],
  masterPort: ["29500", "0", "65535", "65536", "-1", "x", " 1", ""],
  logsSpecs: ["default", "mine"],
  numaBinding: ["node", "socket", "exclusive", "core-complex", "cores"],
  signalsToHandle: [
    "SIGTERM",
    "SIGTERM, SIGUSR1",
    "",
    "SIGKILL",
    "SIGSTOP,SIGINT",
    "SIGNONSENSE",
    "SIGTERM,",
  ],
  shutdownTimeout: INTEGERS,
};
const TEXTS = [
  "a",
  "",
  "a b",
  "-1",
  "-.5",
  "-",
  "--",
  "-x",
  "-a b",
  "--nnodes",
  "--x=1",
  "a=b",
  "ünïcode",
  "=",
  "-t",
  "all",
];
const FLAG_VARIABLES = ["0", "1", "2", "-1", " 1 ", "1_0", "yes", "", "true", "1.0"];
const SCRIPTS = ["train.py", "train.py", "dir/a b.py", "-", "-5", "", "-x y", "run", "store"];
const SCRIPT_ARGUMENTS = [
  "--lr",
  "0.1",
  "--nnodes=2",
  "--standalone",
  "--",
  "-x",
  "-r3",
  "--r=16",
  "",
  "$local_rank",
  "a b",
];
const UNKNOWN = ["--bogus", "-x", "--bogus=1", "-9z", "---", "--=1", "--nnodesx", "-=", "--bogus x"];

const OPTIONS = optionTable("legacy").filter((spec) => !spec.isOwn && spec.name !== "printCompletion");

export function drawCommandLine(prng: Prng): CommandLine {
  const dialect = prng.chance(1, 10) ? "legacy" : "torchrun";
  // Half of the lines are made of good values alone: a line that is refused shows little.
  const isPlain = prng.chance(1, 2);
  const drawn: string[] = [];
  for (let count = prng.below(6); count > 0; count--) {
    drawn.push(...drawOption(prng, prng.pick(OPTIONS), isPlain));
  }
  if (!isPlain && prng.chance(1, 10)) drawn.push(prng.pick(UNKNOWN));
  if (!prng.chance(1, 20)) drawn.push(...drawScript(prng));
  return { args: drawn, environment: drawEnvironment(prng, isPlain), dialect };
}

function drawOption(prng: Prng, option: OptionSpec, isPlain: boolean): string[] {
  let spelling = prng.pick(option.spellings);
  if (spelling.startsWith("--") && prng.chance(1, 4)) {
    spelling = spelling.slice(0, 3 + prng.below(spelling.length - 2));
  }
  if (!takesValue(option)) {
    if (isPlain || !prng.chance(1, 3)) return [spelling];
    return [spelling + prng.pick(["=1", "=", "=t", "m", "t3", "r", "mx", "=m", "mr=1"])];
  }
  const value = drawValue(prng, option, isPlain);
  if (!isPlain && prng.chance(1, 12)) return [spelling];
  if (prng.chance(1, 2)) return [spelling, value];
  const joined = !spelling.startsWith("--") && prng.chance(1, 2);
  return [joined ? spelling + value : `${spelling}=${value}`];
}

function drawValue(prng: Prng, option: OptionSpec, isPlain: boolean): string {
  const values = VALUES[option.name] ?? TEXTS;
  if (isPlain) return values[prng.below(Math.min(3, values.length))]!;
  return prng.pick(prng.chance(1, 6) ? TEXTS : values);
}

function drawScript(prng: Prng): string[] {
  const script = [prng.pick(SCRIPTS)];
  for (let count = prng.below(4); count > 0; count--) script.push(prng.pick(SCRIPT_ARGUMENTS));
  return prng.chance(1, 8) ? ["--", ...script] : script;
}

function drawEnvironment(prng: Prng, isPlain: boolean): Record<string, string> {
  const environment: Record<string, string> = {};
  for (let count = prng.below(4); count > 0; count--) {
    const option = prng.pick(OPTIONS);
    const value = takesValue(option)
      ? drawValue(prng, option, isPlain)
      : prng.pick(isPlain ? FLAG_VARIABLES.slice(0, 4) : FLAG_VARIABLES);
    environment[option.variable ?? "PET_NUMA_BINDING"] = value;
  }
  return environment;
}

function takesValue(option: OptionSpec): boolean {
  return option.kind !== "flag" && option.kind !== "mode";
}
