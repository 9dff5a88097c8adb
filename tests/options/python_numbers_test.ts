import { assertEquals } from "@std/assert";
import { parsePythonFloat, parsePythonInteger } from "../../lib/options/python_numbers.ts";

// tests/interop/options_test.ts compares more of them with Python itself.

Deno.test("parsePythonInteger() takes blanks, signs, underscores and the digits of any script", () => {
  for (const text of ["12", " 12\n", "+12", "1_2", "0012", "１２", "١٢", "1２"]) {
    assertEquals(parsePythonInteger(text), 12, text);
  }
  assertEquals(parsePythonInteger("-3"), -3);
  assertEquals(Object.is(parsePythonInteger("-0"), 0), true);
});

Deno.test("parsePythonInteger() knows what is no whole number", () => {
  for (const text of ["", " ", "1.0", "1e3", "0x10", "1__0", "_1", "1_", "- 1", "++1", "one"]) {
    assertEquals(parsePythonInteger(text), null, text);
  }
});

Deno.test("parsePythonInteger() stays where numbers are exact", () => {
  assertEquals(parsePythonInteger("9".repeat(30)), Number.MAX_SAFE_INTEGER);
  assertEquals(parsePythonInteger("-" + "9".repeat(30)), -Number.MAX_SAFE_INTEGER);
});

Deno.test("parsePythonFloat() takes every form of a number", () => {
  const values: [string, number][] = [["0.5", 0.5], [" .5 ", 0.5], ["5.", 5], ["1_0.2_5", 10.25], [
    "-1E-3",
    -0.001,
  ]];
  for (const [text, value] of values) assertEquals(parsePythonFloat(text), value, text);
  assertEquals(parsePythonFloat("INF"), Infinity);
  assertEquals(parsePythonFloat("-infinity"), -Infinity);
  assertEquals(parsePythonFloat("+nan"), NaN);
});

Deno.test("parsePythonFloat() knows what is no number", () => {
  for (const text of ["", ".", "e3", "1e", "1e1.5", "1._5", "0x1", "infinit", "1 2"]) {
    assertEquals(parsePythonFloat(text), null, text);
  }
});
