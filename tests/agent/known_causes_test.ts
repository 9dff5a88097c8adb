import { assertEquals } from "@std/assert";
import { KNOWN_CAUSES, knownCause } from "../../lib/agent/known_causes.ts";
import { sampleLines, SAMPLES } from "./samples.ts";

Deno.test("KNOWN_CAUSES has a recorded sample for every entry", () => {
  const texts = SAMPLES.map(({ name }) => sampleLines(name).join("\n").replace(/^\[rank\d+\]: /gm, ""));
  const without = KNOWN_CAUSES.filter(({ pattern }) => !texts.some((text) => pattern.test(text)));
  assertEquals(without.map(({ kind, pattern }) => `${kind} ${pattern}`), []);
});

Deno.test("knownCause() does not know texts that only look alike", () => {
  for (
    const text of [
      "ConnectionResetError: [Errno 104] Connection reset by peer",
      "ValueError: No module named 'x' in the registry",
      "urllib.error.URLError: <urlopen error timed out>",
      "MemoryError",
    ]
  ) {
    assertEquals(knownCause(text), null, text);
  }
});
