/** The largest crowds and tables that a store must hold, in a process of its own whose memory the system tells. */

import { assert, assertEquals, assertLess } from "@std/assert";
import { StoreClient } from "../../lib/host/store_client.ts";
import { HANDSHAKE } from "../../lib/store/wire.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const KIB = 1024;
const MIB = 1024 * KIB;

interface Scene {
  readonly pid: number;
  readonly port: number;
  /** A well-behaved client. */
  readonly store: StoreClient;
}

async function scene(body: (scene: Scene) => Promise<void>): Promise<void> {
  const script =
    `Deno.exit(await (await import("${ROOT}lib/host/store_command.ts")).runStoreCommand(["--port", "0"]))`;
  const server = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", `--config=${ROOT}deno.json`, script],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = server.stdout.getReader();
  try {
    const address = new TextDecoder().decode((await reader.read()).value);
    const port = Number(address.trim().split(":")[1]);
    const store = await StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 120_000 });
    try {
      await body({ pid: server.pid, port, store });
    } finally {
      store.close();
    }
  } finally {
    server.kill("SIGKILL");
    await reader.cancel();
    await server.status;
  }
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) * KIB;
}

function openFiles(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** The limit on open files of this process, which the server's has as well. */
function filesMax(): number {
  return Number(/^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))?.[1] ?? 0);
}

const CONNECTIONS = 10_000;
const isLinux = Deno.build.os === "linux";
const hasFiles = isLinux && filesMax() >= CONNECTIONS + 500;
if (isLinux && !hasFiles) {
  console.log(
    `Left out: ${CONNECTIONS} connections, for which ${filesMax()} open files are too few (ulimit -Hn)`,
  );
}

Deno.test({
  name:
    "muster store holds 10,000 idle connections in bounded memory, answers meanwhile, and lets go of them",
  ignore: !hasFiles,
  fn: () =>
    scene(async ({ pid, port, store }) => {
      const filesBefore = openFiles(pid);
      const bytesBefore = residentBytes(pid);
      const crowd: Deno.TcpConn[] = [];
      try {
        while (crowd.length < CONNECTIONS) {
          const connecting = Array.from(
            { length: 500 },
            () => Deno.connect({ hostname: "127.0.0.1", port }),
          );
          const connected = await Promise.allSettled(connecting);
          for (const each of connected) if (each.status === "fulfilled") crowd.push(each.value);
          assertEquals(connected.filter(({ status }) => status === "rejected"), []);
          // One that said hello keeps more than one that never spoke.
          await Promise.all(crowd.slice(-250).map((socket) => socket.write(HANDSHAKE)));
          assertEquals(await store.addInt64("rounds", 1n), BigInt(crowd.length / 500));
        }
        while (openFiles(pid) < filesBefore + CONNECTIONS) await store.ping();
        const bytesEach = (residentBytes(pid) - bytesBefore) / CONNECTIONS;
        if (Deno.env.has("SHOW")) console.log("per connection", bytesEach);
        assertLess(bytesEach, 24 * KIB, "Resident bytes for each idle connection");
      } finally {
        for (const socket of crowd) socket.close();
      }
      while (openFiles(pid) > filesBefore + 10) await store.ping();
      assertEquals(await store.addInt64("rounds", 0n), BigInt(CONNECTIONS / 500));
    }),
});

Deno.test({
  name: "muster store holds a million keys in bounded memory, and answers while they come and are listed",
  ignore: !isLinux,
  fn: () =>
    scene(async ({ pid, port, store }) => {
      const count = 1_000_000;
      const bytesBefore = residentBytes(pid);
      const other = await StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 120_000 });
      try {
        for (let first = 0; first < count; first += 20_000) {
          const pairs = Array.from({ length: 20_000 }, (_, index) =>
            [`key/${first + index}`, "value"] as const);
          const [, answered] = await Promise.all([store.multiSet(pairs), other.addInt64("rounds", 1n)]);
          assertEquals(answered, BigInt(first / 20_000 + 1));
        }
        assertEquals(await store.countKeys(), count + 1);
        const bytesEach = (residentBytes(pid) - bytesBefore) / count;
        if (Deno.env.has("SHOW")) {
          console.log("per key", bytesEach);
        }
        assertLess(bytesEach, 400, "Resident bytes for each key");

        // A list that nobody reads holds up nobody; one that is read is whole.
        const lazy = await Deno.connect({ hostname: "127.0.0.1", port });
        const LIST_KEYS = 17;
        await lazy.write(Uint8Array.from([...HANDSHAKE, LIST_KEYS]));
        assertEquals(await lazy.read(new Uint8Array(8)), 8);
        const keys = new Set(await store.listKeys());
        assertEquals(keys.size, count + 1);
        assert(keys.has("key/0") && keys.has(`key/${count - 1}`));
        assertEquals(await other.getText(`key/${count / 2}`), "value");
        lazy.close();
        if (Deno.env.has("SHOW")) {
          console.log("after lists MiB", residentBytes(pid) / MIB);
        }
        assertLess(residentBytes(pid), 1024 * MIB, "Resident bytes after two lists of all keys");
      } finally {
        other.close();
      }
    }),
});
