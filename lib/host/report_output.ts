/** Puts a verdict where people and programs look for it: the console, `--report`, the launcher's own error file. */

import { ownErrorFile } from "../agent/own_error_file.ts";
import type { Verdict } from "../agent/report.ts";
import { verdictJson } from "../agent/report_json.ts";
import { verdictText } from "../agent/report_text.ts";
import type { LauncherLog } from "./launcher_log.ts";

export interface ReportTargets {
  readonly log: LauncherLog;
  readonly stderrIsTerminal: boolean;
  readonly colour: boolean;
  /** `--report FILE`; null: none. */
  readonly reportPath: string | null;
  /** TORCHELASTIC_ERROR_FILE of the launcher itself; null: none. */
  readonly ownErrorFile: string | null;
}

const WIDTH_WITHOUT_TERMINAL = 100;

/** Shows `verdict` and writes its copies. A copy that can't be written costs a warning, not the report. */
export function putOutReport(verdict: Verdict, attempts: readonly Verdict[], targets: ReportTargets): void {
  const text = verdictText(verdict, {
    width: targets.stderrIsTerminal ? terminalWidth() : WIDTH_WITHOUT_TERMINAL,
    colour: targets.colour,
    utcOffsetMinutes: -new Date().getTimezoneOffset(),
    attempts,
  });
  targets.log.show(text);
  const write = (path: string, content: string, option: string) => {
    try {
      Deno.writeTextFileSync(path, content);
    } catch (error) {
      targets.log.say(
        "warning",
        `Cannot write the report to "${path}" (${option}): ${(error as Error).message}`,
      );
    }
  };
  if (targets.reportPath !== null) {
    write(targets.reportPath, `${JSON.stringify(verdictJson(verdict, attempts), null, 2)}\n`, "--report");
  }
  const record = targets.ownErrorFile === null ? null : ownErrorFile(verdict);
  if (record !== null) write(targets.ownErrorFile!, record, "TORCHELASTIC_ERROR_FILE");
}

function terminalWidth(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return WIDTH_WITHOUT_TERMINAL;
  }
}
