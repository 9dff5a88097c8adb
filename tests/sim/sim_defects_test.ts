/** `scripts/sim_defects.ts` takes minutes and runs rarely: what it plants must be where it says all the same. */

import { assertEquals } from "@std/assert";
import { DEFECTS } from "../../scripts/sim_defects.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("Each defect that is planted in the simulation has its one place in the sources", async () => {
  for (const { name, file, from } of DEFECTS) {
    const source = await Deno.readTextFile(new URL(file, ROOT));
    assertEquals(source.split(from).length, 2, `${name}: ${file} does not have once: ${from}`);
  }
});
