import { assertEquals } from "@std/assert";
import { LIMIT_WORDS } from "../../lib/store/limit_words.ts";
import { DEFAULT_LIMITS } from "../../lib/store/limits.ts";

const README = Deno.readTextFileSync(new URL("../../README.md", import.meta.url));

Deno.test("README has every limit of the store with its default", () => {
  const rows = [...README.matchAll(/^\| `([a-z-]+)` +\| ([\d,]+) +\|/gm)].map(([, word, digits]) => {
    return [word, Number(digits!.replaceAll(",", ""))];
  });
  assertEquals(rows, [...LIMIT_WORDS].map(([word, name]) => [word, DEFAULT_LIMITS[name]]));
});
