import { assertEquals } from "@std/assert";
import { interfaceAddresses } from "../../lib/host/local_addresses.ts";
import { StoreClient, StoreConnectionError } from "../../lib/host/store_client.ts";
import { openWorkerStore } from "../../lib/host/worker_store.ts";
import { planOf } from "../options/planning.ts";
import { socketTest } from "./socket_case.ts";

/** Which of these addresses the store of a node with such options serves. */
async function servedAt(addresses: readonly string[], ...args: string[]): Promise<string[]> {
  const { store, meeting } = planOf(["--nnodes=2", "--rdzv-backend=c10d", ...args]);
  const opened = openWorkerStore(store, meeting, () => {});
  try {
    // As for a round whose nodes have announced no addresses.
    opened.setAllowed(null);
    const found: string[] = [];
    for (const host of addresses) {
      try {
        const client = await StoreClient.connect({ host, port: opened.port, timeoutMs: 500 });
        await client.set("key", new Uint8Array());
        await client.get("key");
        client.close();
        found.push(host);
      } catch (error) {
        if (!(error instanceof StoreConnectionError)) throw error;
      }
    }
    return found;
  } finally {
    opened.close();
  }
}

const [OUTSIDE] = interfaceAddresses().filter((address) => !address.includes(":"));

socketTest(
  "openWorkerStore() serves the address that --local-addr announces, and no more of the machine than it must",
  async () => {
    const asked = ["127.0.0.1", "127.0.0.2", OUTSIDE!];
    assertEquals(await servedAt(asked, "--rdzv-endpoint=localhost:1"), ["127.0.0.1"]);
    assertEquals(await servedAt(asked, "--rdzv-endpoint=127.0.0.1:1", "--local-addr=127.0.0.2"), [
      "127.0.0.1",
      "127.0.0.2",
    ]);
    assertEquals(await servedAt(["::1", OUTSIDE!], "--rdzv-endpoint=[::1]:1"), ["::1"]);
    // Each node has a member of etcd of its own.
    const etcd = ["--rdzv-backend=etcd-v3", "--rdzv-endpoint=localhost:1"];
    assertEquals(await servedAt([OUTSIDE!], ...etcd, `--local-addr=${OUTSIDE}`), [OUTSIDE]);
  },
  OUTSIDE === undefined,
);
