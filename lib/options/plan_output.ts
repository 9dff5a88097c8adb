/** Where the workers' input comes from and where output, logs and reports go (torchrun.md 5). */

import { givenName } from "./checks.ts";
import { checkedValue, quote } from "./checked.ts";
import type { Findings } from "./findings.ts";
import type { LaunchPlan, LogSettings } from "./launch_plan.ts";
import { type MachineView, variable } from "./machine_view.ts";
import type { Options, ParsedOptions } from "./options.ts";
import { parseByteSize, parseLogsSpecs, parseRankRanges } from "./log_values.ts";
import { parseRankList, parseStreamMasks } from "./values.ts";

export type Output = Pick<
  LaunchPlan,
  "console" | "stdinRank" | "reportPath" | "ownErrorFile" | "logs" | "messages"
>;

export function planOutput(parsed: ParsedOptions, machine: MachineView, findings: Findings): Output {
  const { values } = parsed;
  const ownErrorFile = variable(machine, "TORCHELASTIC_ERROR_FILE") || null;
  if (ownErrorFile !== null) findings.reasons.set("ownErrorFile", "TORCHELASTIC_ERROR_FILE");
  if (values.report !== null) checkTarget(values.report, "--report", machine, findings);
  return {
    console: values.console,
    stdinRank: values.stdinRank,
    reportPath: values.report,
    ownErrorFile,
    logs: planLogs(parsed, machine, findings),
    messages: {
      verbosity: values.quiet ? "quiet" : values.verbose ? "verbose" : "normal",
      format: values.logFormat,
    },
  };
}

export function checkStdinRank({ stdinRank }: Options, workerCount: number, { problems }: Findings): void {
  if (stdinRank === null || stdinRank < workerCount) return;
  const ranks = workerCount === 1 ? "the only one is 0" : `they are 0 to ${workerCount - 1}`;
  problems.push({ message: `--stdin-rank must be the local rank of a worker: ${ranks}, got ${stdinRank}` });
}

/** A report that can't be written would be missed when it is needed most. */
export function checkTarget(
  path: string,
  option: string,
  { files }: MachineView,
  { problems }: Findings,
): void {
  const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) || "/" : ".";
  if (path === "" || files.kind(path) === "directory") {
    problems.push({ message: `${option} must be the name of a file: got ${quote(path)}` });
  } else if (files.kind(folder) !== "directory") {
    problems.push({ message: `${option} cannot be written: there is no directory ${quote(folder)}` });
  }
}

function planLogsSpecs(text: string | null, { files }: MachineView, { problems }: Findings): string | null {
  const path = text === null ? null : checkedValue(parseLogsSpecs(text));
  if (path !== null && files.kind(path) !== "file") {
    problems.push({ message: `--logs-specs must be the path of a module: there is no file ${quote(path)}` });
  }
  return path;
}

function planLogs(parsed: ParsedOptions, machine: MachineView, findings: Findings): LogSettings {
  const { values } = parsed;
  const { problems, reasons } = findings;
  const baseDirectory = values.logDir || null;
  if (baseDirectory !== null && machine.files.kind(baseDirectory) === "file") {
    const source = givenName(parsed, "logDir");
    problems.push({ message: `${source} must be a directory: ${quote(baseDirectory)} is a file` });
  }
  const name = "TORCHELASTIC_LOG_LINE_PREFIX_TEMPLATE";
  const inherited = variable(machine, name) || null;
  if (values.logLinePrefixTemplate === "" && inherited !== null) reasons.set("logs", `prefix from ${name}`);
  return {
    baseDirectory,
    redirects: checkedValue(parseStreamMasks(values.redirects)),
    tee: checkedValue(parseStreamMasks(values.tee)),
    localRanksFilter: checkedValue(parseRankList(values.localRanksFilter)),
    linePrefixTemplate: values.logLinePrefixTemplate || inherited,
    duplicateStdoutFilters: values.duplicateStdoutFilters,
    duplicateStderrFilters: values.duplicateStderrFilters,
    ranksShown: checkedValue(parseRankRanges(values.ranks)),
    colour: values.color,
    timestamps: values.timestamps,
    fold: values.fold,
    specsModule: planLogsSpecs(values.logsSpecs, machine, findings),
    fileBytesMax: values.logMaxSize === null ? null : checkedValue(parseByteSize(values.logMaxSize)),
  };
}
