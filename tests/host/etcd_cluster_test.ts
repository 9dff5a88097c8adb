import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { SystemError } from "../../lib/core/errors.ts";
import {
  EtcdCluster,
  EtcdUnreachableError,
  type HttpQuestion,
  reasonOf,
} from "../../lib/host/etcd_cluster.ts";

const QUESTION: HttpQuestion = { method: "POST", path: "/x", body: "{}", attemptMs: 300 };

/** A member that answers with `answer`, or never; after `silentFor` questions that it leaves without an answer. */
function member(answer: string | null, silentFor = 0) {
  let asked = 0;
  const stop = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, signal: stop.signal, onListen: () => {} },
    () => {
      asked++;
      return answer === null || asked <= silentFor ? new Promise<Response>(() => {}) : new Response(answer);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    get asked() {
      return asked;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.finished;
    },
  };
}

const isFine = ({ text }: { readonly text: string }) => text === "sick" ? "it has no leader" : null;

Deno.test("EtcdCluster asks the next member when one is dead, silent or unwell, and stays with the one that answers", async () => {
  await using silent = member(null);
  await using sick = member("sick");
  await using good = member("good");
  await using spare = member("spare");
  const dead = "http://127.0.0.1:9";
  const cluster = new EtcdCluster([dead, silent.url, sick.url, good.url, spare.url]);
  assertEquals((await cluster.ask(QUESTION, isFine)).text, "good");
  assertEquals((await cluster.ask(QUESTION, isFine)).text, "good");
  assertEquals([silent.asked, sick.asked, good.asked, spare.asked], [1, 1, 2, 0]);
  cluster.close();
});

Deno.test("EtcdCluster says for each member what was wrong", async () => {
  await using silent = member(null);
  await using sick = member("sick");
  const cluster = new EtcdCluster([silent.url, sick.url]);
  const error = await assertRejects(() => cluster.ask(QUESTION, isFine), EtcdUnreachableError);
  assertEquals(
    error.message,
    `etcd can't be reached: ${silent.url} (no answer for 300 ms), ${sick.url} (it has no leader)`,
  );
  cluster.close();
  cluster.close();
});

Deno.test("EtcdCluster does not wait for a silent member alone, and asks all once more, where that does no harm", async () => {
  const hedged = { ...QUESTION, attemptMs: 600_000, hedgeMs: 10 };
  {
    await using silent = member(null);
    await using good = member("good");
    const cluster = new EtcdCluster([silent.url, good.url]);
    assertEquals((await cluster.ask(hedged, isFine)).text, "good");
    assertEquals((await cluster.ask(hedged, isFine)).text, "good");
    cluster.close();
  }
  // Both wait for a leader that is gone, until there is another.
  await using first = member("good", 1);
  await using second = member("good", 2);
  const cluster = new EtcdCluster([first.url, second.url]);
  assertEquals((await cluster.ask(hedged, isFine)).text, "good");
  assertEquals(first.asked, 2);
  cluster.close();
});

Deno.test("EtcdCluster names the file that it can't use", () => {
  const error = assertThrows(
    () => new EtcdCluster(["https://127.0.0.1:1"], { ca: "/no/such/ca.pem", certificate: null, key: null }),
    SystemError,
  );
  assertStringIncludes(error.message, "the authority's certificate for etcd, /no/such/ca.pem:");
});

Deno.test("reasonOf() finds what people can use", () => {
  const cause = new Error("tcp connect error: Connection refused (os error 111)");
  assertEquals(
    reasonOf(new TypeError("error sending request for url (http://a/)", { cause })),
    "connection refused",
  );
  assertEquals(reasonOf("odd"), "odd");
});
