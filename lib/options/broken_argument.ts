/** Arguments that do not arrive as they were typed. */

import type { UsageProblem } from "../core/errors.ts";
import { quote } from "./checked.ts";

/**
 * The first argument that was not UTF-8, or null. The runtime puts U+FFFD in place of bytes that it cannot read,
 * so a worker would get another argument than was typed. A genuine U+FFFD looks the same; who can read the bytes
 * as they were typed may look there.
 */
export function findBrokenArgument(args: readonly string[]): UsageProblem | null {
  const index = args.findIndex((arg) => arg.includes("\uFFFD") || !arg.isWellFormed());
  if (index < 0) return null;
  return {
    message: `Argument ${index + 1} is not UTF-8 and would reach the workers changed: ${quote(args[index]!)}`,
    hint: "Rename the file, or pass the text in a file",
  };
}
