/** The settings that `--dry-run` shows, in its order. `name` is the key in its JSON form and stays as it is. */

import { durationText } from "../core/time.ts";
import { cpuListText } from "./cpus.ts";
import type { LaunchPlan, RankRange } from "./launch_plan.ts";
import type { OptionName } from "./options.ts";
import { shellCommand } from "./shell_words.ts";

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

export interface SettingRow {
  readonly name: string;
  readonly section: string;
  readonly label: string;
  /** The option that decides; null: none does alone. */
  readonly option: OptionName | null;
  /** The field whose reason explains the value, where there is one. */
  readonly reason: keyof LaunchPlan | null;
  value(plan: LaunchPlan): Json;
  text(plan: LaunchPlan): string;
}

export const SETTINGS: readonly SettingRow[] = [
  ...section("Job", [
    row("jobId", "Id", "rdzvId", (plan) => plan.jobId),
    row("nodesMax", "Machines", "nnodes", (plan) => plan.nodesMax),
    row("rendezvousBackend", "Rendezvous", "rdzvBackend", (plan) => plan.rendezvousBackend),
    row("rendezvousEndpoint", "Endpoint", "rdzvEndpoint", (plan) => plan.rendezvousEndpoint),
    row(
      "store",
      "Workers' store",
      null,
      ({ store }) => ({ port: store.port, hostedByLauncher: store.hostedByLauncher }),
      ({ store }) =>
        `127.0.0.1:${store.port === 0 ? "(any free port)" : store.port}, of ` +
        (store.hostedByLauncher ? "the launcher" : "worker 0"),
    ),
  ]),
  ...section("Workers", [
    row("workerCount", "Number", "nprocPerNode", (plan) => plan.workerCount),
    row(
      "command",
      "Command",
      "noPython",
      ({ command }) => [command.executable, ...command.fixedArguments, ...command.scriptArguments],
      ({ command }) =>
        shellCommand([command.executable, ...command.fixedArguments, ...command.scriptArguments]),
    ),
    { ...row("command", "Directory", null, ({ command }) => command.cwd), name: "cwd", reason: null },
    row("role", "Role", "role", (plan) => plan.role),
    row(
      "devices",
      "Devices",
      "gpus",
      (plan) => plan.devices,
      ({ devices }) => devices?.join(",") ?? "as inherited",
    ),
    row(
      "cpuBinding",
      "CPUs",
      "numaBinding",
      ({ cpuBinding }) => cpuBinding?.map(cpuListText) ?? null,
      ({ cpuBinding }) =>
        cpuBinding?.map((cpus, rank) => `worker ${rank}: ${cpuListText(cpus)}`).join("; ") ?? "as inherited",
    ),
    row("virtualLocalRank", "Virtual local rank", "virtualLocalRank", (plan) => plan.virtualLocalRank),
    row(
      "stdinRank",
      "Reads the input",
      "stdinRank",
      (plan) => plan.stdinRank,
      ({ stdinRank }) =>
        stdinRank === null ? "a single worker on a terminal, else none" : `worker ${stdinRank}`,
    ),
  ]),
  ...section("Failures and stopping", [
    row("maxRestarts", "Restarts", "maxRestarts", (plan) => plan.maxRestarts),
    row("signalsToHandle", "Signals that stop", "signalsToHandle", (plan) => plan.signalsToHandle),
    row("forwardSignals", "Signals passed on", "forwardSignals", (plan) => plan.forwardSignals),
    duration("shutdownTimeoutMs", "Time to stop", "shutdownTimeout"),
    row("keepDaemons", "Keep daemons", "keepDaemons", (plan) => plan.keepDaemons),
    row("exitCode", "Exit code", "exitCode", (plan) => plan.exitCode),
    row(
      "fileTimer",
      "File timer",
      null,
      ({ fileTimer }) => fileTimer === undefined ? null : { path: fileTimer.path },
      ({ fileTimer }) => fileTimer === undefined ? "off" : fileTimer.path ?? "on, with a new file",
    ),
    duration("uninterruptibleTimeoutMs", "Kernel wait limit", null),
  ]),
  ...section("Output", [
    row("console", "Console", "console", (plan) => plan.console),
    log(
      "baseDirectory",
      "Log directory",
      "logDir",
      (base) => base ?? "a temporary one, removed after success",
    ),
    log("redirects", "Redirects", "redirects"),
    log("tee", "Tee", "tee"),
    log("localRanksFilter", "Ranks on the console", "localRanksFilter", (ranks) => ranks?.join(",") ?? "all"),
    log(
      "linePrefixTemplate",
      "Line prefix",
      "logLinePrefixTemplate",
      (text) => text ?? "[${role_name}${local_rank}]:",
    ),
    log(
      "ranksShown",
      "Global ranks on the console",
      "ranks",
      (ranges) => ranges?.map(rangeText).join(",") ?? "all",
    ),
    log("colour", "Colour", "color"),
    log("specsModule", "Log places from", "logsSpecs", (path) => path ?? "the options"),
    log("timestamps", "Timestamps", "timestamps"),
    log("fold", "Equal lines become one", "fold", (when) => when === "auto" ? "on a terminal" : "never"),
    log(
      "fileBytesMax",
      "Log file limit",
      "logMaxSize",
      (bytes) => bytes === null ? "none" : `${bytes} bytes`,
    ),
    log("duplicateStdoutFilters", "Stdout filters", "duplicateStdoutFilters"),
    log("duplicateStderrFilters", "Stderr filters", "duplicateStderrFilters"),
    row(
      "messages",
      "Own messages",
      null,
      ({ messages }) => ({ ...messages }),
      ({ messages }) => `${messages.verbosity}, ${messages.format}`,
    ),
    row("reportPath", "Report", "report", (plan) => plan.reportPath),
    watched("eventsPath", "Events", "events", ({ eventsPath }) => eventsPath),
    watched("torchEvents", "torchrun's events", "eventLogHandler", ({ torchEvents }) => torchEvents),
    watched(
      "metrics",
      "Metrics at",
      "metricsPort",
      ({ metrics }) => metrics && `${metrics.host}:${metrics.port}`,
    ),
    watched("metricsPath", "Metrics file", "metricsFile", ({ metricsPath }) => metricsPath),
    watched("healthPort", "Health check port", null, ({ healthPort }) => healthPort),
    row("ownErrorFile", "Own error file", null, (plan) => plan.ownErrorFile),
  ]),
];

