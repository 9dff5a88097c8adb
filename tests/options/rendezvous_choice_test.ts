import { assertEquals } from "@std/assert";
import { assertDefined } from "../../lib/core/assert.ts";
import { parseCommandLine } from "../../lib/options/parse.ts";
import { chooseRendezvous } from "../../lib/options/rendezvous_choice.ts";

function choose(...args: string[]): string {
  const { options } = parseCommandLine([...args, "train.py"], {});
  const { backend, endpoint, because } = chooseRendezvous(assertDefined(options).values);
  return `${backend} ${endpoint} ${because}`;
}

Deno.test("chooseRendezvous() takes a free port for one machine of which nothing is said", () => {
  assertEquals(choose(), "c10d localhost:0 alone");
  assertEquals(choose("--nnodes=1:1", "--master-addr=a"), "c10d localhost:0 alone");
});

Deno.test("chooseRendezvous() puts standalone above all", () => {
  assertEquals(
    choose("--standalone", "--rdzv-backend=etcd", "--master-port=1"),
    "c10d localhost:0 standalone",
  );
});

Deno.test("chooseRendezvous() makes static's endpoint of address and port", () => {
  assertEquals(choose("--master-port=1"), "static 127.0.0.1:1 given");
  assertEquals(choose("--nnodes=2", "--master-addr=[::1]"), "static [::1]:29500 given");
  assertEquals(choose("--rdzv-endpoint=h:1", "--master-port=2"), "static h:1 given");
});

Deno.test("chooseRendezvous() takes another back end as it is given", () => {
  assertEquals(choose("--rdzv-backend=c10d", "--master-port=2"), "c10d  given");
});
