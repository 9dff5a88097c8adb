import { assert, assertEquals } from "@std/assert";
import { optionTable } from "../../lib/options/option_table.ts";

const TABLE = optionTable("legacy");

Deno.test("optionTable() gives every spelling to one option", () => {
  const spellings = TABLE.flatMap((spec) => spec.spellings);
  assertEquals(spellings.length, new Set(spellings).size);
});

Deno.test("optionTable() has no option of ours that begins one of torchrun's", () => {
  const torchruns = TABLE.filter((spec) => !spec.isOwn).flatMap((spec) => spec.spellings);
  for (const ours of TABLE.filter((spec) => spec.isOwn).flatMap((spec) => spec.spellings)) {
    assertEquals(torchruns.filter((spelling) => spelling.startsWith(ours)), [], ours);
  }
});

Deno.test("optionTable() has defaults that pass their own checks", () => {
  for (const { check, default: value, spellings } of TABLE) {
    if (check !== null && value !== null) assertEquals(check(String(value), "").kind, "value", spellings[0]);
  }
});

Deno.test("optionTable() knows use-env only as torch.distributed.launch does", () => {
  assert(TABLE.some((spec) => spec.name === "useEnv"));
  assert(!optionTable("torchrun").some((spec) => spec.name === "useEnv"));
});
