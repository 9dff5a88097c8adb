import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Checked } from "../../lib/options/checked.ts";
import {
  checkAddressRanges,
  checkNotNegative,
  checkOneOf,
  checkPositive,
  parseCommaList,
  parseEndpoint,
  parseForwardedSignals,
  parseNodes,
  parseRankList,
  parseSignalNames,
  parseStreamMasks,
  parseWorkerCount,
} from "../../lib/options/values.ts";

function assertValue<T>(checked: Checked<T>, value: T): void {
  assertEquals(checked, { kind: "value", value });
}

function assertRefused(checked: Checked<unknown>, ...parts: readonly string[]): void {
  assertEquals(checked.kind, "problem");
  if (checked.kind !== "problem") return;
  for (const part of parts) assertStringIncludes(checked.problem.message, part);
}

Deno.test("parseWorkerCount() takes numbers and kinds of devices", () => {
  assertValue(parseWorkerCount(" 1_0"), 10);
  assertValue(parseWorkerCount("gpu"), "gpu");
  assertRefused(parseWorkerCount("0", "PET_NPROC_PER_NODE"), "PET_NPROC_PER_NODE", "at least one", '"0"');
  assertRefused(parseWorkerCount("GPU"), "auto, cpu, gpu", '"GPU"');
  const checked = parseWorkerCount("gpus");
  assertEquals(checked.kind === "problem" && checked.problem.hint, "Did you mean gpu?");
});

Deno.test("parseNodes() takes a number and a range", () => {
  assertValue(parseNodes("4"), { min: 4, max: 4, step: 1 });
  assertValue(parseNodes(" 1 : 4 "), { min: 1, max: 4, step: 1 });
  assertValue(parseNodes("2:8:2"), { min: 2, max: 8, step: 2 });
});

Deno.test("parseNodes() refuses what is no range, naming the source and the text", () => {
  for (const text of ["", "x", "1:", ":1", "1:2:", "1:2:3:4", "1.5"]) {
    assertRefused(parseNodes(text, "PET_NNODES"), "PET_NNODES must be", JSON.stringify(text));
  }
  for (const text of ["0", "-1", "2:1", "0:2", "1:2:0"]) {
    assertRefused(parseNodes(text), "--nnodes needs at least one");
  }
});

Deno.test("checkAddressRanges() takes addresses and ranges, and names the first that is none", () => {
  assertValue(checkAddressRanges("10.0.0.0/8, fd00::/8,192.0.2.7"), "10.0.0.0/8, fd00::/8,192.0.2.7");
  for (const text of ["", "10.0.0.0/33", "node7", "10.0.0.1,x/8"]) {
    assertRefused(checkAddressRanges(text), "--store-allow must be addresses or ranges");
  }
});

Deno.test("parseStreamMasks() takes one mask or masks by rank, of any rank", () => {
  assertValue(parseStreamMasks("3"), 3);
  assertValue(parseStreamMasks("3\n"), 3);
  assertValue(parseStreamMasks("0:3,10:1,0:2"), new Map([[0, 2], [10, 1]] as const));
});

Deno.test("parseStreamMasks() refuses other masks and forms", () => {
  for (const text of ["", "4", "-1", "0:4", "0:1,", ",0:1", "0:1, 1:1", "a:1"]) {
    assertRefused(parseStreamMasks(text, "--tee"), "--tee", JSON.stringify(text));
  }
});

Deno.test("parseRankList() sorts ranks and drops doubles", () => {
  assertValue(parseRankList("2, 0,2"), [0, 2]);
  assertValue(parseRankList(""), null);
  for (const text of [",", "0,", "a"]) assertRefused(parseRankList(text), "--local-ranks-filter", text);
});

Deno.test("parseCommaList() takes a double comma for a comma", () => {
  assertEquals(parseCommaList("apple,orange"), ["apple", "orange"]);
  assertEquals(parseCommaList("a,,b,c"), ["a,b", "c"]);
  assertEquals(parseCommaList(",,,"), [",", ""]);
  assertEquals(parseCommaList(""), [""]);
});

Deno.test("parseEndpoint() takes names, addresses and ports", () => {
  assertValue(parseEndpoint("node-1.local:29400"), { host: "node-1.local", port: 29400 });
  assertValue(parseEndpoint("10.0.0.1"), { host: "10.0.0.1", port: null });
  assertValue(parseEndpoint("[::1]"), { host: "::1", port: null });
  assertValue(parseEndpoint(" [fe80::1]:0 "), { host: "fe80::1", port: 0 });
  assertValue(parseEndpoint(""), { host: "localhost", port: null });
});

Deno.test("parseEndpoint() refuses bad ports and hosts", () => {
  for (const text of ["h:", "h:x", "h:65536", "h:-1", "h:000001"]) {
    assertRefused(parseEndpoint(text), "port", text);
  }
  for (const text of ["a b", ":1", "h/x:1"]) assertRefused(parseEndpoint(text), "host", text);
});

Deno.test("parseSignalNames() takes names with and without SIG and keeps unknown ones apart", () => {
  assertValue(parseSignalNames("SIGTERM, usr1,SIGTERM,"), { signals: ["SIGTERM", "SIGUSR1"], unknown: [] });
  assertValue(parseSignalNames("SIGFOO"), { signals: [], unknown: ["SIGFOO"] });
  assertRefused(parseSignalNames("SIGTERM,SIGKILL"), "SIGKILL", "no process can catch");
});

Deno.test("parseForwardedSignals() refuses unknown names", () => {
  assertValue(parseForwardedSignals("USR1,USR2"), ["SIGUSR1", "SIGUSR2"]);
  assertValue(parseForwardedSignals(""), []);
  assertRefused(parseForwardedSignals("USR3"), "--forward-signals", '"USR3"');
});

Deno.test("checkNotNegative() and checkPositive() differ at zero", () => {
  assertEquals(checkNotNegative("0", "--x").kind, "value");
  assertRefused(checkNotNegative("-1", "--x"), "--x must be at least 0", '"-1"');
  assertRefused(checkPositive("0", "--x"), "--x must be greater than 0");
  for (const text of ["inf", "nan"]) assertRefused(checkPositive(text, "--x"), text);
});

Deno.test("checkOneOf() names all words", () => {
  assertEquals(checkOneOf(["a", "b"])("a", "--x").kind, "value");
  assertRefused(checkOneOf(["a", "b"])("c", "--x"), "--x must be one of a, b", '"c"');
});
