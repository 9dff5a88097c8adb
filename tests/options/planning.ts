/** A command line to a plan, on a machine in memory. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { LaunchPlan } from "../../lib/options/launch_plan.ts";
import { parseCommandLine } from "../../lib/options/parse.ts";
import { planLaunch, type PlanResult } from "../../lib/options/plan.ts";
import { machine, type Tree } from "./file_tree.ts";

export interface Given {
  /** Added to a PATH that has Python. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly tree?: Tree | string;
  readonly commandOutput?: string | null;
  readonly dialect?: "torchrun" | "legacy";
}

/** Plans `args`; without a script in them it is `train.py`, which is there. */
export function planned(args: readonly string[], given: Given = {}): PlanResult {
  const { environment: added = {}, dialect = "torchrun", ...rest } = given;
  const environment = { PATH: "/usr/bin", ...added };
  const hasScript = args.some((argument) => !/^-./.test(argument));
  const whole = hasScript ? args : [...args, "train.py"];
  const { options, problems } = parseCommandLine(whole, environment, dialect);
  if (options === null) {
    throw new Error(`Not parsed: ${problems.map((problem) => problem.message).join("; ")}`);
  }
  return planLaunch(options, machine({ environment, ...rest }));
}

/** The plan of a command line that has no problem. */
export function planOf(args: readonly string[], given: Given = {}): LaunchPlan {
  const { plan, problems } = planned(args, given);
  if (plan === null) throw new Error(`No plan: ${problems.map((problem) => problem.message).join("; ")}`);
  return plan;
}

/** Checks that there is exactly one problem, and that its message holds `part`. */
export function checkProblem(args: readonly string[], part: string, given: Given = {}): void {
  const { plan, problems } = planned(args, given);
  assertEquals(plan, null);
  assertEquals(problems.length, 1, problems.map((problem) => problem.message).join("; "));
  assertStringIncludes(problems[0]!.message, part);
}

/** Checks that some notice holds `part`. */
export function checkNotice(args: readonly string[], part: string, given: Given = {}): void {
  assertStringIncludes(planned(args, given).notices.join("\n"), part);
}

export function noticesOf(args: readonly string[], given: Given = {}): readonly string[] {
  return planned(args, given).notices;
}
