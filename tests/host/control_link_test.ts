/** The control channel over real sockets, on a store server's port. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { utf8 } from "../../lib/core/bytes.ts";
import {
  ControlLink,
  type ControlLinkEvent,
  type ControlLinkOptions,
  ControlServer,
  type ControlServerEvent,
  type ControlServerOptions,
} from "../../lib/host/control_link.ts";
import { reservePort } from "../../lib/host/listener.ts";
import { StoreClient } from "../../lib/host/store_client.ts";
import { startStoreServer } from "../../lib/host/store_server.ts";
import { ControlSecret } from "../../lib/store/control_secret.ts";
import { HEARTBEAT, HOST, NODE, saying, textOf } from "../store/control_samples.ts";
import { socketTest } from "./socket_case.ts";

const HOSTNAME = "127.0.0.1";

/** Events as they come; `take` waits for the next of a kind, which must not be preceded by an unexpected end. */
class Inbox<Event extends { kind: string }> {
  readonly #events: Event[] = [];
  #onEvent: (() => void) | null = null;

  readonly put = (event: Event) => {
    this.#events.push(event);
    this.#onEvent?.();
  };

  async take<Kind extends Event["kind"]>(kind: Kind): Promise<Event & { kind: Kind }> {
    while (true) {
      const event = this.#events.shift();
      if (event === undefined) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#onEvent = resolve;
        await promise;
      } else if (event.kind === kind) {
        return event as Event & { kind: Kind };
      } else if (event.kind === "ended") {
        throw new Error(`Ended while waiting for ${kind}: ${JSON.stringify(event)}`);
      }
    }
  }
}

interface Scene {
  readonly port: number;
  readonly server: ControlServer;
  readonly heard: Inbox<ControlServerEvent>;
  readonly lines: string[];
  readonly join: (
    options?: Partial<ControlLinkOptions>,
  ) => { link: ControlLink; heard: Inbox<ControlLinkEvent> };
}

/** Runs `body` with a store server that has a control channel; closes everything afterwards. */
async function scene(
  options: Partial<ControlServerOptions>,
  body: (scene: Scene) => Promise<void>,
  sockets: "fastest" | "portable" = "fastest",
) {
  const lines: string[] = [];
  const onLog = (line: string) => void lines.push(line);
  const heard = new Inbox<ControlServerEvent>();
  const common = { secret: null, heartbeat: HEARTBEAT };
  const server = new ControlServer({ ...common, self: HOST, onEvent: heard.put, onLog, ...options });
  const store = startStoreServer({ host: HOSTNAME, port: 0, control: server, onLog, sockets });
  const links: ControlLink[] = [];
  const join: Scene["join"] = (options) => {
    const heard = new Inbox<ControlLinkEvent>();
    const place = { host: HOSTNAME, port: store.port, connectMs: 10_000, onEvent: heard.put };
    const link = new ControlLink({ ...common, self: NODE, ...place, ...options });
    links.push(link);
    return { link, heard };
  };
  try {
    await body({ port: store.port, server, heard, lines, join });
  } finally {
    for (const link of links) link.close();
    store.close();
    server.close();
  }
}

for (const sockets of ["fastest", "portable"] as const) {
  socketTest(
    `ControlLink talks with a ControlServer on a store's port, beside store clients, on ${sockets} sockets`,
    () =>
      scene({}, async ({ port, server, heard, lines, join }) => {
        const store = await StoreClient.connect({ host: HOSTNAME, port });
        try {
          const node = join();
          const joined = await node.heard.take("joined");
          assertEquals(joined.host, { nodeId: "node-0", version: "0.1.0", epoch: 1, protocol: 1 });
          assertEquals((await heard.take("joined")).peer, {
            nodeId: "node-1",
            version: "0.1.0",
            protocol: 1,
          });
          assertEquals(server.nodeIds, ["node-1"]);

          const long = "x".repeat(1_000_000);
          node.link.send(saying("here I am"));
          node.link.send(saying(long, 7));
          assertEquals(textOf((await heard.take("message")).message), "here I am");
          const second = await heard.take("message");
          assertEquals([second.message.type, textOf(second.message)], [7, long]);
          server.send("node-1", saying("you are rank 0", 65535));
          assertEquals(textOf((await node.heard.take("message")).message), "you are rank 0");
          await store.set("key", "value");
          assertEquals(await store.getText("key"), "value");

          // The first ping and its answer left before the messages did.
          assert(server.clockOf("node-1") !== null && node.link.clock !== null);
          node.link.end();
          assertEquals((await heard.take("ended")).end, { kind: "goodbye" });
          assertEquals((await node.heard.take("ended")).end, { kind: "finished" });
          assertEquals(server.nodeIds, []);
          assertEquals(lines, []);
        } finally {
          store.close();
        }
      }, sockets),
  );
}

