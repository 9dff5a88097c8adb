/** Command lines for the comparison of the two parsers, from plain to perverse. */

import type { Prng } from "../../lib/core/prng.ts";
import { type Dialect, optionTable } from "../../lib/options/option_table.ts";
import type { OptionSpec } from "../../lib/options/spec.ts";

export interface CommandLine {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly dialect: Dialect;
}

/** A list from one text, for values that are many and short. */
const each = (text: string) => text.split("|");

const INTEGERS = each("0|1|3| 2|+2|1_0|-1|007|٣|1__0|_1|1.5||x|1e3|- 1");
const MASKS = each("0|1|2|3|0:3,1:2|1:0,1:3|3\n|4|10:1|0:1,|0:4||a|0:1 ,1:1|-1");

/** Values that an option's meaning depends on, good ones first; the others get TEXTS. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  nnodes: each("1|2|1:1|1:4|2:1|0| 1 : 2 |1:2:3|1:||x|-1|+1|1_0"),
  nprocPerNode: each("1|2| 2|+2|1_0|cpu|auto|0|-1|cuda|two|1.0|"),
  rdzvBackend: each("static|c10d|c10d|etcd-v2|etcd|zookeeper|"),
  rdzvEndpoint: each("localhost:29400|host|host:0|[::1]:1|[::1]|h:65536|h:x|a b|:1|| h:1 "),
  rdzvConf: each(
    "join_timeout=5|a=b=c|k=v, is_host = yes |store_type=file|| |cas_backoff_max_seconds=.5|join_timeout|=1|a=|" +
      "a=1,,b=2|join_timeout=0|join_timeout=x|is_host=2|store_type=disk|read_timeout=-1|timeout=5|timeout=x",
  ),
  maxRestarts: INTEGERS,
  monitorInterval: each("0.1|5|1e-3| .5|5.|inf|nan|-inf|0|-1|1_0.5|1e|x||Infinity"),
  startMethod: each("spawn|fork|forkserver|thread|"),
  eventLogHandler: each("null|console|dynamic_rendezvous|syslog"),
  redirects: MASKS,
  tee: MASKS,
  localRanksFilter: each("|0|0,1|1, 0 ,1|-1|0,|a|,|+1,1_0"),
  duplicateStdoutFilters: each("|a|a,b|a,,b|,|,,,|a, b"),
  duplicateStderrFilters: each("a|,,|x,,,y"),
  nodeRank: INTEGERS,
  masterAddr: each("127.0.0.1|[::1]|::1|a b||host"),
  masterPort: each("29500|0|65535|65536|-1|x| 1|"),
  logsSpecs: each("default|mine"),
  numaBinding: each("node|socket|exclusive|core-complex|cores"),
  signalsToHandle: each("SIGTERM|SIGTERM, SIGUSR1||SIGKILL|SIGSTOP,SIGINT|SIGNONSENSE|SIGTERM,"),
  shutdownTimeout: INTEGERS,
};
const TEXTS = each("a||a b|-1|-.5|-|--|-x|-a b|--nnodes|--x=1|a=b|ünïcode|=|-t|all");
const FLAG_VARIABLES = each("0|1|2|-1| 1 |1_0|yes||true|1.0");
const SCRIPTS = each("train.py|train.py|dir/a b.py|-|-5||-x y|run|store");
const SCRIPT_ARGUMENTS = each("--lr|0.1|--nnodes=2|--standalone|--|-x|-r3|--r=16||$local_rank|a b");
const UNKNOWN = each("--bogus|-x|--bogus=1|-9z|---|--=1|--nnodesx|-=|--bogus x");
const CONF_KEYS = each(
  "join_timeout|last_call_timeout|close_timeout|heartbeat_timeout|keep_alive_interval|keep_alive_max_attempt|" +
    "cas_backoff_max_seconds|read_timeout|is_host|store_type|timeout|protocol|ssl_cert|ssl_cert_key|ca_cert|" +
    "etcd_prefix|cacert|cert|key|rank|unknown",
);
const CONF_VALUES = each("5|0|-1|1.5|inf|x|yes|FILE|https");

const OPTIONS = optionTable("legacy").filter((spec) => !spec.isOwn && spec.name !== "printCompletion");

/** Every value alone, as an option and as a variable, and every setting of every back end. */
export function singleValues(): CommandLine[] {
  const line = (args: string[], environment: Record<string, string> = {}): CommandLine => ({
    args: [...args, "train.py"],
    environment,
    dialect: "torchrun",
  });
  const options = OPTIONS.flatMap((option) =>
    (takesValue(option) ? VALUES[option.name] ?? TEXTS : FLAG_VARIABLES).flatMap((value) => [
      line([`${option.spellings[0]}=${value}`]),
      ...(option.variable === null ? [] : [line([], { [option.variable]: value })]),
    ])
  );
  const settings = ["static", "c10d", "etcd", "etcd-v2"].flatMap((backend) =>
    CONF_KEYS.flatMap((key) =>
      CONF_VALUES.map((value) =>
        line([`--rdzv-backend=${backend}`, "--rdzv-endpoint=host:1", `--rdzv-conf=${key}=${value}`])
      )
    )
  );
  return [...options, ...settings];
}

/** One line of several options, seeded. */
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
