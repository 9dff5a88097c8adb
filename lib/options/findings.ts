/** What the steps of planning find out beside the values themselves. */

import type { UsageProblem } from "../core/errors.ts";
import type { LaunchPlan } from "./launch_plan.ts";

/** Why a value of the plan is what it is, where no option says so. */
export type Reasons = ReadonlyMap<keyof LaunchPlan, string>;

/** Each step adds to the lists. */
export interface Findings {
  readonly problems: UsageProblem[];
  /** For the user to know; nothing keeps the job from starting. */
  readonly notices: string[];
  readonly reasons: Map<keyof LaunchPlan, string>;
}
