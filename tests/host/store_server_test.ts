/** The store's server among strangers: each test brings one kind of trouble and checks that others are served on. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { StoreClient } from "../../lib/host/store_client.ts";
import { startStoreServer, type StoreServer, type StoreServerOptions } from "../../lib/host/store_server.ts";
import { parseAddressRange } from "../../lib/core/address_range.ts";
import { HANDSHAKE } from "../../lib/store/wire.ts";
import { fromHex } from "../store/wire_cases.ts";
import { socketTest } from "./socket_case.ts";

const MIB = 1024 * 1024;

interface Scene {
  readonly server: StoreServer;
  /** A well-behaved client. */
  readonly store: StoreClient;
  /** What the server logged. */
  readonly lines: string[];
  /** A raw connection that is closed with the scene. */
  readonly stranger: (...bytes: readonly Uint8Array[]) => Promise<Deno.TcpConn>;
}

type SceneOf = (
  options: Partial<StoreServerOptions>,
  body: (scene: Scene) => Promise<void>,
) => Promise<void>;

/** One test for each kind of sockets that a server can have; elsewhere than on Linux both are the runtime's. */
function onBoth(name: string, run: (scene: SceneOf) => Promise<void>, ignore = false): void {
  for (const sockets of ["fastest", "portable"] as const) {
    const test = () => run((options, body) => scene({ sockets, ...options }, body));
    socketTest(`${name}, on ${sockets} sockets`, test, ignore);
  }
}

/** Runs `body`; afterwards the well-behaved client must still be served. */
async function scene(
  options: Partial<StoreServerOptions>,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const lines: string[] = [];
  const server = startStoreServer({
    ...{ host: "127.0.0.1", port: 0, onLog: (line: string) => lines.push(line) },
    ...options,
  });
  const strangers: Deno.TcpConn[] = [];
  const store = await StoreClient.connect({ host: "127.0.0.1", port: server.port, timeoutMs: 30_000 });
  try {
    await store.set("mine", "untouched");
    // A SET is not answered; now the server has served it.
    await store.ping();
    await body({
      ...{ server, store, lines },
      stranger: async (...bytes) => {
        const socket = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
        strangers.push(socket);
        for (const piece of bytes) await send(socket, piece);
        return socket;
      },
    });
    assertEquals(await store.getText("mine"), "untouched");
  } finally {
    for (const socket of strangers) socket.close();
    store.close();
    server.close();
  }
}

async function send(socket: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await socket.write(rest));
}

