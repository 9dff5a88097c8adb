/** The table of options, torchrun's first, in the order of the help. */

import { OWN_OPTIONS } from "./own_options.ts";
import type { OptionSpec } from "./spec.ts";
import { LEGACY_OPTIONS, TORCHRUN_OPTIONS } from "./torchrun_options.ts";

/** `legacy` is `torch.distributed.launch`, which knows one option more. */
export type Dialect = "torchrun" | "legacy";

const TABLES: Readonly<Record<Dialect, readonly OptionSpec[]>> = {
  torchrun: [...TORCHRUN_OPTIONS, ...OWN_OPTIONS],
  legacy: [...TORCHRUN_OPTIONS, ...LEGACY_OPTIONS, ...OWN_OPTIONS],
};

export function optionTable(dialect: Dialect): readonly OptionSpec[] {
  return TABLES[dialect];
}
