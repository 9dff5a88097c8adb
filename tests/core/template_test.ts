import { assertEquals } from "@std/assert";
import { safeSubstitute } from "../../lib/core/template.ts";

Deno.test("safeSubstitute() replaces known names in both forms", () => {
  assertEquals(safeSubstitute("$a-${b}", { a: "1", b: "2" }), "1-2");
});

Deno.test("safeSubstitute() leaves unknown names and stray signs alone", () => {
  for (const text of ["$x", "${x}", "$", "${", "${}", "$ {a}", "$1", "${a", "${a b}", "$é"]) {
    assertEquals(safeSubstitute(text, { a: "1" }), text);
  }
});

Deno.test("safeSubstitute() makes one sign of two, and does not look at it again", () => {
  assertEquals(safeSubstitute("$$a $$$a $$$$", { a: "1" }), "$a $1 $$");
});

Deno.test("safeSubstitute() knows no names but those given", () => {
  assertEquals(safeSubstitute("$constructor ${toString}", {}), "$constructor ${toString}");
});

Deno.test("safeSubstitute() tells upper and lower case apart", () => {
  assertEquals(safeSubstitute("$A $a", { a: "1" }), "$A 1");
});
