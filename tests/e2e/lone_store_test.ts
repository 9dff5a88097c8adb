/** A job whose store lives on no worker's node: `muster store` at the endpoint, and nothing of the job beside it. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { fromUtf8 } from "../../lib/core/bytes.ts";
import { StoreClient } from "../../lib/host/store_client.ts";
import { NO_RECORD } from "../../lib/host/torch_store.ts";
import { socketTest } from "../host/socket_case.ts";
import { fleet, lastRank } from "./fleet.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** Runs `body` with a store of its own at `port`. */
async function withStore(port: number, body: () => Promise<void>): Promise<void> {
  const store = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", MAIN, "store", "--port", String(port)],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    const reader = store.stdout.getReader();
    await reader.read();
    await reader.cancel();
    await body();
  } finally {
    store.kill("SIGTERM");
    assertEquals((await store.status).code, 0);
  }
}

Deno.test("fleet: nodes meet at a store that runs alone, and start again together", () =>
  fleet(({ start, endpointPort }) =>
    withStore(endpointPort, async () => {
      const options = ["--nnodes=2", "--max-restarts=1"];
      const script = 'if [ "$TORCHELASTIC_RESTART_COUNT$RANK" = 01 ]; then sleep 1; exit 7; fi; sleep 2';
      const nodes = [start(options, script), start(options, script)];
      assertEquals(await Promise.all(nodes.map(({ ended }) => ended)), [0, 0]);
      assertEquals(nodes.map((node) => lastRank(node)?.[1]), ["2", "2"]);
      for (const node of nodes) {
        assertStringIncludes(
          node.output(),
          `The store at localhost:${endpointPort} has no host of a job: going over to torchrun's rendezvous`,
        );
      }
    })
  ));

socketTest(
  "fleet: at a store where somebody has begun a record, torchrun's agents get the first word",
  () =>
    fleet(({ start, until, endpointPort: port }) =>
      withStore(port, async () => {
        const agent = await StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 10_000 });
        // What an agent of PyTorch 2.2 writes first, whose stores hang up as ours do.
        await agent.compareSet("torch.rendezvous.none", "", NO_RECORD);
        const node = start(["--nnodes=2"], "exit 0");
        await until("it has seen that", () => node.output().includes("going over"));
        await delay(3000);
        assertEquals(fromUtf8(await agent.get("torch.rendezvous.none", { timeoutMs: 1000 })), NO_RECORD);
        agent.close();
        node.signal("SIGTERM");
        assertEquals(await node.ended, 143);
      })
    ),
);
