import { assertEquals } from "@std/assert";
import { type ErrorRecord, parseErrorFile } from "../../lib/agent/error_file.ts";
import { Prng } from "../../lib/core/prng.ts";
import { recordText } from "./attempts.ts";

function recordOf(document: unknown): Omit<ErrorRecord, "document"> {
  const content = parseErrorFile(JSON.stringify(document));
  if (content.kind !== "record") throw new Error(content.problem);
  const { message, callstack, failedAt } = content.record;
  return { message, callstack, failedAt };
}

Deno.test("parseErrorFile() reads what PyTorch's @record writes", () => {
  const content = parseErrorFile(recordText("ValueError: bad", 1_795_474_143));
  assertEquals(content.kind === "record" && content.record.message, "ValueError: bad");
  assertEquals(content.kind === "record" && content.record.failedAt, 1_795_474_143_000);
  assertEquals(content.kind === "record" && content.record.callstack?.length, 3);
});

Deno.test("parseErrorFile() reads a plain message with and without a time", () => {
  assertEquals(recordOf({ message: "bad" }), { message: "bad", callstack: null, failedAt: null });
  assertEquals(recordOf({ message: "bad", timestamp: 12 }).failedAt, 12_000);
});

Deno.test("parseErrorFile() takes seconds with a fraction, as number and as text", () => {
  const at = (timestamp: unknown) =>
    recordOf({ message: { message: "bad", extraInfo: { timestamp } } }).failedAt;
  assertEquals([at(1.5), at("1.5"), at("12")], [1500, 1500, 12_000]);
  assertEquals([at("soon"), at(""), at(null), at(-1), at([3])], [null, null, null, null, null]);
});

Deno.test("parseErrorFile() does without fields that are missing or of another type", () => {
  assertEquals(recordOf({ message: { message: "bad" } }), {
    message: "bad",
    callstack: null,
    failedAt: null,
  });
  assertEquals(recordOf({ message: { message: 3, extraInfo: { py_callstack: "Traceback" } } }).message, null);
  assertEquals(recordOf({ message: { message: "bad", extraInfo: [1] } }).message, "bad");
});

Deno.test("parseErrorFile() says what is wrong with a file that it can't use", () => {
  const problemOf = (text: string) => {
    const content = parseErrorFile(text);
    return content.kind === "unusable" ? content.problem : "";
  };
  assertEquals(problemOf("  \n"), "is empty: the worker ended while writing it");
  assertEquals(problemOf("[1]"), "isn't a JSON object");
  assertEquals(problemOf('{"message": ""}'), "has no message");
  assertEquals(problemOf("{}"), "has no message");
});

Deno.test("parseErrorFile() survives a file cut anywhere, and any bytes", () => {
  const whole = recordText("ValueError: bad", 1);
  for (let length = 0; length < whole.length; length++) {
    assertEquals(parseErrorFile(whole.slice(0, length)).kind, "unusable");
  }
  const prng = new Prng(1);
  for (let round = 0; round < 200; round++) {
    const bytes = Uint8Array.from({ length: prng.below(400) }, () => prng.below(256));
    assertEquals(parseErrorFile(new TextDecoder().decode(bytes)).kind, "unusable");
  }
});
