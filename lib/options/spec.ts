/**
 * What there is to know about one option. The table itself is in `option_table.ts`; parser, help and completions
 * are made from it.
 */

import type { Checked } from "./checked.ts";
import type { OptionName } from "./options.ts";

/** Options that ask for a text instead of a launch. */
export type RequestName = "help" | "version" | "printCompletion";

/** The sections of the help, in the order in which it shows them. */
export const GROUPS = [
  "Workers",
  "Program",
  "Nodes",
  "Failures and stopping",
  "Output",
  "Information",
] as const;

export interface OptionSpec {
  readonly name: OptionName | RequestName;
  /** Every form on a command line; the first is what help and messages call the option. */
  readonly spellings: readonly string[];
  /**
   * What follows the spelling: nothing (`flag`), a value after `=` or nothing (`mode`), or a value. A `list` has
   * commas between its items, `,,` for a comma; numbers are written as in Python.
   */
  readonly kind: "flag" | "mode" | "text" | "list" | "integer" | "number";
  readonly default: string | number | boolean | readonly string[] | null;
  /** The variable that counts where the command line is silent; null: none does. */
  readonly variable: string | null;
  /** The only values allowed on the command line, or null. Like torchrun, nobody compares the variable's value. */
  readonly choices: readonly string[] | null;
  /** Finds what is wrong with a value of the right kind. */
  readonly check: ((text: string, source: string) => Checked<unknown>) | null;
  /** What completions offer after the option. */
  readonly completes: "file" | "directory" | "nothing" | readonly string[];
  readonly group: (typeof GROUPS)[number];
  /** `common` options are in `--help`, all are in `--help all`. */
  readonly tier: "common" | "all";
  /** The value's name in help; empty for flags. */
  readonly metavar: string;
  readonly help: string;
  /** torchrun's options can be abbreviated; ours cannot, so that they never make one of torchrun's ambiguous. */
  readonly isOwn: boolean;
}

/** The spelling by which help and messages call an option. */
export function long(spec: OptionSpec): string {
  return spec.spellings[0]!;
}

/** Whether an option's value may be the next word. */
export function takesNext({ kind }: OptionSpec): boolean {
  return kind !== "flag" && kind !== "mode";
}

/** What a row of the table has to say; the rest follows from it. */
export interface OptionRow
  extends
    Pick<OptionSpec, "name" | "kind" | "group" | "help">,
    Partial<Pick<OptionSpec, "default" | "choices" | "check" | "completes" | "tier" | "metavar">> {
  /** Without dashes, such as `nproc-per-node`; with several words the underscored form is legal as well. */
  readonly long: string;
  /** Such as `-m`. */
  readonly short?: string;
}

/** Completes a row. `hasVariable`: torchrun reads a `PET_` variable for it. */
export function optionSpec(
  row: OptionRow,
  { isOwn, hasVariable }: { isOwn: boolean; hasVariable: boolean },
): OptionSpec {
  const { long, short, ...given } = row;
  const underscored = long.replaceAll("-", "_");
  const spellings = new Set([`--${long}`, `--${underscored}`, ...(short === undefined ? [] : [short])]);
  return {
    default: row.kind === "flag" ? false : null,
    choices: null,
    check: null,
    completes: row.choices ?? "nothing",
    tier: "all",
    metavar: "",
    ...given,
    spellings: [...spellings],
    variable: hasVariable ? `PET_${underscored.toUpperCase()}` : null,
    isOwn,
  };
}
