import { assertEquals, assertRejects } from "@std/assert";
import { StoreClient, StoreConnectionError, StoreTimeoutError } from "../../lib/host/store_client.ts";
import { reservePort } from "../../lib/host/listener.ts";
import { startStoreServer, type StoreServer } from "../../lib/host/store_server.ts";
import { SystemError } from "../../lib/core/errors.ts";
import { socketTest } from "./socket_case.ts";

/** Runs `body` with a server and a client, both gone afterwards. */
async function withStore(body: (store: StoreClient, server: StoreServer) => Promise<void>): Promise<void> {
  const server = startStoreServer({ host: "127.0.0.1", port: 0 });
  const store = await StoreClient.connect({ host: "127.0.0.1", port: server.port, timeoutMs: 30_000 });
  try {
    await body(store, server);
  } finally {
    store.close();
    server.close();
  }
}

socketTest("StoreClient carries out every operation", () =>
  withStore(async (store) => {
    await store.set("text", "grüße");
    assertEquals(await store.getText("text"), "grüße");
    await store.set("bytes", new Uint8Array([0, 255, 128]));
    assertEquals(await store.get("bytes"), new Uint8Array([0, 255, 128]));
    const long = new Uint8Array(300_000).map((_, index) => index % 251);
    await store.set("long", long);
    assertEquals(await store.get("long"), long);

    assertEquals(await store.add("count", 5), 5);
    assertEquals(await store.add("count", -7), -2);
    assertEquals(await store.addInt64("large", 2n ** 62n), 2n ** 62n);
    await assertRejects(() => store.add("large", 0), RangeError, "large");

    assertEquals(await store.compareSet("absent", "x", "y"), new TextEncoder().encode("x"));
    assertEquals(await store.check(["absent"]), false);
    assertEquals(await store.compareSet("absent", "", "y"), new TextEncoder().encode("y"));
    assertEquals(await store.check(["absent", "text"]), true);

    await store.append("list", "a,");
    await store.append("list", "b,");
    assertEquals(await store.getText("list"), "a,b,");

    await store.multiSet([["m1", "1"], ["m2", long]]);
    assertEquals(await store.multiGet(["m2", "m1"]), [long, new TextEncoder().encode("1")]);
    assertEquals(await store.multiGet([]), []);

    assertEquals(await store.countKeys(), 9);
    assertEquals(await store.delete("m1"), true);
    assertEquals(await store.delete("m1"), false);
    assertEquals((await store.listKeys()).sort(), [
      ...["absent", "bytes", "count", "large", "list", "long", "m2", "text"],
    ]);

    assertEquals(await store.queuePop("queue", { timeoutMs: 0 }), null);
    await store.queuePush("queue", "first");
    await store.queuePush("queue", "second");
    assertEquals(await store.queueLength("queue"), 2);
    assertEquals(await store.queuePop("queue"), new TextEncoder().encode("first"));

    await store.barrier("alone", 1);
    await store.ping();
  }));

socketTest(
  "StoreClient.get() waits for a key that another client sets later",
  () =>
    withStore(async (store, server) => {
      const other = await StoreClient.connect({ host: "127.0.0.1", port: server.port });
      const value = store.getText("later");
      await other.ping();
      await other.set("later", "now");
      assertEquals(await value, "now");
      other.close();
    }),
);

socketTest(
  "StoreClient.wait() gives up after its time and can be used again",
  () =>
    withStore(async (store) => {
      const error = await assertRejects(() => store.wait(["never"], { timeoutMs: 20 }), StoreTimeoutError);
      assertEquals(error.message, "Not in the store after 20 ms: never");
      await store.set("here", "1");
      const both = await assertRejects(
        () => store.wait(["here", "never"], { timeoutMs: 20 }),
        StoreTimeoutError,
      );
      assertEquals(both.message, "Not in the store after 20 ms: never");
      await assertRejects(
        () => store.barrier("lonely", 2, { timeoutMs: 20 }),
        StoreTimeoutError,
        "Fewer than 2",
      );
      await store.set("never", "said");
      assertEquals(await store.getText("never"), "said");
    }),
);

socketTest(
  "StoreClient.wait() of many keys at once takes few connections",
  () =>
    withStore(async (store, server) => {
      const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
      const values = keys.map((key) => store.getText(key));
      // A blocking pop in between shows that waiting keeps nobody from anything else.
      await store.queuePush("q", "v");
      assertEquals(await store.queuePop("q"), new TextEncoder().encode("v"));
      for (const key of keys) await store.set(key, key);
      assertEquals(await Promise.all(values), keys);
      assertEquals(server.stats.acceptedConnections <= 9, true);
    }),
);

socketTest(
  "StoreClient.queuePop() hands each value to one of the waiting clients",
  () =>
    withStore(async (store, server) => {
      const other = await StoreClient.connect({ host: "127.0.0.1", port: server.port });
      const popped = [store.queuePop("jobs"), other.queuePop("jobs"), store.queuePop("jobs")];
      for (const job of ["1", "2", "3"]) await store.queuePush("jobs", job);
      const texts = (await Promise.all(popped)).map((bytes) => new TextDecoder().decode(bytes!));
      assertEquals(texts.sort(), ["1", "2", "3"]);
      other.close();
    }),
);

