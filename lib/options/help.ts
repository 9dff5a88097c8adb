/** The help: the common options, or all. 80 columns wide. */

import { type Dialect, optionTable } from "./option_table.ts";
import { GROUPS, type OptionSpec } from "./spec.ts";

export interface HelpSettings {
  /** How the program was called, such as `muster` or `torchrun`. */
  readonly programName: string;
  readonly dialect: Dialect;
  readonly tier: OptionSpec["tier"];
  /** Whether the program has sub-commands: not under the name `torchrun`. */
  readonly hasCommands: boolean;
}

const WIDTH = 80;
/** Column at which the explanations begin. */
const INDENT = 29;

export function helpText(settings: HelpSettings): string {
  const { programName, dialect, tier, hasCommands } = settings;
  const table = optionTable(dialect).filter((spec) => tier === "all" || spec.tier === "common");
  const sections = GROUPS.map((group) => {
    const specs = table.filter((spec) => spec.group === group);
    return [`${group}:`, ...specs.flatMap((spec) => entry(leftPart(spec), spec.help))].join("\n");
  });
  return [
    `Usage: ${programName} [OPTIONS] SCRIPT [ARGUMENTS...]`,
    wrap(
      "Starts SCRIPT once per worker, gives every worker its rank and a place to meet, watches over them, and starts " +
        "them all again when one fails. Options end at SCRIPT; what follows belongs to it.",
    ),
    dialect === "legacy" ? wrap(LEGACY) : EXAMPLES.replaceAll("muster", programName),
    ...sections,
    ...(hasCommands
      ? [["Commands:", ...COMMANDS.flatMap(([name, text]) => entry(name, text))].join("\n")]
      : []),
    ...(hasCommands ? [wrap(COLLISIONS)] : []),
    tier === "all" ? wrap(SPELLINGS) : `All options: ${programName} --help all`,
    ...(tier === "all"
      ? [["Exit codes:", ...EXIT_CODES.flatMap(([code, text]) => entry(code, text))].join("\n")]
      : []),
  ].join("\n\n") + "\n";
}

const EXAMPLES = [
  "  muster --nproc-per-node 4 train.py --lr 0.1",
  "  muster --nproc-per-node gpu --max-restarts 3 -m package.train",
  "  muster --nproc-per-node 2 --no-python ./program",
].join("\n");

const LEGACY =
  "This is torch.distributed.launch: every worker gets --local-rank=N as its first argument, unless " +
  "--use-env is given. New scripts read the variable LOCAL_RANK and are started without 'launch'.";

const COMMANDS: readonly (readonly [string, string])[] = [
  ["run ...", "The same as without 'run'."],
  ["launch ...", "As torch.distributed.launch: gives the script --local-rank=N as its first argument."],
  ["status ...", "Show how a running job stands: ranks, restarts, what each printed last."],
  ["report FILE", "Make a page, or a trace for Perfetto, of the events that --events wrote."],
  ["store ...", "Serve a store to which workers of any launcher can connect."],
];

const COLLISIONS =
  "A command is the first word only. A script of that name is started by its path, such as ./store, " +
  "or after 'run' or '--'.";

const SPELLINGS =
  "Every option with dashes may be written with underscores (--nproc_per_node). torchrun's options may " +
  "be abbreviated, and may be given by a variable, which the command line overrides: --nnodes by PET_NNODES, flags " +
  "by 1 or 0; --numa-binding, --logs-specs and --print-completion have none.";

const EXIT_CODES: readonly (readonly [string, string])[] = [
  ["0", "All workers succeeded."],
  ["1", "A worker failed, and no restart was left."],
  ["2", "The command line cannot be used."],
  ["70", "A defect of muster."],
  ["71", "The system refused what the launcher needs, such as a port or a directory."],
  ["128 + N", "Stopped by signal N."],
];

function leftPart({ spellings, metavar }: OptionSpec): string {
  const short = spellings.find((spelling) => !spelling.startsWith("--"));
  const gap = metavar === "" || metavar.startsWith("[=") ? "" : " ";
  return `${short === undefined ? "" : `${short}, `}${spellings[0]}${gap}${metavar}`;
}

/** A line or more: the left part, and beside it, or below where it is too long, the explanation. */
function entry(left: string, text: string): string[] {
  const [first = "", ...rest] = lines(text, WIDTH - INDENT);
  // Two blanks part the columns; a left part that leaves no room for them stands alone.
  const begin = left.length + 4 > INDENT
    ? [`  ${left}`, " ".repeat(INDENT) + first]
    : [`  ${left}`.padEnd(INDENT) + first];
  return [...begin, ...rest.map((line) => " ".repeat(INDENT) + line)];
}

function wrap(text: string): string {
  return lines(text, WIDTH).join("\n");
}

function lines(text: string, width: number): string[] {
  const wrapped: string[] = [];
  for (const word of text.split(" ")) {
    const last = wrapped.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) wrapped.push(word);
    else wrapped[wrapped.length - 1] = `${last} ${word}`;
  }
  return wrapped;
}
