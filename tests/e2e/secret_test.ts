/** What a stranger can do at a job's endpoint when the job has a secret: read and set keys, and nothing to the job. */

import { assertEquals } from "@std/assert";
import { StoreClient } from "../../lib/host/store_client.ts";
import { startStoreServer } from "../../lib/host/store_server.ts";
import { socketTest } from "../host/socket_case.ts";
import { fleet, lastRank, ranksOf } from "./fleet.ts";

socketTest(
  "fleet: a job with a secret does not go over to torchrun's rendezvous, whoever writes a record",
  () =>
    fleet(async ({ start, until, endpointPort: port }) => {
      const secretPath = await Deno.makeTempFile({ prefix: "muster-secret-" });
      await Deno.writeTextFile(secretPath, "correct horse\n");
      try {
        const options = ["--nnodes=2", "--rdzv-id=guarded", `--job-secret-file=${secretPath}`];
        const nodes = [start(options, "exec sleep 3"), start(options, "exec sleep 3")];
        await until("both run", () => nodes.every((node) => lastRank(node) !== undefined));
        const cameAt = nodes.map((node) => node.output().length);
        const stranger = await StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 10_000 });
        for (const record of ["gASVCgAAAAAAAAB9lC4=", "gASVCgAAAAAAAAB9lC4="]) {
          await stranger.set("torch.rendezvous.guarded", record);
        }
        await stranger.ping();
        stranger.close();
        assertEquals(await Promise.all(nodes.map(({ ended }) => ended)), [0, 0]);
        for (const node of nodes) {
          assertEquals(ranksOf(node).length, 1, node.output());
          assertEquals(node.output().includes("going over"), false, node.output());
        }
        const said = nodes.map((node, index) => node.output().slice(cameAt[index])).join("");
        assertEquals(said.match(/can't prove that it knows the job's secret/g)?.length, 1, said);
      } finally {
        await Deno.remove(secretPath);
      }
    }),
);

socketTest(
  "fleet: a node with a secret says that torchrun's agents have the store at its endpoint",
  () =>
    fleet(async ({ start, endpointPort: port }) => {
      const server = startStoreServer({ host: "127.0.0.1", port });
      try {
        const agent = await StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 10_000 });
        await agent.set("torch.rendezvous.guarded", "gASVCgAAAAAAAAB9lC4=");
        agent.close();
        const node = start(["--nnodes=2", "--rdzv-id=guarded", "--rdzv-conf=join_timeout=4"], "true", {
          MUSTER_JOB_SECRET: "correct horse",
        });
        assertEquals(await node.ended, 1);
        const told = node.output().match(/torchrun's agents have begun the job at localhost:\d+.*secret/g);
        assertEquals(told?.length, 1, node.output());
      } finally {
        server.close();
      }
    }),
);
