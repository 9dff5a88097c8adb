import { assertEquals } from "@std/assert";
import type { UsageProblem } from "../../lib/core/errors.ts";
import { LIMIT_WORDS, readLimits } from "../../lib/store/limit_words.ts";
import { DEFAULT_LIMITS, KEY_BYTES_MOST } from "../../lib/store/limits.ts";
import { Table } from "../../lib/store/table.ts";

const README = Deno.readTextFileSync(new URL("../../README.md", import.meta.url));

Deno.test("README has every limit of the store with its default", () => {
  const rows = [...README.matchAll(/^\| `([a-z-]+)` +\| ([\d,]+) +\|/gm)].map(([, word, digits]) => {
    return [word, Number(digits!.replaceAll(",", ""))];
  });
  assertEquals(rows, [...LIMIT_WORDS].map(([word, name]) => [word, DEFAULT_LIMITS[name]]));
});

Deno.test("readLimits() takes keys as long as the table can keep them, and no longer", () => {
  const problems: UsageProblem[] = [];
  const limits = { ...DEFAULT_LIMITS, ...readLimits(`key-bytes=${KEY_BYTES_MOST}`, problems) };
  assertEquals(problems, []);
  const key = "k".repeat(KEY_BYTES_MOST);
  const value = "v".repeat(4000);
  const table = new Table(limits);
  const replies: unknown[] = [];
  const client = { reply: (reply: unknown) => replies.push(reply) };
  for (const kind of ["set", "append"] as const) table.apply(client, { kind, key, value });
  table.apply(client, { kind: "multiGet", keys: [key, `${key.slice(1)}l`] });
  assertEquals(replies, [{ kind: "values", values: [new Uint8Array(8000).fill(0x76), ""] }]);
  readLimits(`key-bytes=${KEY_BYTES_MOST + 1}`, problems);
  assertEquals(problems.map(({ message }) => message), [
    "--limits takes 1 to 65535 for key-bytes: got 65536",
  ]);
});
