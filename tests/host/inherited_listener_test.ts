/** A store served on a socket that its parent opened; the child is `muster store`. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import { StoreClient } from "../../lib/host/store_client.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const MIB = 1024 * 1024;

/** The number that the listening socket on an IPv4 `port` has in this process. */
function descriptorOf(port: number): number {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  const LISTENING = "0A";
  const line = Deno.readTextFileSync("/proc/self/net/tcp").split("\n").map((line) => line.trim().split(/\s+/))
    .find(([, local, , state]) => local?.endsWith(`:${hexPort}`) && state === LISTENING);
  const link = `socket:[${line![9]}]`;
  const names = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name);
  return Number(names.find((name) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`) === link;
    } catch {
      // The descriptor of the directory itself is gone by now.
      return false;
    }
  }));
}

interface Child {
  /** What it has printed so far. */
  readonly output: { stdout: string; stderr: string };
  /** Resolves once `stdout` or `stderr` matches; rejects when the child ends before. */
  readonly printed: (stream: "stdout" | "stderr", pattern: RegExp) => Promise<void>;
  readonly ended: Promise<number | null>;
  readonly process: ChildProcess;
}

/** Starts `command` with `descriptor` as its number 3. */
function startChild(command: readonly string[], descriptor: number | "ignore"): Child {
  const process = spawn(command[0]!, command.slice(1), {
    stdio: ["ignore", "pipe", "pipe", descriptor],
  });
  const output = { stdout: "", stderr: "" };
  const watchers = new Set<() => void>();
  for (const stream of ["stdout", "stderr"] as const) {
    process[stream]!.on("data", (bytes: Uint8Array) => {
      output[stream] += new TextDecoder().decode(bytes);
      watchers.forEach((look) => look());
    });
  }
  const ended = new Promise<number | null>((resolve) => process.on("close", resolve));
  const printed = (stream: "stdout" | "stderr", pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => pattern.test(output[stream]) && resolve();
      watchers.add(look);
      ended.then(() => reject(new Error(`It ended with: ${output.stderr}`)));
      look();
    });
  return { output, printed, ended, process };
}

/** `muster store` as a command: its own code, without the launcher's around it. */
function store(...args: string[]): string[] {
  const script =
    `Deno.exit(await (await import("${ROOT}lib/host/store_command.ts")).runStoreCommand(Deno.args))`;
  return [Deno.execPath(), "eval", "--quiet", `--config=${ROOT}deno.json`, script, ...args];
}

async function withChild(
  command: readonly string[],
  body: (child: Child, port: number) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const child = startChild(command, descriptorOf(port));
  // From now on only the child listens.
  listener.close();
  try {
    await child.printed("stdout", /\n/);
    assertEquals(child.output.stdout, `127.0.0.1:${port}\n`);
    await body(child, port);
    // By pid: `child.process.kill` would have Node's API report the signal, whatever the child makes of it.
    Deno.kill(child.process.pid!, "SIGTERM");
    assertEquals(await child.ended, 0);
  } finally {
    child.process.kill("SIGKILL");
    await child.ended;
  }
}

const onLinux = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, ignore: Deno.build.os !== "linux", fn });

onLinux(
  "inheritListener() serves on its parent's socket as on its own",
  () =>
    withChild(store("--listen-fd", "3"), async (child, port) => {
      const connect = () => StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 30_000 });
      const [one, other] = await Promise.all([connect(), connect()]);
      try {
        const long = Uint8Array.from({ length: 8 * MIB }, (_, index) => index * 7);
        const waiting = other.get("long");
        await one.set("long", long);
        assertEquals(await waiting, long);
        const sums = await Promise.all(Array.from({ length: 1000 }, () => one.addInt64("n", 1n)));
        assertEquals(sums.at(-1), 1000n);

        const stranger = await Deno.connect({ hostname: "127.0.0.1", port });
        await stranger.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
        await stranger.read(new Uint8Array(1)).catch(() => {});
        await child.printed("stderr", /\n/);
        assertMatch(child.output.stderr, /closed the connection of 127\.0\.0\.1:\d+: it speaks HTTP/);
        stranger.close();

        // It goes with 64 MiB on their way to it, so that its end is a reset.
        const rude = await Deno.connect({ hostname: "127.0.0.1", port });
        const handshakeAndGets = [0, 0xce, 0xf7, 0x85, 0x3c, ...gets("long", 8)];
        await rude.write(Uint8Array.from(handshakeAndGets));
        await rude.read(new Uint8Array(1));
        rude.close();
        assertEquals(await one.countKeys(), 2);
        assertEquals(child.output.stderr.split("\n").length, 2);
      } finally {
        one.close();
        other.close();
      }
    }),
);

/** Bytes of so many GET requests. */
function gets(key: string, count: number): number[] {
  const request = [3, key.length + 1, 0, 0, 0, 0, 0, 0, 0, ..."/".concat(key)].map((byte) =>
    typeof byte === "number" ? byte : byte.charCodeAt(0)
  );
  return Array.from({ length: count }, () => request).flat();
}

onLinux("inheritListener() takes the socket that a service manager hands over", () =>
  withChild(
    ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", ...store()],
    async (_child, port) => {
      const client = await StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 30_000 });
      await client.set("k", "v");
      assertEquals(await client.getText("k"), "v");
      client.close();
    },
  ));

onLinux("inheritListener() outlives a time without descriptors and then serves who waited", () =>
  withChild(
    ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", ...store("--listen-fd", "3")],
    async (_child, port) => {
      const crowd: Deno.TcpConn[] = [];
      for (let made = 0; made < 80; made++) crowd.push(await Deno.connect({ hostname: "127.0.0.1", port }));
      // The first are served, so the server has come to the others, for which it has no descriptor.
      await crowd[0]!.write(Uint8Array.from([0, 0xce, 0xf7, 0x85, 0x3c, 13, 1, 0, 0, 0]));
      await crowd[0]!.read(new Uint8Array(4));
      for (const socket of crowd) socket.close();
      const client = await StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 20_000 });
      await client.set("k", "v");
      assertEquals(await client.getText("k"), "v");
      client.close();
    },
  ));

for (const [what, descriptor] of [["nothing", "999"], ["no socket", "0"]] as const) {
  onLinux(`inheritListener() refuses a descriptor that is ${what}, with the way out`, async () => {
    const { ended, output } = startChild(store("--listen-fd", descriptor), "ignore");
    assertEquals(await ended, 71);
    assertEquals(output.stdout, "");
    assertStringIncludes(
      output.stderr,
      `muster store: Cannot listen on descriptor ${descriptor}, which must be a listening TCP socket: `,
    );
    assert(
      output.stderr.endsWith(
        "; check what the parent process hands down, or let an address be bound " +
          "with --host and --port\n",
      ),
      output.stderr,
    );
  });
}
