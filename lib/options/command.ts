/** What a command line asks the program to do. */

import { unreachable } from "../core/assert.ts";
import type { UsageProblem } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { completionText, type Shell } from "./completion.ts";
import { type HelpSettings, helpText } from "./help.ts";
import type { Dialect } from "./option_table.ts";
import type { ParsedOptions } from "./options.ts";
import { type Environment, parseCommandLine, type TextRequest } from "./parse.ts";

export type Command =
  /** Print to stdout and end with success. */
  | { readonly kind: "print"; readonly text: string }
  | LaunchCommand
  /** `muster store …` and the like, with what follows. */
  | { readonly kind: "store" | "status" | "report"; readonly args: readonly string[] }
  /** Print to stderr and end with `EXIT_CODES.usage`. */
  | { readonly kind: "usage-error"; readonly text: string };

/** Start a job; `torch.distributed.launch`'s ways are in the options already. */
export interface LaunchCommand {
  readonly kind: "launch";
  /** How messages call the program, such as `muster launch`. */
  readonly programName: string;
  readonly parsed: ParsedOptions;
  /** With any, nothing may be started: `parsed` is then only good to find more of them by planning. */
  readonly problems: readonly UsageProblem[];
  readonly notices: readonly string[];
}

/**
 * Under the name `torchrun` there are no sub-commands. Under any other name the first word may be one; a script
 * of that name is meant by `./store`, `run store` or `-- store`.
 *
 * @param programName Last part of the path under which the program was called.
 */
export function readCommand(args: readonly string[], environment: Environment, programName: string): Command {
  const hasCommands = programName !== "torchrun";
  const word = hasCommands ? args[0] : undefined;
  if (word === "store" || word === "status" || word === "report") return { kind: word, args: args.slice(1) };
  const isNamed = word === "run" || word === "launch";
  const dialect: Dialect = word === "launch" ? "legacy" : "torchrun";
  const calledAs = isNamed ? `${programName} ${word}` : programName;

  const result = parseCommandLine(isNamed ? args.slice(1) : args, environment, dialect);
  if (result.request !== null) {
    const settings = { programName: calledAs, dialect, hasCommands: hasCommands && !isNamed };
    return { kind: "print", text: requestedText(result.request, { settings, programName }) };
  }
  const { options: parsed, problems, notices } = result;
  if (parsed === null) return { kind: "usage-error", text: usageErrorText(problems, calledAs) };
  return { kind: "launch", programName: calledAs, parsed, problems, notices };
}

/** All problems, each hint once, and where to get help. */
export function usageErrorText(problems: readonly UsageProblem[], programName: string): string {
  const lines: string[] = [];
  for (const { message, hint } of problems) {
    lines.push(`${programName}: ${message}`);
    if (hint !== undefined && !lines.includes(`  ${hint}`)) lines.push(`  ${hint}`);
  }
  return [...lines, `Try '${programName} --help'`, ""].join("\n");
}

function requestedText(
  request: TextRequest,
  { settings, programName }: { settings: Omit<HelpSettings, "tier">; programName: string },
): string {
  switch (request.name) {
    case "version":
      return `muster ${VERSION}\n`;
    case "help":
      return helpText({ ...settings, tier: request.value === "all" ? "all" : "common" });
    case "printCompletion":
      return completionText(request.value as Shell, programName);
    default:
      return unreachable(request.name);
  }
}
