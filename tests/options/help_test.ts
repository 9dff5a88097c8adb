import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type HelpSettings, helpText } from "../../lib/options/help.ts";
import { optionTable } from "../../lib/options/option_table.ts";

const SETTINGS: HelpSettings = { programName: "muster", dialect: "torchrun", tier: "all", hasCommands: true };

function shownOptions(text: string): string[] {
  return [...text.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, spelling]) => spelling!).sort();
}

Deno.test("helpText() fits 80 columns, in every tier and dialect", () => {
  for (const tier of ["common", "all"] as const) {
    for (const dialect of ["torchrun", "legacy"] as const) {
      for (const line of helpText({ ...SETTINGS, tier, dialect, programName: "muster launch" }).split("\n")) {
        assert(line.length <= 80, line);
      }
    }
  }
});

Deno.test("helpText() shows every option once in the full tier", () => {
  const all = optionTable("legacy").map((spec) => spec.spellings[0]!).sort();
  assertEquals(shownOptions(helpText({ ...SETTINGS, dialect: "legacy" })), all);
});

Deno.test("helpText() shows the common options in the common tier, and how to see all", () => {
  const text = helpText({ ...SETTINGS, tier: "common" });
  const common = optionTable("torchrun").filter((spec) => spec.tier === "common").map((spec) =>
    spec.spellings[0]!
  );
  assertEquals(shownOptions(text), common.sort());
  assertStringIncludes(text, "muster --help all");
});

Deno.test("helpText() parts an option and its explanation by two blanks or a line", () => {
  for (const { spellings } of optionTable("torchrun")) {
    assertMatch(helpText(SETTINGS), new RegExp(`^ {2}(-\\w, )?${spellings[0]}\\S*( \\S+)?( {2}|$)`, "m"));
  }
});

Deno.test("helpText() tells of commands only where there are any", () => {
  assertStringIncludes(helpText(SETTINGS), "muster [OPTIONS] SCRIPT");
  assertStringIncludes(helpText(SETTINGS), "store ...");
  const torchrun = helpText({ ...SETTINGS, programName: "torchrun", hasCommands: false });
  assertStringIncludes(torchrun, "Usage: torchrun [OPTIONS] SCRIPT");
  assert(!torchrun.includes("store ..."));
});
