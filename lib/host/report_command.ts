/** `muster report`: an events file in, a page or a trace out. */

import { utf8 } from "../core/bytes.ts";
import { EXIT_CODES } from "../core/errors.ts";
import { readHistory } from "../view/job_history.ts";
import { perfettoTrace } from "../view/perfetto.ts";
import { readReportTask, REPORT_HELP } from "../view/report_arguments.ts";
import { reportPage } from "../view/report_page.ts";
import { systemReason } from "./log_directory.ts";

/** Does what stands behind `muster report` and returns the exit code. */
export async function runReportCommand(args: readonly string[]): Promise<number> {
  const task = readReportTask(args);
  if (task.kind === "help") {
    await print(REPORT_HELP);
    return EXIT_CODES.success;
  }
  if (task.kind === "problems") {
    for (const { message } of task.problems) await complain(message);
    await complain("Try 'muster report --help'");
    return EXIT_CODES.usage;
  }
  const { input, output, format } = task;
  let text: string;
  try {
    text = input === "-" ? await new Response(Deno.stdin.readable).text() : await Deno.readTextFile(input);
  } catch (error) {
    await complain(`Cannot read "${input}": ${systemReason(error)}`);
    return EXIT_CODES.system;
  }
  const history = readHistory(text);
  if (history === null) {
    await complain(`There are no events in "${input}": give the file that --events wrote`);
    return EXIT_CODES.system;
  }
  const made = format === "html" ? reportPage(history) : perfettoTrace(history);
  if (output === "-") {
    await print(made);
    return EXIT_CODES.success;
  }
  try {
    await Deno.writeTextFile(output, made);
  } catch (error) {
    await complain(`Cannot write "${output}": ${systemReason(error)}`);
    return EXIT_CODES.system;
  }
  await print(`${output}\n`);
  return EXIT_CODES.success;
}

async function print(text: string): Promise<void> {
  for (let rest = utf8(text); rest.length > 0;) rest = rest.subarray(await Deno.stdout.write(rest));
}

async function complain(line: string): Promise<void> {
  await Deno.stderr.write(utf8(`muster report: ${line}\n`));
}
