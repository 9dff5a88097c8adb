/** Loads and asks the user's own module for `--logs-specs` (lib/logs/logs_specs.ts). */

import { SystemError } from "../core/errors.ts";
import { type LogsAttempt, type LogsPlan, type LogsSpecs, problemOfLogsPlan } from "../logs/logs_specs.ts";

/**
 * The function that the module at `path` exports by default, made safe: whatever is wrong with the module becomes a
 * SystemError that names it.
 */
export async function loadLogsSpecs(path: string): Promise<LogsSpecs> {
  const url = new URL(path, `file://${Deno.cwd()}/`).href;
  const specs = await loadDefault(path, url);
  return (attempt) => askedSpecs(path, specs, attempt);
}

async function loadDefault(path: string, url: string): Promise<LogsSpecs> {
  let module: { readonly default?: unknown };
  try {
    module = await import(url);
  } catch (error) {
    throw new SystemError(`Cannot load the module of --logs-specs, "${path}": ${messageOf(error)}`);
  }
  if (typeof module.default === "function") return module.default as LogsSpecs;
  throw new SystemError(
    `Cannot use the module of --logs-specs, "${path}": its default export must be a function that says where output ` +
      `goes`,
  );
}

function askedSpecs(path: string, specs: LogsSpecs, attempt: LogsAttempt): LogsPlan {
  let plan: LogsPlan;
  try {
    plan = specs(attempt);
  } catch (error) {
    throw new SystemError(`The module of --logs-specs, "${path}", failed: ${messageOf(error)}`);
  }
  const problem = problemOfLogsPlan(plan, attempt.workers.length);
  if (problem === null) return plan;
  throw new SystemError(`Cannot use what the module of --logs-specs, "${path}", returned: ${problem}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
