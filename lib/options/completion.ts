/**
 * Completions for four shells, written out from the table. Each shell completes options up to the script, values
 * where an option has known ones, and files everywhere else; what follows the script is the script's.
 */

import { unreachable } from "../core/assert.ts";
import { optionTable } from "./option_table.ts";
import { long, type OptionSpec, takesNext } from "./spec.ts";

export type Shell = "bash" | "zsh" | "fish" | "tcsh";

const COMMANDS = ["run", "launch", "status", "report", "store"];

/** The text that `--print-completion SHELL` prints, for the program called `programName`. */
export function completionText(shell: Shell, programName: string): string {
  const specs = optionTable("legacy");
  const commands = programName === "torchrun" ? [] : COMMANDS;
  const names: Names = { program: programName, helper: `_${programName.replace(/\W/g, "_")}`, commands };
  switch (shell) {
    case "bash":
      return bash(specs, names);
    case "zsh":
      return zsh(specs, names);
    case "fish":
      return fish(specs, names);
    case "tcsh":
      return tcsh(specs, names);
    default:
      return unreachable(shell);
  }
}

interface Names {
  readonly program: string;
  /** Of the shell function that completes. */
  readonly helper: string;
  readonly commands: readonly string[];
}

/** Spellings that are worth offering: with dashes, not with underscores. */
function offered(spec: OptionSpec): string[] {
  return spec.spellings.filter((spelling) => !spelling.includes("_"));
}

function bash(specs: readonly OptionSpec[], { program, helper, commands }: Names): string {
  const valueCases = specs.filter((spec) => spec.kind !== "flag").flatMap((spec) => {
    const pattern = spec.spellings.join("|");
    if (spec.completes === "directory") return [`    ${pattern}) COMPREPLY=($(compgen -d -- "$current")) ;;`];
    if (typeof spec.completes === "string") return [];
    return [`    ${pattern}) COMPREPLY=($(compgen -W '${spec.completes.join(" ")}' -- "$current")) ;;`];
  });
  return `# Completions of ${program} for bash. Use: source <(${program} --print-completion bash)
${helper}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" option="" word index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    # bash makes a word of its own of the "=" in --option=value.
    if [[ $word == "=" ]]; then
      option="\${COMP_WORDS[index - 1]}"
    elif [[ -n $option ]]; then
      option=""
    else
      case "$word" in
        ${specs.filter(takesNext).flatMap((spec) => spec.spellings).join("|")}) option="$word" ;;
        --) return ;;
        -*) ;;
        *) [[ $index -eq 1 && " ${commands.join(" ")} " == *" $word "* ]] || return ;;
      esac
    fi
  done
  if [[ $current == "=" ]]; then
    option="\${COMP_WORDS[COMP_CWORD - 1]}" current=""
  fi
  case "$option" in
${valueCases.join("\n")}
    "")
      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W '${specs.flatMap(offered).join(" ")}' -- "$current"))
      elif [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -f -W '${commands.join(" ")}' -- "$current"))
      fi
      ;;
  esac
}
complete -o default -F ${helper} ${program}
`;
}

function zsh(specs: readonly OptionSpec[], { program, helper, commands }: Names): string {
  // Brackets and colons divide the parts of a description for _arguments.
  const clean = (text: string) => text.replace(/[[\]:]/g, "\\$&");
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const action = ({ completes }: OptionSpec) => {
    if (completes === "file") return "_files";
    if (completes === "directory") return "_files -/";
    return completes === "nothing" ? "" : `(${completes.join(" ")})`;
  };
  const rows = specs.flatMap((spec) =>
    offered(spec).map((spelling) => {
      const glue = !takesNext(spec) ? "" : spelling.startsWith("--") ? "=" : "+";
      const value = takesNext(spec) ? `:${clean(spec.metavar)}:${action(spec)}` : "";
      return `    ${quoted(`(${offered(spec).join(" ")})${spelling}${glue}[${clean(spec.help)}]${value}`)}`;
    })
  );
  const skipCommand = commands.length === 0
    ? ""
    : `  if (( CURRENT > 2 )) && [[ $words[2] == (${commands.join("|")}) ]]; then
    shift words
    (( CURRENT-- ))
  fi
`;
  const first = commands.length === 0
    ? "_files"
    : `{ _alternative "commands:command:(${commands.join(" ")})" "files:script:_files" }`;
  return `#compdef ${program}
# Completions of ${program} for zsh. Use: source <(${program} --print-completion zsh), after compinit
${helper}() {
${skipCommand}  local -a options=(
${rows.join("\n")}
  )
  _arguments -s -S $options '(-)1:script:${first}' '(-)*:argument:_files'
}
if [[ $funcstack[1] == ${helper} ]]; then
  ${helper} "$@"
else
  compdef ${helper} ${program}
fi
`;
}

function fish(specs: readonly OptionSpec[], { program, helper, commands }: Names): string {
  const quoted = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;
  const withNext = specs.filter(takesNext).flatMap((spec) => spec.spellings).join(" ");
  const rows = specs.map((spec) => {
    const short = spec.spellings.find((spelling) => !spelling.startsWith("--"));
    const parts = [`complete -c ${program} -n ${helper}_before_script -l ${long(spec).slice(2)}`];
    if (short !== undefined) parts.push(`-s ${short.slice(1)}`);
    if (takesNext(spec)) {
      parts.push(spec.completes === "file" || spec.completes === "nothing" ? "-r" : "-x");
      if (spec.completes === "directory") parts.push("-a '(__fish_complete_directories)'");
      else if (typeof spec.completes !== "string") parts.push(`-a ${quoted(spec.completes.join(" "))}`);
    }
    return `${parts.join(" ")} -d ${quoted(spec.help)}`;
  });
  const commandRow = commands.length === 0
    ? []
    : [`complete -c ${program} -n __fish_is_first_token -a ${quoted(commands.join(" "))}`];
  return `# Completions of ${program} for fish. Use: ${program} --print-completion fish | source
function ${helper}_before_script
  set -l words (commandline -opc)[2..-1]
  contains -- "$words[1]" ${commands.join(" ")}; and set -e words[1]
  while set -q words[1]
    if contains -- $words[1] ${withNext}
      set -e words[1]
    else if not string match -q -- '-*' $words[1]; or test "$words[1]" = --
      return 1
    end
    set -e words[1]
  end
end
${[...rows, ...commandRow].join("\n")}
`;
}

function tcsh(specs: readonly OptionSpec[], { program }: Names): string {
  const rules = specs.filter(takesNext).flatMap((spec) => {
    const list = spec.completes === "file" ? "f" : spec.completes === "directory" ? "d" : undefined;
    if (list === undefined && typeof spec.completes === "string") return [];
    const words = list ?? `(${(spec.completes as readonly string[]).join(" ")})`;
    return offered(spec).flatMap((spelling) => [`'c@${spelling}=@${words}@'`, `'n@${spelling}@${words}@'`]);
  });
  const options = specs.map((spec) => long(spec).slice(2)).join(" ");
  return `# Completions of ${program} for tcsh. Use: ${program} --print-completion tcsh > FILE; source FILE
complete ${program} ${[...rules, `'c@--@(${options})@'`, `'n@*@f@'`].join(" ")}
`;
}