/** Reads until the server closes; returns the number of bytes. */
async function untilClosed(socket: Deno.TcpConn): Promise<number> {
  const buffer = new Uint8Array(65536);
  let total = 0;
  try {
    for (let length = await socket.read(buffer); length !== null; length = await socket.read(buffer)) {
      total += length;
    }
  } catch (error) {
    // Bytes that the server had not read turn its close into a reset.
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return total;
}

const ascii = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const c = (hex: string) => fromHex(`00 cef7853c ${hex}`);

for (
  const [who, bytes, reason] of [
    [
      "an HTTP client",
      ascii("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
      "speaks HTTP, which this port does not",
    ],
    ["a TLS client", fromHex("16030100f5010000f10303"), "speaks TLS, which this port does not"],
    ["a scanner", ascii("\xff\xfe\x00\x01"), "speaks no protocol known here (first bytes ff fe 00 01)"],
    ["a wrong operation", c("13"), "sent 19, which is no operation of generation C"],
    ["a key that is too long", c("03 0120000000000000"), "sent 8193 bytes of a key, over the limit of 8192"],
    ["a value that is too long", c("01 0100000000000000 6b 0100800000000000"), "over the limit of 8388608"],
    ["too many keys", c("06 0100020000000000"), "sent 131073 keys in one request, over the limit of 131072"],
    ["a sum of words", c("04 0500000000000000 2f6d696e65 0100000000000000"), 'added to "/mine"'],
  ] as const
) {
  onBoth(
    `startStoreServer() closes ${who} with one line`,
    (scene) =>
      scene({}, async ({ server, lines, stranger }) => {
        const socket = await stranger(bytes);
        const { port } = socket.localAddr as Deno.NetAddr;
        assertEquals(await untilClosed(socket), 0);
        assertEquals(lines.length, 1);
        const prefix = `Store 127.0.0.1:${server.port} closed the connection of 127.0.0.1:${port}: it `;
        assert(lines[0]!.startsWith(prefix) && lines[0]!.includes(reason), lines[0]);
        assertEquals(server.stats.closedConnections, 1);
      }),
  );
}

onBoth(
  "startStoreServer() lets peers that come and go, or only stay silent, pass without a word",
  (scene) =>
    scene({}, async ({ server, store, lines, stranger }) => {
      const silent = await stranger();
      const gone = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      await send(gone, c("06 0100000000000000 0400000000000000 2f676f6e"));
      gone.close();
      while (server.stats.acceptedConnections < 3 || server.stats.connections > 2) await store.ping();
      await send(silent, c("0d 01000000"));
      assertEquals(await silent.read(new Uint8Array(10)), 4);
      assertEquals(lines, []);
    }),
);

onBoth(
  "startStoreServer() closes who does not finish what it began, however slowly it goes on",
  (scene) =>
    scene({ limits: { requestMs: 60 } }, async ({ lines, stranger }) => {
      const handshake = await stranger(HANDSHAKE.subarray(0, 3));
      const request = await stranger(c("01 0100000000000000 6b ff00000000000000"));
      let isOpen = true;
      const trickle = (async () => {
        // One byte after the other: each comes in time, the whole never.
        while (isOpen) {
          await request.write(new Uint8Array([1])).catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })();
      await Promise.all([untilClosed(handshake), untilClosed(request)]);
      isOpen = false;
      await trickle;
      assertEquals(lines.length, 2);
      for (const line of lines) assertMatch(line, /: it did not finish a request within the limit of 60 ms$/);
    }),
);

onBoth(
  "startStoreServer() lets a stream of requests go on for longer than one may take",
  (scene) =>
    scene({ limits: { requestMs: 100 } }, async ({ store, lines, stranger }) => {
      const socket = await stranger(HANDSHAKE);
      const request = fromHex("04 0100000000000000 6e 0100000000000000");
      // Whenever the server looks, one is finished and the next has begun.
      await send(socket, request.subarray(0, 5));
      const end = performance.now() + 400;
      const parted = Uint8Array.from([...request.subarray(5), ...request.subarray(0, 5)]);
      const reply = new Uint8Array(8);
      for (let sum = 1; performance.now() < end; sum++) {
        await send(socket, parted);
        assertEquals([await socket.read(reply), new DataView(reply.buffer).getUint32(0, true)], [8, sum]);
      }
      assertEquals(lines, []);
      await store.ping();
    }),
);

onBoth(
  "startStoreServer() wakes who waited for what came just before a broken rule",
  (scene) =>
    scene({}, async ({ store, lines, stranger }) => {
      const waiter = await stranger(c("06 0100000000000000 0100000000000000 6b"));
      await store.ping();
      await untilClosed(await stranger(c("01 0100000000000000 6b 0000000000000000 ff")));
      const reply = new Uint8Array(2);
      assertEquals([await waiter.read(reply), reply[0]], [1, 0]);
      assertEquals(lines.length, 1);
    }),
);

onBoth(
  "startStoreServer() applies nothing of a MULTI_SET whose client dies in it",
  (scene) =>
    scene({}, async ({ server, store, lines }) => {
      const dying = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      await send(dying, c("0b 0200000000000000 0100000000000000 6b 0100000000000000 76 0100"));
      while (server.stats.connections < 2) await store.ping();
      dying.close();
      while (server.stats.connections === 2) await store.ping();
      assertEquals(await store.countKeys(), 1);
      assertEquals(lines, []);
    }),
);

onBoth(
  "startStoreServer() stops serving who does not read, with bounded memory, and goes on when it reads",
  (scene) =>
    scene({}, async ({ server, store, stranger }) => {
      await store.set("long", new Uint8Array(8 * MIB).fill(7));
      await store.ping();
      const socket = await stranger(HANDSHAKE);
      // 4,000 replies of 8 MiB would be 31 GiB.
      const gets = fromHex("03 0500000000000000 2f6c6f6e67".repeat(4000));
      await send(socket, gets);
      await store.ping();
      const before = server.stats.requests;
      await store.ping();
      assert(server.stats.requests - before < 10, "The replies of who does not read go on");
      assert(Deno.memoryUsage().rss < 1024 * MIB, `${Deno.memoryUsage().rss} bytes resident`);
      const buffer = new Uint8Array(MIB);
      let read = 0;
      while (read < 5 * (8 * MIB + 8)) read += (await socket.read(buffer))!;
    }),
);

onBoth("startStoreServer() limits connections, keys and bytes, and names the limit", (scene) =>
  scene(
    { limits: { connectionsMax: 3, keysMax: 5, storedBytesMax: 1000 } },
    async ({ lines, stranger }) => {
      const keys = await stranger(c(""));
      const bytes = await stranger(c(""));
      assertEquals(await untilClosed(await stranger()), 0);
      for (let key = 0; key < 9; key++) {
        await send(keys, fromHex(`01 0100000000000000 6${key} 0000000000000000`)).catch(() => {});
      }
      await untilClosed(keys);
      await send(bytes, fromHex(`09 0500000000000000 2f6d696e65 e703000000000000 ${"00".repeat(999)}`));
      await untilClosed(bytes);
      const reasons = lines.map((line) => line.replace(/^.*: it /, ""));
      assertEquals(reasons, [
        "is one more than the limit of 3 connections",
        "would make 6 keys, over the limit of 5",
        "would make 1022 bytes in all, over the limit of 1000",
      ]);
    },
  ));

onBoth(
  "startStoreServer() limits the unfinished requests of all connections together",
  (scene) =>
    scene({ limits: { unfinishedBytesMax: 100_000 } }, async ({ lines, stranger }) => {
      const begun = c(`01 0100000000000000 6b 0000020000000000 ${"00".repeat(60_000)}`);
      await stranger(begun);
      await untilClosed(await stranger(begun));
      assertMatch(lines.join(), /of the \d+ unfinished bytes, over the limit of 100000$/);
    }),
);

onBoth(
  "startStoreServer() limits the unread replies of all connections together",
  (scene) =>
    scene({ limits: { unreadBytesMax: 50 * MIB } }, async ({ store, lines, stranger }) => {
      // A list of them is 20 MB long: far more than the kernel takes for who does not read.
      for (let first = 0; first < 50_000; first += 10_000) {
        await store.multiSet(
          Array.from({ length: 10_000 }, (_, index) => [`${"k".repeat(390)}${first + index}`, ""] as const),
        );
      }
      await store.ping();
      const list = c("11");
      const lazy = [await stranger(list), await stranger(list)];
      for (const socket of lazy) assertEquals(await socket.read(new Uint8Array(8)), 8);
      assertEquals(lines, []);
      await untilClosed(await stranger(list));
      assertMatch(lines.join(), /: it left 20\d{6} of the 60\d{6} unread bytes, over the limit of 52428800$/);
      // They are not too late.
      const reply = new Uint8Array(MIB);
      for (const socket of lazy) {
        for (let read = 0; read < 19 * MIB;) read += (await socket.read(reply)) ?? NaN;
      }
    }),
);

const ownAddress = Deno.networkInterfaces().find(({ family, address }) =>
  family === "IPv4" && !address.startsWith("127.")
)?.address;

onBoth(
  "startStoreServer() admits only the addresses it is told, and always this machine's loopback",
  (scene) =>
    scene(
      { host: "0.0.0.0", allowed: [] },
      async ({ server, lines, stranger }) => {
        const socket = await stranger(c("0d 01000000"));
        assertEquals(await socket.read(new Uint8Array(10)), 4);
        const refused = await Deno.connect({ hostname: ownAddress!, port: server.port });
        assertEquals(await untilClosed(refused), 0);
        refused.close();
        assertEquals(lines.length, 1);
        assertMatch(lines[0]!, /: it is not from an admitted address$/);
      },
    ),
  ownAddress === undefined,
);

onBoth(
  "StoreServer.setAllowed() closes who is no longer admitted with one line, and lets others be",
  (scene) =>
    scene({ host: "0.0.0.0" }, async ({ server, store, lines }) => {
      const connect = () => Deno.connect({ hostname: ownAddress!, port: server.port });
      const waiting = await connect();
      await send(waiting, c("06 0100000000000000 0400000000000000 2f676f6e"));
      const { port } = waiting.localAddr as Deno.NetAddr;
      while (server.stats.connections < 2) await store.ping();
      server.setAllowed([]);
      assertEquals(await untilClosed(waiting), 0);
      const late = await connect();
      assertEquals(await untilClosed(late), 0);
      const { port: latePort } = late.localAddr as Deno.NetAddr;
      const line = (port: number) =>
        `Store 0.0.0.0:${server.port} closed the connection of ${ownAddress}:${port}: it is not from an admitted address`;
      assertEquals(lines, [line(port), line(latePort)]);

      server.setAllowed([parseAddressRange(ownAddress!)!]);
      const welcome = await connect();
      await send(welcome, c("0d 01000000"));
      assertEquals(await welcome.read(new Uint8Array(10)), 4);
      assertEquals([server.stats.connections, lines.length], [2, 2]);
      for (const socket of [waiting, late, welcome]) socket.close();
    }),
  ownAddress === undefined,
);

onBoth(
  "startStoreServer() serves IPv4 and IPv6 on one port where it is told to",
  (scene) =>
    scene({ host: "::" }, async ({ server, store }) => {
      const other = await StoreClient.connect({ host: "::1", port: server.port, timeoutMs: 5_000 });
      await other.set("k", "v");
      assertEquals(await store.getText("k"), "v");
      other.close();
    }),
);

for (const sockets of ["fastest", "portable"]) {
  Deno.test({
    name:
      `startStoreServer() outlives a time without descriptors and then serves who waited, on ${sockets} sockets`,
    ignore: Deno.build.os !== "linux",
    fn: async () => {
      const server = new URL("../../lib/host/store_server.ts", import.meta.url).pathname;
      const script = `
      const server = (await import("${server}")).startStoreServer({
        host: "127.0.0.1", port: 0, sockets: "${sockets}", onLog: (line) => console.log(line),
      });
      console.log(server.port);`;
      const child = new Deno.Command("sh", {
        args: [
          "-c",
          'ulimit -n 64; exec "$@"',
          "sh",
          Deno.execPath(),
          "eval",
          "--quiet",
          "--no-config",
          script,
        ],
        stdin: "null",
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const clients: Deno.TcpConn[] = [];
      try {
        const port = Number((await lines.read()).value);
        for (let made = 0; made < 80; made++) {
          clients.push(await Deno.connect({ hostname: "127.0.0.1", port }));
        }
        assertMatch((await lines.read()).value!, /cannot take connections for now: /);
        for (const socket of clients.splice(0)) socket.close();
        const store = await StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 20_000 });
        await store.set("k", "v");
        assertEquals(await store.getText("k"), "v");
        store.close();
      } finally {
        for (const socket of clients) socket.close();
        child.kill("SIGKILL");
        await lines.cancel();
        await child.status;
      }
    },
  });
}

onBoth(
  "startStoreServer() sends the replies earned before a broken rule in the same piece",
  (scene) =>
    scene({}, async ({ lines, stranger }) => {
      const socket = await stranger(c("0d 01000000 0d 02000000 ff"));
      assertEquals(await untilClosed(socket), 8);
      assertEquals(lines.length, 1);
    }),
);

onBoth(
  "startStoreServer() answers who says at once that it will say no more",
  (scene) =>
    scene({}, async ({ lines, stranger }) => {
      const socket = await stranger();
      await send(socket, c("0d 01000000"));
      await socket.closeWrite();
      assertEquals(await untilClosed(socket), 4);
      assertEquals(lines, []);
    }),
);

onBoth(
  "startStoreServer() goes on with who was silent while a thousand others spoke",
  (scene) =>
    scene({}, async ({ server, store, stranger }) => {
      const early = await stranger(fromHex("00 0200000000000000 2f6b 0100000000000000 76"));
      const late = await stranger(c("0d 01000000"));
      const waiting = await stranger(c("06 0100000000000000 0100000000000000 77"));
      const begun = await stranger(HANDSHAKE.subarray(0, 3));
      await late.read(new Uint8Array(4));
      while (server.stats.connections < 5) await store.ping();
      for (let made = 0; made < 1100; made += 100) {
        await Promise.all(Array.from({ length: 100 }, async () => {
          const other = await stranger(c("0d 02000000"));
          assertEquals(await other.read(new Uint8Array(10)), 4);
        }));
      }
      const requests = server.stats.requests;
      const reply = new Uint8Array(20);
      await send(early, fromHex("02 0200000000000000 2f6b"));
      assertEquals([await early.read(reply), reply[8]], [9, 0x76]);
      await send(late, fromHex("0d 03000000"));
      assertEquals([await late.read(reply), reply[0]], [4, 3]);
      await send(late, fromHex("01 0100000000000000 77 0000000000000000"));
      assertEquals([await waiting.read(reply), reply[0]], [1, 0]);
      await send(begun, c("0d 04000000").subarray(3));
      assertEquals([await begun.read(reply), reply[0]], [4, 4]);
      assertEquals(server.stats.requests, requests + 4);
    }),
);

onBoth(
  "StoreServer.reset() closes all, and serves an empty store at the same address",
  (scene) =>
    scene({}, async ({ server, store, stranger }) => {
      const socket = await stranger(c("0d 01000000"));
      await socket.read(new Uint8Array(4));
      await store.set("k", "v");
      await store.ping();
      server.reset();
      assertEquals(await untilClosed(socket), 0);
      assertEquals(await store.countKeys(), 0);
      await store.set("mine", "untouched");
      assertEquals(server.stats.connections, 1);
    }),
);

socketTest("startStoreServer() serves without permission to call the C library", async () => {
  const lib = new URL("../../lib/host/", import.meta.url).href;
  const script = `
    const { startStoreServer } = await import("${lib}store_server.ts");
    const { StoreClient } = await import("${lib}store_client.ts");
    const server = startStoreServer({ host: "127.0.0.1", port: 0 });
    const store = await StoreClient.connect({ host: "127.0.0.1", port: server.port, timeoutMs: 5_000 });
    await store.set("k", "served");
    console.log(await store.getText("k"));
    store.close();
    server.close();`;
  const url = `data:text/javascript,${encodeURIComponent(script)}`;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", `--config=${config}`, "--allow-net", "--allow-read", "--no-prompt", url],
    stderr: "inherit",
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "served\n");
});

onBoth(
  "startStoreServer() holds thousands of idle connections and answers on",
  (scene) =>
    scene({}, async ({ server, store, stranger }) => {
      const count = 1500;
      for (let made = 0; made < count; made += 100) {
        await Promise.all(Array.from({ length: 100 }, () => stranger()));
      }
      while (server.stats.connections < count + 1) await store.ping();
      await store.set("k", "v");
      assertEquals(await store.getText("k"), "v");
    }),
);

onBoth(
  "startStoreServer() holds hundreds of thousands of keys and lists them",
  (scene) =>
    scene({}, async ({ store }) => {
      const count = 200_000;
      for (let first = 0; first < count; first += 10_000) {
        await store.multiSet(
          Array.from({ length: 10_000 }, (_, index) => [`k${first + index}`, "v"] as const),
        );
      }
      assertEquals(await store.countKeys(), count + 1);
      assertEquals((await store.listKeys()).length, count + 1);
      assertEquals(await store.getText(`k${count - 1}`), "v");
    }),
);

onBoth(
  "startStoreServer() tells A's DELETE_KEY from B's APPEND by the silence that follows",
  (scene) =>
    scene({}, async ({ store, stranger }) => {
      const old = await stranger(fromHex("00 0200000000000000 2f6b 0100000000000000 76"));
      await send(old, fromHex("08"));
      await send(old, fromHex("0200000000000000 2f6b"));
      const reply = new Uint8Array(8);
      assertEquals(await old.read(reply), 8);
      assertEquals(reply, fromHex("0100000000000000"));
      const later = await stranger(fromHex("00 0200000000000000 2f6b 0100000000000000 76"));
      await send(later, fromHex("08 0200000000000000 2f6b 0100000000000000 77 06"));
      assertEquals(await later.read(reply), 8);
      assertEquals(await store.getText("k"), "vw");
    }),
);
