import { assertEquals } from "@std/assert";
import { EndpointChoice, memberUrl } from "../../lib/etcd/endpoints.ts";

Deno.test("endpoints: the member that answered last is asked first, one that failed last", () => {
  const choice = new EndpointChoice(["a", "b", "c"]);
  assertEquals(choice.order(), ["a", "b", "c"]);
  choice.failed("a", "connection refused", 1);
  assertEquals(choice.order(), ["b", "c", "a"]);
  choice.succeeded("c");
  assertEquals(choice.order(), ["c", "b", "a"]);
  choice.failed("c", "no answer for 3 s", 2);
  choice.failed("b", "connection refused", 3);
  assertEquals(choice.order(), ["a", "c", "b"], "those that failed longest ago first");
  choice.succeeded("a");
  assertEquals(choice.order()[0], "a");
});

Deno.test("endpoints: what was tried is said for every member", () => {
  const choice = new EndpointChoice(["http://a:2379", "http://b:2379", "http://c:2379"]);
  choice.failed("http://a:2379", "connection refused", 1);
  choice.failed("http://b:2379", "no answer for 3 s", 2);
  assertEquals(
    choice.tried(),
    "http://a:2379 (connection refused), http://b:2379 (no answer for 3 s), http://c:2379 (not asked)",
  );
});

Deno.test("endpoints: a URL puts IPv6 addresses in brackets", () => {
  assertEquals(memberUrl({ host: "::1", port: 2379 }, "https"), "https://[::1]:2379");
  assertEquals(memberUrl({ host: "etcd-0", port: 1 }, "http"), "http://etcd-0:1");
});
