/** A job whose store lives on no worker's node: `muster store` at the endpoint, and nothing of the job beside it. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { fleet, lastRank } from "./fleet.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

Deno.test("fleet: nodes meet at a store that runs alone, and start again together", () =>
  fleet(async ({ start, endpointPort }) => {
    const store = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", MAIN, "store", "--port", String(endpointPort)],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    try {
      const reader = store.stdout.getReader();
      await reader.read();
      await reader.cancel();
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
    } finally {
      store.kill("SIGTERM");
      assertEquals((await store.status).code, 0);
    }
  }));
