import { assertEquals, assertRejects } from "@std/assert";
import { EtcdCluster } from "../../lib/host/etcd_cluster.ts";
import { EtcdV2, EtcdV2Error } from "../../lib/host/etcd_v2.ts";

const MISSING = JSON.stringify({ errorCode: 100, message: "Key not found", cause: "/k", index: 1 });

Deno.test(
  "EtcdV2 waits longer for an etcd that has not started yet than for one that goes, and says each once",
  async () => {
    const port = freePort(), url = `http://127.0.0.1:${port}`;
    const said: string[] = [];
    const cluster = new EtcdCluster([url]);
    const client = new EtcdV2(cluster, {
      ...{ limitMs: 200, firstLimitMs: 60_000 },
      say: (text) => {
        said.push(text);
        serve();
      },
    });
    const stop = new AbortController();
    let server: Deno.HttpServer | undefined;
    const serve = () => {
      server ??= Deno.serve(
        { hostname: "127.0.0.1", port, signal: stop.signal, onListen: () => {} },
        () => new Response(MISSING, { status: 404, headers: { "X-Etcd-Index": "1" } }),
      );
    };
    try {
      const keys = ["/a", "/b"].map((key) => client.ask({ kind: "get", key }));
      assertEquals((await Promise.all(keys)).map(({ kind }) => kind), ["missing", "missing"]);
      assertEquals(said, [
        `etcd can't be reached: ${url} (connection refused); trying again`,
        "etcd answers again",
      ]);
      stop.abort();
      await server!.finished;
      const error = await assertRejects(() => client.ask({ kind: "get", key: "/a" }), EtcdV2Error);
      assertEquals(error.message, `etcd can't be reached: ${url} (connection refused); tried for 200 ms`);
    } finally {
      client.close();
      cluster.close();
    }
  },
);

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
