/** `--dry-run`: what would be started, as text. A module of its own, because a plain job does not need it. */

import { dryRunWorkers } from "../agent/dry_run_workers.ts";
import { assertDefined } from "../core/assert.ts";
import { dryRunJson, dryRunText } from "../options/dry_run.ts";
import type { ParsedOptions } from "../options/options.ts";
import type { PlanResult } from "../options/plan.ts";

/** The dry run of a plan without problems, in the form that was asked for. */
export function showDryRun(
  parsed: ParsedOptions,
  { plan: maybePlan, reasons }: PlanResult,
  notices: readonly string[],
): string {
  const plan = assertDefined(maybePlan, "A plan");
  const run = { parsed, plan, reasons, workers: dryRunWorkers(plan), notices };
  return parsed.values.dryRun === "json" ? dryRunJson(run) : dryRunText(run);
}
