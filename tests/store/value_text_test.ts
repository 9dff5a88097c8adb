import { assertEquals } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import { jsonValue, readableText } from "../../lib/store/value_text.ts";

Deno.test("readableText() shows text as it is and bytes as a Python literal", () => {
  assertEquals(readableText(utf8("grüße\n\t1")), "grüße\n\t1");
  assertEquals(readableText(new Uint8Array([0, 0x27, 0x41, 0xff, 0x5c])), "b'\\x00\\'A\\xff\\\\'");
  assertEquals(readableText(utf8("\x1b[31m")), "b'\\x1b[31m'");
});

Deno.test("jsonValue() keeps every byte", () => {
  assertEquals(jsonValue(utf8("a\0")), { text: "a\0" });
  assertEquals(jsonValue(new Uint8Array([255, 0])), { base64: "/wA=" });
});
