/** Text of one of our own output options to its value, or the problem with it, as in `values.ts`. */

import { accept, type Checked, quote, refuse } from "./checked.ts";
import type { RankRange } from "./launch_plan.ts";

/** `0,8-15`: global ranks, in the order given; null for the empty text: all. */
export function parseRankRanges(text: string, source = "--ranks"): Checked<readonly RankRange[] | null> {
  if (text === "") return accept(null);
  const ranges: RankRange[] = [];
  for (const part of text.split(",")) {
    const [, first, last = first] = part.trim().match(/^(\d+)(?:-(\d+))?$/) ?? [];
    if (first === undefined || Number(last) < Number(first)) {
      return refuse(`${source} must be ranks and ranges of ranks, such as 0,8-15: got ${quote(text)}`);
    }
    ranges.push({ first: Number(first), last: Number(last) });
  }
  return accept(ranges);
}

/** Less would not hold a head, a tail and what is between them. */
export const LOG_FILE_BYTES_MIN = 4096;

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes, or a number with K, M, G or T (of 1024 each; `MB` and `MiB` mean the same). */
export function parseByteSize(text: string, source = "--log-max-size"): Checked<number> {
  const [, number, unit] = text.trim().match(/^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i) ?? [];
  const bytes = number === undefined ? NaN : Math.floor(Number(number) * UNITS[unit!.toUpperCase()]!);
  if (!Number.isSafeInteger(bytes)) {
    return refuse(`${source} must be a size such as 500K, 100M or 1G: got ${quote(text)}`);
  }
  if (bytes < LOG_FILE_BYTES_MIN) {
    return refuse(`${source} must be at least ${LOG_FILE_BYTES_MIN} bytes: got ${quote(text)}`);
  }
  return accept(bytes);
}

/**
 * The path of a module, or null for torchrun's "default". torchrun looks for a Python entry point of that name, which
 * a launcher without Python can't.
 */
export function parseLogsSpecs(text: string, source = "--logs-specs"): Checked<string | null> {
  if (text === "default") return accept(null);
  if (/\.[cm]?[jt]s$/.test(text)) return accept(text);
  return refuse(
    `${source} must be "default" or the path of a TypeScript or JavaScript module: got ${quote(text)}`,
    'The module takes the place of torchrun\'s Python entry point; README shows one under "Logs of your own"',
  );
}