/** Passes connections on to `port`, until it is told to cut them; goes on with new ones. */
function startRelay(port: number) {
  const listener = Deno.listen({ hostname: HOSTNAME, port: 0 });
  const sockets = new Set<Deno.TcpConn>();
  const cut = () => {
    for (const socket of sockets) socket.close();
    sockets.clear();
  };
  const pump = async (from: Deno.TcpConn, to: Deno.TcpConn) => {
    const buffer = new Uint8Array(4096);
    try {
      for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
        let rest = buffer.subarray(0, length);
        while (rest.length > 0) rest = rest.subarray(await to.write(rest));
      }
    } catch {
      // It was cut.
    }
    for (const socket of [from, to]) if (sockets.delete(socket)) socket.close();
  };
  const done = (async () => {
    const pumps: Promise<void>[] = [];
    for await (const inner of listener) {
      const outer = await Deno.connect({ hostname: HOSTNAME, port });
      sockets.add(inner).add(outer);
      pumps.push(pump(inner, outer), pump(outer, inner));
    }
    await Promise.all(pumps);
  })();
  return { port: listener.addr.port, cut, close: () => (listener.close(), cut(), done) };
}

socketTest(
  "ControlLink resumes its session when the connection is cut, with every message once",
  () =>
    scene({}, async ({ port, server, heard, join }) => {
      const relay = startRelay(port);
      try {
        const node = join({ port: relay.port });
        await node.heard.take("joined");
        await heard.take("joined");
        for (let round = 0; round < 5; round++) {
          relay.cut();
          for (let index = 0; index < 3; index++) {
            node.link.send(saying(`up ${round}.${index}`));
            server.send("node-1", saying(`down ${round}.${index}`));
          }
          for (let index = 0; index < 3; index++) {
            assertEquals(textOf((await heard.take("message")).message), `up ${round}.${index}`);
            assertEquals(textOf((await node.heard.take("message")).message), `down ${round}.${index}`);
          }
        }
        assertEquals(server.nodeIds, ["node-1"]);
      } finally {
        await relay.close();
      }
    }),
);

socketTest(
  "ControlLink and ControlServer both end a session whose connection does not come back",
  () =>
    scene({}, async ({ port, heard, join }) => {
      const relay = startRelay(port);
      const node = join({ port: relay.port });
      await node.heard.take("joined");
      await relay.close();
      // Nobody listens there any more: no second attempt is needed to know.
      assertEquals((await node.heard.take("ended")).end, { kind: "hostIsGone" });
      assertEquals((await heard.take("ended")).end, { kind: "notResumed" });
    }),
);

socketTest("ControlServer asks for the secret, and both sides check it", () => {
  const secret = (text: string) => new ControlSecret(utf8(text));
  return scene({ secret: secret("correct horse") }, async ({ server, lines, join }) => {
    const good = join({ secret: secret("correct horse") });
    await good.heard.take("joined");
    const ends = [];
    for (const wrong of [null, secret("correct horsf")]) {
      const node = join({ secret: wrong, self: { ...NODE, nodeId: "node-2" } });
      const { end } = await node.heard.take("ended");
      ends.push(end.kind === "refused" ? end.refusal.reason : end.kind);
    }
    assertEquals(ends, ["secretRequired", "wrongSecret"]);
    assertEquals(server.nodeIds, ["node-1"]);
    assertEquals(lines.length, 2);
    assertMatch(
      lines[1]!,
      /^Control channel closed the connection of 127\.0\.0\.1:\d+: it is node "node-2", which this host refused: it was started with another secret$/,
    );
  });
});

socketTest("ControlLink retries quietly until a host listens", async () => {
  const lines: string[] = [];
  const reserved = reservePort({ host: HOSTNAME, port: 0 });
  const { port } = reserved;
  const heard = new Inbox<ControlLinkEvent>();
  const common = { secret: null, heartbeat: HEARTBEAT, onLog: (line: string) => void lines.push(line) };
  const link = new ControlLink({
    ...common,
    ...{ self: NODE, host: HOSTNAME, port, connectMs: 10_000, onEvent: heard.put },
  });
  const server = new ControlServer({ ...common, self: HOST, onEvent: () => {} });
  try {
    assertMatch((await heard.take("attemptFailed")).problem, /^can't be reached: .*refused/i);
    const store = startStoreServer({ host: HOSTNAME, port, control: server, onLog: common.onLog });
    try {
      await heard.take("joined");
      assertEquals(lines, []);
    } finally {
      store.close();
    }
  } finally {
    link.close();
    server.close();
    reserved.release();
  }
});

socketTest(
  "startStoreServer() closes an agent's connection with one line where there is no control channel",
  async () => {
    const logged = Promise.withResolvers<string>();
    const store = startStoreServer({ host: HOSTNAME, port: 0, onLog: logged.resolve });
    const heard = new Inbox<ControlLinkEvent>();
    const place = { host: HOSTNAME, port: store.port, connectMs: 10_000, onEvent: heard.put };
    const link = new ControlLink({ self: NODE, secret: null, heartbeat: HEARTBEAT, ...place });
    try {
      assertEquals((await heard.take("attemptFailed")).problem, "was closed without an answer");
      assertMatch(
        await logged.promise,
        /it speaks muster's control protocol, which this store does not serve$/,
      );
    } finally {
      link.close();
      store.close();
    }
  },
);
