/** Who may connect to a job's ports: a third host is a stranger to a job of two. */

import { assertEquals, assertMatch } from "@std/assert";
import { LAUNCHERS } from "../interop/harness.ts";
import type { Host } from "./host.ts";
import { Job, type World } from "./job.ts";
import { hostsTest } from "./network.ts";

/** What `muster store list` says to a host about a store, and how it ends. */
async function listFrom(host: Host, address: string): Promise<string> {
  const command = `${
    LAUNCHERS.muster.join(" ")
  } store list ${address} --timeout 5 2>&1; echo "ended with $?"`;
  return await host.run(["bash", "-c", command]);
}

function workersStore({ starts }: World): string {
  const { masterAddress, masterPort } = starts[0]!;
  return `${masterAddress}:${masterPort}`;
}

async function formed(hosts: readonly Host[], allowed: string): Promise<{ job: Job; world: World }> {
  const job = new Job("muster", { nnodes: "2", endpoint: "n0:29400", more: [`--store-allow=${allowed}`] });
  job.start(hosts);
  return { job, world: await job.mustForm(hosts, 0) };
}

async function finish(job: Job, hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) await job.signalWorker(host, "USR1");
  assertEquals(await job.codes(hosts), hosts.map(() => 0), job.text());
}

/** Lines of the job's host about who was sent away. */
function refusals(job: Job, host: Host): string[] {
  return job.agent(host).lines.filter((line) => line.includes("is not from an admitted address"));
}

hostsTest(
  "admission: the workers' store takes the round's nodes only, whoever may come to the endpoint",
  async (network) => {
    const [n0, n1, stranger] = await network.add(["n0", "n1", "n2"]) as [Host, Host, Host];
    const { job, world } = await formed([n0, n1], "10.77.0.0/24");
    assertMatch(await listFrom(n1, workersStore(world)), /^ended with 0$/m);
    assertMatch(await listFrom(stranger, "n0:29400"), /^ended with 0$/m);
    assertEquals(refusals(job, n0), []);
    const refused = await listFrom(stranger, workersStore(world));
    assertMatch(
      refused,
      /^muster store: The connection to the store at \S+ (was closed by the server|is lost)/,
    );
    assertMatch(refused, /^ended with 71$/m);
    const [address] = stranger.addresses();
    const port = world.starts[0]!.masterPort;
    const lines = refusals(job, n0);
    assertMatch(
      lines[0] ?? "",
      new RegExp(`Store \\S+:${port} closed the connection of ${address}:\\d+: it is not from an admitted`),
    );
    // A few tries of the client, each of which has its line; and no flood of them.
    assertEquals(lines.length <= 8, true, lines.join("\n"));
    await finish(job, [n0, n1]);
  },
);

hostsTest("admission: the endpoint takes who is within --store-allow", async (network) => {
  const [n0, n1, stranger] = await network.add(["n0", "n1", "n2"]) as [Host, Host, Host];
  const { job } = await formed([n0, n1], n1.addresses()[0]!);
  assertMatch(await listFrom(n0, "n0:29400"), /^ended with 0$/m);
  assertMatch(await listFrom(stranger, "n0:29400"), /^ended with 71$/m);
  assertEquals(refusals(job, n0).length > 0, true, job.text());
  await finish(job, [n0, n1]);
});
