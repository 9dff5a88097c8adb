/**
 * `--dry-run`: what would be started, each setting with where it comes from. The JSON form is an interface: fields are
 * added, never renamed, and `version` goes up if one has to change its meaning.
 *
 * ```
 * { "version": 1,
 *   "settings": { "<name>": { "value": …, "from": { "kind": "flag" | "environment", "name": … }
 *                                               | { "kind": "default" }
 *                                               | { "kind": "derived", "because": … } } },
 *   "workers": [ { "localRank", "rank", "command": [ … ], "environment": { "<name>": text or null } } ],
 *   "notices": [ … ] }
 * ```
 *
 * `environment` is what a worker gets beside the launcher's own variables; null: it is known only at the start.
 */

import { assertDefined } from "../core/assert.ts";
import { type SettingRow, SETTINGS } from "./dry_run_settings.ts";
import type { Reasons } from "./findings.ts";
import type { LaunchPlan } from "./launch_plan.ts";
import type { Origin, ParsedOptions } from "./options.ts";
import { shellCommand, shellWord } from "./shell_words.ts";

/** One worker as it would be started. */
export interface DryRunWorker {
  readonly localRank: number;
  readonly rank: number;
  readonly command: readonly string[];
  /** Null: known only at the start. */
  readonly environment: Readonly<Record<string, string | null>>;
}

export interface DryRun {
  readonly parsed: ParsedOptions;
  readonly plan: LaunchPlan;
  readonly reasons: Reasons;
  readonly workers: readonly DryRunWorker[];
  /** What the launcher would say before it starts. */
  readonly notices: readonly string[];
}

/** For people: settings, then what the workers share, then what is each one's own. */
export function dryRunText(run: DryRun): string {
  const lines: string[] = [];
  let section = "";
  const labelWidth = Math.max(...SETTINGS.map((row) => row.label.length));
  for (const row of SETTINGS) {
    if (row.section !== section) lines.push(...section === "" ? [] : [""], row.section);
    section = row.section;
    lines.push(
      `  ${row.label.padEnd(labelWidth)}  ${row.text(run.plan)}  [${sourceText(sourceOf(row, run))}]`,
    );
  }
  const shared = sharedVariables(run.workers);
  lines.push("", "Variables of all workers, beside the launcher's own", ...shared.map(variableLine));
  for (const worker of run.workers) {
    const own = Object.entries(worker.environment).filter(([name]) =>
      !shared.some(([other]) => other === name)
    );
    lines.push(
      "",
      `Worker ${worker.localRank}`,
      `  ${shellCommand(worker.command)}`,
      ...own.map(variableLine),
    );
  }
  if (run.notices.length > 0) lines.push("", "To know", ...run.notices.map((notice) => `  ${notice}`));
  return `${lines.join("\n")}\n`;
}

/** For programs: see the head of this file. */
export function dryRunJson(run: DryRun): string {
  const settings = SETTINGS.map((
    row,
  ) => [row.name, { value: row.value(run.plan), from: sourceOf(row, run) }]);
  const whole = {
    version: 1,
    settings: Object.fromEntries(settings),
    workers: run.workers,
    notices: run.notices,
  };
  return `${JSON.stringify(whole, null, 2)}\n`;
}

type Source = Origin | { readonly kind: "derived"; readonly because: string };

function sourceOf(row: SettingRow, { parsed, reasons }: DryRun): Source {
  const because = row.reason === null ? undefined : reasons.get(row.reason);
  if (because !== undefined) return { kind: "derived", because };
  const origin = row.option === null ? undefined : parsed.origins.get(row.option);
  return origin ?? { kind: "default" };
}

function sourceText(source: Source): string {
  switch (source.kind) {
    case "flag":
    case "environment":
      return source.name;
    case "default":
      return "default";
    case "derived":
      return source.because;
  }
}

type Variable = [name: string, value: string | null];

/** Variables with one value for all workers. */
function sharedVariables(workers: readonly DryRunWorker[]): Variable[] {
  const first = assertDefined(workers[0], "A worker");
  return Object.entries(first.environment).filter(([name, value]) =>
    workers.every((worker) => worker.environment[name] === value)
  );
}

function variableLine([name, value]: Variable): string {
  return `  ${name}=${value === null ? "(known at the start)" : shellWord(value)}`;
}
