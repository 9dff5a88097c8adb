/**
 * A command line and the environment to options, with torchrun's precedence: command line, `PET_` variable, default
 * (torchrun.md 1.1). All problems are found in one pass.
 */

import { unreachable } from "../core/assert.ts";
import type { UsageProblem } from "../core/errors.ts";
import { divideArguments, type Occurrence } from "./arguments.ts";
import { checkCombinations } from "./checks.ts";
import { accept, type Checked, quote, refuse } from "./checked.ts";
import { nearestWord } from "./nearest_word.ts";
import { type Dialect, optionTable } from "./option_table.ts";
import type { OptionName, Options, Origin, ParsedOptions } from "./options.ts";
import { parsePythonFloat, parsePythonInteger } from "./python_numbers.ts";
import type { OptionSpec, RequestName } from "./spec.ts";
import { parseCommaList } from "./values.ts";

/** The launcher's variables: text by name. */
export type Environment = Readonly<Record<string, string>>;

/** A text that was asked for instead of a launch. */
export interface TextRequest {
  readonly name: RequestName;
  readonly value: string | null;
}

export interface ParseResult {
  /**
   * With a problem they are only good to look for more of them: a value that is wrong by itself has its default.
   * Null where not even that makes sense, and for a request.
   */
  readonly options: ParsedOptions | null;
  /** It is answered whatever else is wrong with the line. */
  readonly request: TextRequest | null;
  readonly problems: readonly UsageProblem[];
  /** For the user to know; nothing keeps the job from starting. */
  readonly notices: readonly string[];
}

export function parseCommandLine(
  args: readonly string[],
  environment: Environment,
  dialect: Dialect = "torchrun",
): ParseResult {
  const table = optionTable(dialect);
  const divided = divideArguments(args, table);
  const problems = [...divided.problems];
  const values = new Map<string, unknown>([["useEnv", dialect !== "legacy"]]);
  const origins = new Map<OptionName, Origin>();

  for (const spec of table) {
    const occurrences = divided.occurrences.filter((occurrence) => occurrence.spec === spec);
    const settled = settleOption(spec, occurrences, environment);
    problems.push(...settled.problems);
    if (isRequest(spec.name)) {
      const [first] = occurrences;
      if (first === undefined || settled.problems.length > 0) continue;
      // The word after `--help` may say which help; where it does not, it would have been the script.
      const word = spec.name === "help" && divided.script === "all" ? "all" : first.value;
      return { options: null, request: { name: spec.name, value: word }, problems: [], notices: [] };
    }
    values.set(spec.name, settled.value);
    origins.set(spec.name, settled.origin);
  }
  if (divided.script === null) {
    const hint = "Options come first, then the script, then the script's own arguments";
    problems.push({ message: "There is no script to start", hint });
  }
  values.set("trainingScript", divided.script ?? "");
  values.set("trainingScriptArgs", divided.scriptArguments);

  const parsed: ParsedOptions = { values: Object.fromEntries(values) as unknown as Options, origins };
  const found = checkCombinations(parsed);
  const isUnderstood = divided.problems.length === 0 && divided.script !== null &&
    found.problems.length === 0;
  return {
    options: isUnderstood ? parsed : null,
    request: null,
    problems: [...problems, ...found.problems],
    notices: [...unknownVariables(environment, table), ...found.notices],
  };
}

interface Settled {
  /** The default where there is a problem. */
  readonly value: unknown;
  readonly origin: Origin;
  readonly problems: readonly UsageProblem[];
}

/** One place where an option was given. */
interface Given {
  /** Null for an option without a value. */
  readonly text: string | null;
  readonly origin: Exclude<Origin, { kind: "default" }>;
}

/** The value of one option, and where it is from. As in argparse every occurrence must be right and the last counts. */
function settleOption(
  spec: OptionSpec,
  occurrences: readonly Occurrence[],
  environment: Environment,
): Settled {
  const given: Given[] = occurrences.map(({ spelling, value }) => ({
    text: value,
    origin: { kind: "flag", name: spelling },
  }));
  // Python reads the variables of flags at once, and those of the others only where the command line is silent.
  if (spec.variable !== null && (spec.kind === "flag" || given.length === 0)) {
    const text = Object.hasOwn(environment, spec.variable) ? environment[spec.variable] : undefined;
    if (text !== undefined) given.unshift({ text, origin: { kind: "environment", name: spec.variable } });
  }

  const checked = given.map((one) => convert(spec, one));
  const problems = checked.flatMap((one) => one.kind === "problem" ? [one.problem] : []);
  const [last, value] = [given.at(-1), checked.at(-1)];
  if (problems.length === 0 && last !== undefined) {
    const found = spec.check?.(last.text ?? "", last.origin.name);
    if (found?.kind === "problem") problems.push(found.problem);
  }
  if (last === undefined || value?.kind !== "value" || problems.length > 0) {
    return { value: spec.default, origin: { kind: "default" }, problems };
  }
  return { value: value.value, origin: last.origin, problems };
}

/** The value of a text by the option's kind; a flag has a text only where a variable gives it. */
function convert(spec: OptionSpec, { text, origin }: Given): Checked<unknown> {
  if (text === null) return accept(spec.kind === "mode" ? spec.choices?.[0] : true);
  const wrong = (wanted: string) => refuse(`${origin.name} must be ${wanted}: got ${quote(text)}`);
  if (origin.kind === "flag" && spec.choices !== null && !spec.choices.includes(text)) {
    return wrong(spec.choices.join(", ").replace(/, ([^,]*)$/, " or $1"));
  }
  switch (spec.kind) {
    case "mode":
    case "text":
      return accept(text);
    case "list":
      return accept(parseCommaList(text));
    case "number": {
      const number = parsePythonFloat(text);
      return number === null ? wrong("a number") : accept(number);
    }
    case "integer": {
      const integer = parsePythonInteger(text);
      return integer === null ? wrong("a whole number") : accept(integer);
    }
    case "flag": {
      const integer = parsePythonInteger(text);
      return integer === null ? wrong("1 (on) or 0 (off)") : accept(integer !== 0);
    }
    default:
      return unreachable(spec.kind);
  }
}

/** Variables that look like torchrun's but are read by nobody. */
function unknownVariables(environment: Environment, table: readonly OptionSpec[]): string[] {
  const known = table.flatMap(({ variable }) => variable === null ? [] : [variable.slice(PREFIX.length)]);
  return Object.keys(environment).flatMap((name) => {
    const bare = name.slice(PREFIX.length);
    if (!name.startsWith(PREFIX) || known.includes(bare)) return [];
    const nearest = nearestWord(bare, known);
    return nearest === null ? [] : [`${name} has no effect; did you mean ${PREFIX}${nearest}?`];
  });
}

const PREFIX = "PET_";

function isRequest(name: OptionSpec["name"]): name is RequestName {
  return name === "help" || name === "version" || name === "printCompletion";
}
