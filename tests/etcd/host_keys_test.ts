import { assertEquals } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import { decodeHost, encodeHost, hostKeys, nextEpoch } from "../../lib/etcd/host_keys.ts";

Deno.test("hostKeys() keeps any id in a folder of its own", () => {
  assertEquals(hostKeys("a/b c").host, "/muster/a%2Fb%20c/host");
  assertEquals(new Set(["a", "a/host", "../a", "", "A"].map((id) => hostKeys(id).job)).size, 5);
});

Deno.test("decodeHost() takes only what a host writes", () => {
  const host = { epoch: 3, nodeId: "n", address: "[::1]:29400" };
  assertEquals(decodeHost(encodeHost(host)), host);
  for (
    const text of [
      "",
      "null",
      "{}",
      '{"epoch":0,"node":"n","address":"a"}',
      '{"epoch":1,"node":1,"address":"a"}',
    ]
  ) {
    assertEquals(decodeHost(utf8(text)), null, text);
  }
});

Deno.test("nextEpoch() counts on", () => {
  const view = (text: string | null) => ({
    revision: 1,
    host: null,
    job: null,
    ended: null,
    epoch: text === null
      ? null
      : { key: "e", value: utf8(text), createRevision: 1, modRevision: 1, lease: null },
  });
  assertEquals([null, "1", "41", "x"].map((text) => nextEpoch(view(text))), [1, 2, 42, 1]);
});
