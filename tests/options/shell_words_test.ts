import { assertEquals } from "@std/assert";
import { shellCommand, shellWord } from "../../lib/options/shell_words.ts";

Deno.test("shellWord() leaves plain words alone and quotes the rest", () => {
  assertEquals(shellWord("--a=/b/c.py:1,2"), "--a=/b/c.py:1,2");
  for (const word of ["", "a b", "$x", "~", "*", "a\nb", "é", "#", "!"]) {
    assertEquals(shellWord(word), `'${word}'`);
  }
  assertEquals(shellWord("it's"), `'it'\\''s'`);
});

Deno.test("shellCommand() is read back by a shell as the same words", async () => {
  const words = ["a", "", "b c", "it's", "$HOME", "x\ny", "\\", '"', "*", "~", "-n"];
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `printf '%s\\0' ${shellCommand(words)}`],
  }).output();
  assertEquals(new TextDecoder().decode(stdout).split("\0").slice(0, -1), words);
});
