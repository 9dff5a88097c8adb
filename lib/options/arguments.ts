/**
 * Divides a command line into options, script and the script's arguments, exactly as Python's argparse does for
 * torchrun: options end at the first word that is none, what follows is never looked at, `--` before or right
 * after the script is dropped. Source: `argparse.py` of Python 3.11, `_parse_optional` and `consume_optional`.
 *
 * Two things are better on purpose: the script's arguments cannot be taken for ambiguous abbreviations, and an
 * abbreviation that fits both spellings of *one* option is not ambiguous.
 */

import type { UsageProblem } from "../core/errors.ts";
import { quote } from "./checked.ts";
import { nearestWord } from "./nearest_word.ts";
import { long, type OptionSpec, takesNext } from "./spec.ts";

/** One option on the command line. */
export interface Occurrence {
  readonly spec: OptionSpec;
  /** The spelling, in full where it was abbreviated. */
  readonly spelling: string;
  /** Null where nothing follows. */
  readonly value: string | null;
}

export interface DividedArguments {
  readonly occurrences: readonly Occurrence[];
  readonly script: string | null;
  readonly scriptArguments: readonly string[];
  readonly problems: readonly UsageProblem[];
}

export function divideArguments(args: readonly string[], table: readonly OptionSpec[]): DividedArguments {
  const bySpelling = new Map(table.flatMap((spec) => spec.spellings.map((spelling) => [spelling, spec])));
  const occurrences: Occurrence[] = [];
  const problems: UsageProblem[] = [];
  let index = 0;

  while (index < args.length) {
    const word = args[index]!;
    if (word === "--") {
      return {
        occurrences,
        script: args[index + 1] ?? null,
        scriptArguments: args.slice(index + 2),
        problems,
      };
    }
    const found = recognise(word, bySpelling);
    index++;
    switch (found.kind) {
      case "other": {
        const scriptArguments = args.slice(args[index] === "--" ? index + 1 : index);
        return { occurrences, script: word, scriptArguments, problems };
      }
      case "problem":
        problems.push(found.problem);
        if (found.nearest !== null && takesNext(found.nearest) && !word.includes("=")) skipValue();
        break;
      case "option":
        takeOption(found);
    }
  }
  return { occurrences, script: null, scriptArguments: [], problems };

  /** The word after a mistyped option is its value, not the script: more problems may come after it. */
  function skipValue(): void {
    const next = args[index];
    if (next !== undefined && next !== "--" && recognise(next, bySpelling).kind === "other") index++;
  }

  /** Takes the options of one word, such as `-mt3`, and the value from the next word where one is needed. */
  function takeOption({ spec, spelling, value }: Occurrence): void {
    const takesNone = spec.kind === "flag" || (spec.kind === "mode" && isShort(spelling));
    if (takesNone && value !== null) {
      const joined = value === "" ? undefined : bySpelling.get(`-${value[0]}`);
      if (!isShort(spelling) || joined === undefined) {
        problems.push({ message: `${spelling} takes no value: got ${quote(value)}` });
        return;
      }
      occurrences.push({ spec, spelling, value: null });
      takeOption({ spec: joined, spelling: `-${value[0]}`, value: value.slice(1) || null });
    } else if (takesNone || spec.kind === "mode" || value !== null) {
      occurrences.push({ spec, spelling, value });
    } else {
      const next = args[index];
      if (next === undefined || next === "--" || recognise(next, bySpelling).kind !== "other") {
        const hint = next === undefined
          ? undefined
          : `A value that begins with "-" is written ${spelling}=VALUE`;
        problems.push({ message: `${spelling} needs a value`, ...(hint === undefined ? {} : { hint }) });
        return;
      }
      index++;
      occurrences.push({ spec, spelling, value: next });
    }
  }
}

/** What a word is; "other" is the script or a value. */
type Recognised =
  | ({ readonly kind: "option" } & Occurrence)
  | {
    readonly kind: "problem";
    readonly problem: UsageProblem;
    /** What may have been meant. */
    readonly nearest: OptionSpec | null;
  }
  | { readonly kind: "other" };

function recognise(word: string, bySpelling: ReadonlyMap<string, OptionSpec>): Recognised {
  if (!word.startsWith("-") || word === "-") return { kind: "other" };
  const whole = bySpelling.get(word);
  if (whole !== undefined) return { kind: "option", spec: whole, spelling: word, value: null };

  const equals = word.indexOf("=");
  const [name, value] = equals < 0 ? [word, null] : [word.slice(0, equals), word.slice(equals + 1)];
  const named = bySpelling.get(name);
  if (named !== undefined) return { kind: "option", spec: named, spelling: name, value };

  if (isShort(word)) {
    const short = word.slice(0, 2);
    const spec = bySpelling.get(short);
    if (spec !== undefined) return { kind: "option", spec, spelling: short, value: word.slice(2) };
  } else {
    const longer = [...bySpelling].filter(([spelling, spec]) => !spec.isOwn && spelling.startsWith(name));
    const [first] = longer;
    if (first !== undefined && longer.every(([, spec]) => spec === first[1])) {
      return { kind: "option", spec: first[1], spelling: first[0], value };
    }
    if (first !== undefined) {
      const candidates = [...new Set(longer.map(([, spec]) => long(spec)))];
      const message = `${quote(name)} could be ${candidates.join(", ")}`;
      return { kind: "problem", problem: { message, hint: "Write the option out" }, nearest: first[1] };
    }
  }
  // A negative number, or a text with blanks, is no option even when it begins with a dash.
  if (/^-(\p{Nd}+|\p{Nd}*\.\p{Nd}+)$/u.test(word) || word.includes(" ")) return { kind: "other" };

  const nearest = nearestWord(
    name.replace(/^-+/, ""),
    [...bySpelling.values()].map((spec) => long(spec).slice(2)),
  );
  const message = `There is no option ${quote(name)}` +
    (nearest === null ? "" : `; the nearest is --${nearest}`);
  const hint = "Options of the script come after the script";
  return { kind: "problem", problem: { message, hint }, nearest: bySpelling.get(`--${nearest}`) ?? null };
}

/** Whether a word or a spelling begins with a single dash. */
function isShort(word: string): boolean {
  return word[1] !== "-";
}
