import { assertEquals } from "@std/assert";
import {
  assignRanks,
  decodeRanks,
  decodeRoleInfo,
  encodeRanks,
  encodeRoleInfo,
} from "../../lib/rendezvous/torch_roles.ts";

Deno.test("assignRanks() counts workers in the order of group ranks, and apart by role", () => {
  const roles = [["a", 2], ["b", 1], ["a", 3]] as const;
  assertEquals(assignRanks(roles.map(([role, workerCount]) => ({ role, workerCount }))), [
    { baseRank: 0, worldSize: 6, baseRoleRank: 0, roleWorldSize: 5 },
    { baseRank: 2, worldSize: 6, baseRoleRank: 0, roleWorldSize: 1 },
    { baseRank: 3, worldSize: 6, baseRoleRank: 2, roleWorldSize: 5 },
  ]);
});

Deno.test("roles and ranks are written as torchrun reads them", () => {
  const info = { role: "trainer", rank: 1, workerCount: 8 };
  assertEquals(JSON.parse(encodeRoleInfo(info)), { role: "trainer", rank: 1, local_world_size: 8 });
  assertEquals(decodeRoleInfo('{"role": "trainer", "rank": 1, "local_world_size": 8}'), info);
  const ranks = { baseRank: 2, worldSize: 6, baseRoleRank: 0, roleWorldSize: 4 };
  assertEquals(encodeRanks(ranks), "[2,6,0,4]");
  assertEquals(decodeRanks("[2, 6, 0, 4]", 4), ranks);
});

Deno.test("what is no role and what can't be a rank is refused", () => {
  for (
    const text of [
      "",
      "[]",
      "null",
      '{"role": 1, "rank": 1, "local_world_size": 1}',
      '{"role": "a", "rank": -1}',
    ]
  ) {
    assertEquals(decodeRoleInfo(text), null);
  }
  for (
    const text of ["", "{}", "[1, 2, 3]", "[0.5, 2, 0, 2]", "[2, 2, 0, 2]", "[0, 2, 1, 1]", "[-1, 2, 0, 2]"]
  ) {
    assertEquals(decodeRanks(text, 1), null);
  }
});
