import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkRendezvousConf, parseRendezvousConf } from "../../lib/options/rendezvous_conf.ts";

Deno.test("parseRendezvousConf() splits at the first equals sign and drops blanks", () => {
  const conf = new Map([["join_timeout", "5"], ["a", "b=c"]]);
  assertEquals(parseRendezvousConf(" join_timeout = 5 , a=b=c"), { kind: "value", value: conf });
  assertEquals(parseRendezvousConf(" "), { kind: "value", value: new Map() });
});

Deno.test("parseRendezvousConf() lets the last of two entries count", () => {
  assertEquals(parseRendezvousConf("a=1,a=2"), { kind: "value", value: new Map([["a", "2"]]) });
});

Deno.test("parseRendezvousConf() refuses entries without key or value", () => {
  for (const text of ["=1", ",a=1", "a=1,", "a", "a=", "a= "]) {
    const checked = parseRendezvousConf(text, "PET_RDZV_CONF");
    assertEquals(checked.kind, "problem", text);
    if (checked.kind === "problem") {
      assertStringIncludes(checked.problem.message, `: got ${JSON.stringify(text)}`);
    }
  }
});

Deno.test("checkRendezvousConf() refuses values that the back end cannot use", () => {
  const wrong: [string, string, string][] = [
    ["c10d", "join_timeout", "0"],
    ["c10d", "read_timeout", "x"],
    ["c10d", "is_host", "maybe"],
    ["c10d", "store_type", "disk"],
    ["etcd-v2", "protocol", "ftp"],
    ["etcd-v2", "cas_backoff_max_seconds", "inf"],
    ["static", "timeout", "1.5"],
  ];
  for (const [backend, key, value] of wrong) {
    const { problems, notices } = checkRendezvousConf(new Map([[key, value]]), backend);
    assertEquals([problems.length, notices], [1, []], key);
    assertStringIncludes(problems[0]!.message, `"${key}" in --rdzv-conf must be`);
    assertStringIncludes(problems[0]!.message, `: got "${value}"`);
  }
});

Deno.test("checkRendezvousConf() leaves another back end's values alone", () => {
  const conf = new Map([["is_host", "maybe"], ["timeout", "x"]]);
  assertEquals(checkRendezvousConf(conf, "etcd-v2"), { problems: [], notices: [] });
});

Deno.test("checkRendezvousConf() tells of all keys that nobody knows at once", () => {
  const { problems, notices } = checkRendezvousConf(new Map([["joint_timeout", "5"], ["zzz", "1"]]), "c10d");
  assertEquals(problems, []);
  assertEquals(notices, [
    'No rendezvous back end knows "joint_timeout", "zzz" in --rdzv-conf; they are ignored. Did you mean "join_timeout"?',
  ]);
  assertEquals(checkRendezvousConf(new Map([["zzz", "1"]]), "c10d").notices, [
    'No rendezvous back end knows "zzz" in --rdzv-conf; it is ignored',
  ]);
});
