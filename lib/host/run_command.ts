/** From the arguments to the launcher's exit code: asks `lib/options` what they mean and has it done. */

import { unreachable } from "../core/assert.ts";
import { utf8 } from "../core/bytes.ts";
import { EXIT_CODES } from "../core/errors.ts";
import { findBrokenArgument } from "../options/broken_argument.ts";
import { type LaunchCommand, readCommand, usageErrorText } from "../options/command.ts";
import { endByDefects } from "./defects.ts";
import { takeInvocation } from "./invocation.ts";
import { planOnThisMachine } from "./machine_info.ts";
import { platformProblem } from "./platform.ts";
import { runJob } from "./run_job.ts";

/** Does what the command line says and returns the exit code. */
export async function runCommand(args: readonly string[]): Promise<number> {
  endByDefects();
  const programName = takeInvocation();
  const platform = platformProblem(Deno.build);
  if (platform?.kind === "refused") {
    return await refuse(EXIT_CODES.system, `${programName}: ${platform.message}\n`);
  }
  const broken = findBrokenArgument(args);
  if (broken !== null) return await refuse(EXIT_CODES.usage, usageErrorText([broken], programName));
  const command = readCommand(args, Deno.env.toObject(), programName);
  switch (command.kind) {
    case "print":
      await write(Deno.stdout, command.text);
      return EXIT_CODES.success;
    case "usage-error":
      return await refuse(EXIT_CODES.usage, command.text);
    case "store":
      return await (await import("./store_command.ts")).runStoreCommand(command.args);
    case "status":
      return await (await import("./status_command.ts")).runStatusCommand(command.args);
    case "report":
      return await (await import("./report_command.ts")).runReportCommand(command.args);
    case "launch":
      return await launchOrExplain(command, platform === null ? [] : [platform.message]);
    default:
      return unreachable(command);
  }
}

async function launchOrExplain(
  { programName, parsed, problems, notices }: LaunchCommand,
  platformNotices: readonly string[],
): Promise<number> {
  const planned = await planOnThisMachine(parsed);
  if (planned.plan === null || problems.length > 0) {
    const allProblems = [...problems, ...planned.problems];
    return await refuse(EXIT_CODES.usage, usageErrorText(allProblems, programName));
  }
  const allNotices = [...platformNotices, ...notices, ...planned.notices];
  if (parsed.values.dryRun === "off") return await runJob(planned.plan, allNotices);
  const { showDryRun } = await import("./show_dry_run.ts");
  await write(Deno.stdout, showDryRun(parsed, planned, allNotices));
  return EXIT_CODES.success;
}

async function refuse(code: number, text: string): Promise<number> {
  await write(Deno.stderr, text);
  return code;
}

/** Writes all of `text`; a reader that went away is no error of ours. */
async function write(target: { write(bytes: Uint8Array): Promise<number> }, text: string): Promise<void> {
  try {
    for (let rest = utf8(text); rest.length > 0;) rest = rest.subarray(await target.write(rest));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
