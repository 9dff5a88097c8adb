/** `scripts/sim_defects.ts` takes minutes and runs rarely: what it plants must be where it says all the same. */

import { assertEquals } from "@std/assert";
import { misplaced } from "../../scripts/sim_defects.ts";

Deno.test("Each defect that is planted in the simulation has its one place in the sources", async () => {
  assertEquals(await misplaced(), []);
});
