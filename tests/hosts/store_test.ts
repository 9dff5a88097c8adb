/** Our store's client on networks that lose packets: all addresses of a name are tried, and none for longer than was asked. */

import { assertEquals, assertMatch } from "@std/assert";
import { LAUNCHERS } from "../interop/harness.ts";
import type { Host } from "./host.ts";
import { hostsTest } from "./network.ts";

const PORT = 29500;

/** What `muster store` says to a host, and how it ends. */
async function ask(host: Host, words: string): Promise<string> {
  return await host.run(["bash", "-c", `${LAUNCHERS.muster.join(" ")} store ${words} 2>&1; echo "= $?"`]);
}

/** Packets of these families that come to the store's port go nowhere, and nobody is told. */
async function drop(host: Host, families: readonly ("ip" | "ip6")[]): Promise<void> {
  const rules = families.map((family) => `add rule ${family} lost in tcp dport ${PORT} drop`);
  const tables = families.flatMap((family) => [
    `add table ${family} lost`,
    `add chain ${family} lost in { type filter hook input priority 0; }`,
  ]);
  await host.run(["nft", "-f", "-"], [...tables, ...rules, ""].join("\n"));
}

for (const dead of ["ip", "ip6"] as const) {
  hostsTest(
    `store: a client comes through where one of a name's addresses is dead (${dead})`,
    async (network) => {
      const [n0, n1] = await network.add(["n0", "n1"], { families: "dual" }) as [Host, Host];
      const server = n0.start([...LAUNCHERS.muster, "store", "--host", "::", "--port", String(PORT)]);
      await server.until(() => server.lines[0] ?? null, 20_000);
      await drop(n0, [dead]);
      assertEquals(await ask(n1, `set n0:${PORT} k v --timeout 20`), "= 0\n");
      assertEquals(await ask(n0, `get n0:${PORT} k`), "v\n= 0\n");
    },
  );
}

hostsTest(
  "store: a client whose packets are lost says so in one line when its time is over",
  async (network) => {
    const [n0, n1] = await network.add(["n0", "n1"], { families: "dual" }) as [Host, Host];
    await drop(n0, ["ip", "ip6"]);
    assertMatch(
      await ask(n1, `get n0:${PORT} k --timeout 1`),
      /^muster store: Cannot connect to the store at n0:29500: nothing answers there \(1 attempt in 1(\.\d)? s\)\n= 71\n$/,
    );
  },
);