type Row = Omit<SettingRow, "section">;

function section(title: string, rows: readonly Row[]): SettingRow[] {
  return rows.map((one) => ({ ...one, section: title }));
}

function row(
  field: keyof LaunchPlan,
  label: string,
  option: OptionName | null,
  value: (plan: LaunchPlan) => Json,
  text: (plan: LaunchPlan) => string = (plan) => plainText(value(plan)),
): Row {
  return { name: field, label, option, reason: field, value, text };
}

function duration(
  field: "shutdownTimeoutMs" | "uninterruptibleTimeoutMs",
  label: string,
  option: OptionName | null,
): Row {
  const text = (milliseconds: number | null) => milliseconds === null ? "off" : durationText(milliseconds);
  return row(field, label, option, (plan) => plan[field], (plan) => text(plan[field]));
}

function log<Field extends keyof LaunchPlan["logs"]>(
  field: Field,
  label: string,
  option: OptionName,
  text: (value: LaunchPlan["logs"][Field]) => string = (value) => plainText(asJson(value)),
): Row {
  return {
    name: field,
    label,
    option,
    reason: field === "linePrefixTemplate" ? "logs" : null,
    value: ({ logs }) => asJson(logs[field]),
    text: ({ logs }) => text(logs[field]),
  };
}

function watched(
  field: keyof LaunchPlan["watch"],
  label: string,
  option: OptionName | null,
  value: (watch: LaunchPlan["watch"]) => Json,
): Row {
  const text = (plan: LaunchPlan) => plainText(value(plan.watch));
  return { name: field, label, option, reason: null, value: (plan) => value(plan.watch), text };
}

/** Masks by rank become an object, with the ranks as keys. */
function asJson(value: LaunchPlan["logs"][keyof LaunchPlan["logs"]]): Json {
  return value instanceof Map ? Object.fromEntries(value) : value as Json;
}

function rangeText({ first, last }: RankRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

function plainText(value: Json): string {
  if (value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(", ");
  if (typeof value === "object") return Object.entries(value).map(([key, one]) => `${key}:${one}`).join(",");
  return String(value);
}
