/** The limits of a store as people name them on the command line: `keyBytesMax` is `key-bytes`. README lists them. */

import type { UsageProblem } from "../core/errors.ts";
import { DEFAULT_LIMITS, KEY_BYTES_MOST, type StoreLimits } from "./limits.ts";

type LimitName = keyof StoreLimits;

const LIMIT_NAMES = Object.keys(DEFAULT_LIMITS) as LimitName[];

/** By the word for it. */
export const LIMIT_WORDS: ReadonlyMap<string, LimitName> = new Map(
  LIMIT_NAMES.map((name) => [limitWord(name), name]),
);

function limitWord(name: LimitName): string {
  return name.replace(/Max$/, "").replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Reads `NAME=N,…`. */
export function readLimits(text: string, problems: UsageProblem[]): Partial<StoreLimits> {
  const limits: Partial<Record<LimitName, number>> = {};
  for (const part of text.split(",")) {
    const [, word = "", digits] = /^ *([a-z-]+)=(\d{1,15}) *$/.exec(part) ?? [];
    const name = LIMIT_WORDS.get(word);
    if (name === undefined) {
      problems.push({
        message: `--limits takes NAME=N,... with the names of 'muster store --help': got ${part}`,
      });
    } else if (Number(digits) < 1 || Number(digits) > mostOf(name)) {
      problems.push({ message: `--limits takes 1 to ${mostOf(name)} for ${word}: got ${digits}` });
    } else {
      limits[name] = Number(digits);
    }
  }
  return limits;
}

/** Beyond it a store would break: by what its tables hold, what a timer takes, lengths of more than 32 bits. */
function mostOf(name: LimitName): number {
  if (name === "keyBytesMax") return KEY_BYTES_MOST;
  if (name === "keysMax") return 16_000_000;
  return name === "requestMs" ? 2 ** 31 - 1 : 2 ** 32 - 1;
}