socketTest(
  "StoreClient.barrier() lets all go when the last has come",
  () =>
    withStore(async (store, server) => {
      const others = await Promise.all(
        [1, 2].map(() => StoreClient.connect({ host: "127.0.0.1", port: server.port })),
      );
      let isThrough = false;
      const first = store.barrier("b", 3).then(() => isThrough = true);
      await others[0]!.ping();
      assertEquals(isThrough, false);
      await Promise.all([first, ...others.map((other) => other.barrier("b", 3))]);
      for (const other of others) other.close();
    }),
);

socketTest(
  "StoreClient.barrier() is passed when what was set before it is there",
  () =>
    withStore(async (store, server) => {
      const other = await StoreClient.connect({ host: "127.0.0.1", port: server.port });
      const through = other.barrier("b", 2);
      await store.set("long", new Uint8Array(8 * 1024 * 1024));
      await Promise.all([
        store.barrier("b", 2),
        through.then(async () => assertEquals(await other.check(["long"]), true)),
      ]);
      other.close();
    }),
);

socketTest(
  "StoreClient.prefixed() puts its prefix before every key, as PrefixStore does",
  () =>
    withStore(async (store) => {
      const inner = store.prefixed("outer").prefixed("inner");
      await inner.set("key", "value");
      assertEquals(await store.getText("outer/inner/key"), "value");
      assertEquals(await inner.listKeys(), ["key"]);
      assertEquals(await store.listKeys(), ["outer/inner/key"]);
    }),
);

socketTest(
  "StoreClient makes a lost connection anew, and repeats only what may be repeated",
  () =>
    withStore(async (store, server) => {
      await store.set("before", "1");
      const waiting = store.getText("after");
      await store.ping();
      server.reset();
      // The get was under way when its connection closed: it waits on at the emptied store.
      await store.ping();
      assertEquals(await store.check(["before"]), false);
      await store.set("after", "2");
      assertEquals(await waiting, "2");
    }),
);

socketTest("StoreClient tells at the next operation, and once, that what was set may be lost", async () => {
  const limits = { valueBytesMax: 10 };
  const server = startStoreServer({ host: "127.0.0.1", port: 0, limits });
  const store = await StoreClient.connect({ host: "127.0.0.1", port: server.port, timeoutMs: 30_000 });
  try {
    await store.set("short", "v");
    assertEquals(await store.countKeys(), 1);
    for (const pauseMs of [0, 50]) {
      await store.set("long", "x".repeat(11));
      // Whether the client knows already or not.
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await assertRejects(() => store.countKeys(), StoreConnectionError, "what was set last may be lost");
      assertEquals(await store.countKeys(), 1);
    }
    server.reset();
    assertEquals(await store.countKeys(), 0);
  } finally {
    store.close();
    server.close();
  }
});

Deno.test("StoreClient gives a server up that hangs up whenever it is asked, after few tries", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let accepted = 0;
  const hangingUp = (async () => {
    for await (const socket of listener) {
      accepted++;
      await socket.read(new Uint8Array(100)).catch(() => {});
      socket.close();
    }
  })();
  const store = await StoreClient.connect({ host: "127.0.0.1", port: listener.addr.port, timeoutMs: 30_000 });
  try {
    await assertRejects(() => store.check(["k"]), StoreConnectionError);
    assertEquals(accepted <= 5, true, `${accepted} connections`);
  } finally {
    store.close();
    listener.close();
    await hangingUp;
  }
});

socketTest(
  "StoreClient.close() lets what was sent arrive and fails what is open",
  () =>
    withStore(async (store, server) => {
      const other = await StoreClient.connect({ host: "127.0.0.1", port: server.port });
      const waiting = other.get("never");
      const failed = assertRejects(() => waiting, StoreConnectionError);
      await other.set("last words", "x".repeat(100_000));
      other.close();
      await failed;
      assertEquals((await store.get("last words")).length, 100_000);
    }),
);

socketTest("StoreClient.connect() says in one line where nobody answered", async () => {
  // A port given back may be another test's a moment later; on this one nobody listens.
  const port = 1;
  const error = await assertRejects(
    () => StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 50 }),
    StoreConnectionError,
    `Cannot connect to the store at 127.0.0.1:${port}: Connection refused`,
  );
  assertEquals(error.message.includes("\n"), false);
});

socketTest("StoreClient.connect() waits for a server that comes later", async () => {
  const reserved = reservePort({ host: "127.0.0.1", port: 0 });
  const { port } = reserved;
  const connecting = StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 30_000 });
  // Long enough for some refusals; with none the outcome is the same.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const server = startStoreServer({ host: "127.0.0.1", port });
  const store = await connecting;
  await store.set("k", "v");
  assertEquals(await store.getText("k"), "v");
  store.close();
  server.close();
  reserved.release();
});

socketTest(
  "startStoreServer() says who is in the way when its port is taken",
  () =>
    withStore(async (_store, server) => {
      await assertRejects(
        () => Promise.resolve().then(() => startStoreServer({ host: "127.0.0.1", port: server.port })),
        SystemError,
        `Cannot listen on 127.0.0.1:${server.port}: the port is in use`,
      );
    }),
);

socketTest(
  "StoreServer.reset() empties the store and keeps the address",
  () =>
    withStore(async (store, server) => {
      const { port } = server;
      await store.set("a", "1");
      await store.queuePush("q", "1");
      await store.ping();
      server.reset();
      assertEquals(await store.countKeys(), 0);
      assertEquals(await store.queueLength("q"), 0);
      assertEquals(server.port, port);
    }),
);
