/** Screens that were looked at once, and must stay as they were. MUSTER_RECORD=1 writes them anew, to be looked at. */

import { assertEquals } from "@std/assert";

const FOLDER = new URL("./screens/", import.meta.url);

/** Compares `lines` with what was recorded as `name`. */
export function checkScreen(name: string, lines: readonly string[]): void {
  const file = new URL(`${name}.txt`, FOLDER);
  const text = `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
  if (Deno.env.get("MUSTER_RECORD") === "1") Deno.writeTextFileSync(file, text);
  assertEquals(text, Deno.readTextFileSync(file));
}
