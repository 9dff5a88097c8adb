import { assertEquals } from "@std/assert";
import { parseByteSize, parseLogsSpecs, parseRankRanges } from "../../lib/options/log_values.ts";
import { planOf } from "./planning.ts";

/** The value, or what is wrong. */
function byteSize(text: string): number | string {
  const checked = parseByteSize(text);
  return checked.kind === "value" ? checked.value : checked.problem.message;
}

Deno.test("parseByteSize() takes bytes and units of 1024", () => {
  assertEquals(["5000", "4K", "1.5M", "2g", "1GB", "1 MiB", " 1T "].map(byteSize), [
    ...[5000, 4096, 1.5 * 2 ** 20, 2 * 2 ** 30, 2 ** 30, 2 ** 20, 2 ** 40],
  ]);
});

Deno.test("parseByteSize() refuses what is no size or too small for head and tail", () => {
  const refusal = "--log-max-size must be a size such as 500K, 100M or 1G: got ";
  for (const text of ["", "M", "-1", "1X", "1e9", "99999999999T"]) {
    assertEquals(byteSize(text), `${refusal}"${text}"`);
  }
  assertEquals(byteSize("0"), '--log-max-size must be at least 4096 bytes: got "0"');
});

Deno.test("parseRankRanges() takes ranks and ranges", () => {
  assertEquals(planOf(["--ranks=0,8-15"]).logs.ranksShown, [
    { first: 0, last: 0 },
    { first: 8, last: 15 },
  ]);
  assertEquals(planOf(["--ranks="]).logs.ranksShown, null);
  for (const text of ["a", "1-", "3-2", ",", "-1", "1:2"]) {
    assertEquals(parseRankRanges(text).kind, "problem", text);
  }
});

Deno.test("parseLogsSpecs() refuses names with what is expected", () => {
  for (const path of ["logs.ts", "/etc/logs.mjs", "a/b.js"]) {
    assertEquals(parseLogsSpecs(path), { kind: "value", value: path });
  }
  const checked = parseLogsSpecs("mine");
  assertEquals(
    checked.kind === "problem" ? checked.problem.message : "",
    '--logs-specs must be "default" or the path of a TypeScript or JavaScript module: got "mine"',
  );
});
