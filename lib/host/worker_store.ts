/** Where the workers meet: a store of ours, or a port that is kept for the one that worker rank 0 opens. */

import type { StoreSettings } from "../options/launch_plan.ts";
