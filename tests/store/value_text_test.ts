import { assertEquals } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import { jsonValue, lineText, readableText } from "../../lib/store/value_text.ts";

Deno.test("readableText() shows text as it is and bytes as a Python literal", () => {
  assertEquals(readableText(utf8("grüße\n\t1")), "grüße\n\t1");
  assertEquals(readableText(new Uint8Array([0, 0x27, 0x41, 0xff, 0x5c])), "b'\\x00\\'A\\xff\\\\'");
  assertEquals(readableText(utf8("\x1b[31m")), "b'\\x1b[31m'");
  // U+009B begins a control sequence, too.
  assertEquals(readableText(utf8("\x9b31m")), "b'\\xc2\\x9b31m'");
});

Deno.test("lineText() keeps to one line, and of a long value shows the beginning", () => {
  assertEquals(lineText(utf8("a\tb\nc")), "a\\tb\\nc");
  assertEquals(lineText(utf8("x".repeat(200))), "x".repeat(200));
  assertEquals(lineText(utf8("x".repeat(201))), `${"x".repeat(200)}… (201 bytes)`);
  // What is cut is no half of a character, which would make bytes of a text.
  for (const [before, shown] of [[0, 66], [1, 66], [2, 66]] as const) {
    const text = "x".repeat(before) + "日".repeat(100);
    assertEquals(lineText(utf8(text)), `${text.slice(0, before + shown)}… (${before + 300} bytes)`);
  }
  assertEquals(lineText(new Uint8Array(300).fill(0x80)).startsWith("b'\\x80"), true);
});

Deno.test("jsonValue() keeps every byte", () => {
  assertEquals(jsonValue(utf8("a\0")), { text: "a\0" });
  assertEquals(jsonValue(new Uint8Array([255, 0])), { base64: "/wA=" });
});
