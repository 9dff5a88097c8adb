/**
 * What each agent does, and ends with, when members of a job fail, leave, are lost or come: README's table, row by row, on
 * hosts of their own. The workers never notice a lost peer.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Host } from "./host.ts";
import { Job, type JobOptions, nowMs, type World } from "./job.ts";
import { hostsTest, type Network } from "./network.ts";

/** A silent host counts as lost after two seconds. */
export const CONF = "last_call_timeout=1,keep_alive_interval=1,keep_alive_max_attempt=2,join_timeout=20";

interface Formed {
  readonly hosts: readonly Host[];
  readonly job: Job;
  readonly world: World;
}

/** A job whose workers all run, on as many hosts. */
async function formed(network: Network, count: number, options: JobOptions): Promise<Formed> {
  const names = Array.from({ length: count }, (_, index) => `n${index}`);
  const hosts = await network.add(names);
  const job = new Job("muster", { conf: CONF, ...options });
  job.start(hosts);
  return { hosts, job, world: await job.mustForm(hosts, 0) };
}

function restartCounts({ starts }: World): number[] {
  return [...new Set(starts.map(({ restartCount }) => restartCount))];
}

async function assertOneWorld(job: Job, hosts: readonly Host[]): Promise<void> {
  const worlds = await job.livingWorlds(hosts);
  assertEquals(worlds.length, 1, `${worlds.join(" | ")}\n${job.text()}`);
}

/** Lets every worker end well, and expects of these agents the code 0. */
async function finish(job: Job, hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) await job.signalWorker(host, "USR1");
  assertEquals(await job.codes(hosts), hosts.map(() => 0), job.text());
}

for (const nnodes of ["3", "2:3"]) {
  hostsTest(
    `${nnodes} nodes: a worker's failure costs the whole job one restart; the budget is one`,
    async (network) => {
      const { hosts, job, world } = await formed(network, 3, { nnodes, more: ["--max-restarts=1"] });
      assertEquals(restartCounts(world), [0]);
      const failedMs = nowMs();
      await job.signalWorker(hosts[1]!, "USR2");
      const again = await job.mustForm(hosts, failedMs);
      assertEquals(restartCounts(again), [1], job.text());
      assertEquals(
        again.starts.map(({ host }) => host),
        world.starts.map(({ host }) => host),
        "ranks have moved",
      );
      await assertOneWorld(job, hosts);
      await job.signalWorker(hosts[2]!, "USR2");
      assertEquals(await job.codes(hosts), [1, 1, 1], job.text());
    },
  );
}

hostsTest(
  "2:3 nodes: a node that leaves on SIGTERM ends with 143, and the others go on at no cost",
  async (network) => {
    const { hosts, job } = await formed(network, 3, { nnodes: "2:3" });
    const leftMs = nowMs();
    job.agent(hosts[2]!).kill("SIGTERM");
    const rest = hosts.slice(0, 2);
    assertEquals(restartCounts(await job.mustForm(rest, leftMs)), [0]);
    assertEquals(await job.codes([hosts[2]!]), [143]);
    await assertOneWorld(job, rest);
    await finish(job, rest);
  },
);

hostsTest(
  "2:3 nodes: the node at which the others meet leaves on SIGTERM, and the others go on",
  async (network) => {
    const { hosts, job } = await formed(network, 3, { nnodes: "2:3" });
    const leftMs = nowMs();
    job.agent(hosts[0]!).kill("SIGTERM");
    const rest = hosts.slice(1);
    assertEquals(restartCounts(await job.mustForm(rest, leftMs)), [0]);
    assertEquals(await job.codes([hosts[0]!]), [143]);
    await finish(job, rest);
  },
);

hostsTest(
  "2 nodes: one leaves on SIGTERM, and the other waits for its successor at no cost",
  async (network) => {
    const { hosts, job } = await formed(network, 2, { nnodes: "2" });
    job.agent(hosts[1]!).kill("SIGTERM");
    assertEquals(await job.codes([hosts[1]!]), [143]);
    const [successor] = await network.add(["n2"]);
    const cameMs = nowMs();
    job.start([successor!]);
    const members = [hosts[0]!, successor!];
    assertEquals(restartCounts(await job.mustForm(members, cameMs)), [0]);
    await finish(job, members);
  },
);

hostsTest("2:3 nodes: SIGINT at one ends the job everywhere with 130", async (network) => {
  const { hosts, job } = await formed(network, 3, { nnodes: "2:3" });
  job.agent(hosts[1]!).kill("SIGINT");
  assertEquals(await job.codes(hosts), [130, 130, 130], job.text());
});

hostsTest("2:3 nodes: --on-term job has SIGTERM end the job everywhere with 143", async (network) => {
  const { hosts, job } = await formed(network, 3, { nnodes: "2:3", more: ["--on-term=job"] });
  job.agent(hosts[1]!).kill("SIGTERM");
  assertEquals(await job.codes(hosts), [143, 143, 143], job.text());
});

hostsTest(
  "2:3 nodes: a killed agent's workers are gone, and the others go on at no cost",
  async (network) => {
    const { hosts, job } = await formed(network, 3, { nnodes: "2:3" });
    const killedMs = nowMs();
    job.agent(hosts[2]!).kill("SIGKILL");
    const rest = hosts.slice(0, 2);
    assertEquals(restartCounts(await job.mustForm(rest, killedMs)), [0]);
    await assertOneWorld(job, hosts);
    assertEquals((await hosts[2]!.run(["ps", "-e", "-o", "comm="])).split("\n").filter(Boolean), [
      "cat",
      "ps",
    ]);
    await finish(job, rest);
  },
);

hostsTest("2 nodes: a lost node costs one restart, and its successor takes its rank", async (network) => {
  const { hosts, job, world } = await formed(network, 2, { nnodes: "2", more: ["--max-restarts=1"] });
  const [successor] = await network.add(["n2"]);
  const lostMs = nowMs();
  await hosts[1]!.remove();
  job.start([successor!]);
  const members = [hosts[0]!, successor!];
  const again = await job.mustForm(members, lostMs);
  assertEquals(restartCounts(again), [1]);
  assertEquals(world.starts.map(({ host }) => host), ["n0", "n1"]);
  assertEquals(again.starts.map(({ host }) => host), ["n0", "n2"]);
  await job.signalWorker(hosts[0]!, "USR2");
  assertEquals(await job.codes(members), [1, 1], "a newcomer has reset the budget");
});

hostsTest("2 nodes: a lost node ends a job without restarts with 1", async (network) => {
  const { hosts, job } = await formed(network, 2, { nnodes: "2" });
  await hosts[1]!.remove();
  assertEquals(await job.codes([hosts[0]!]), [1]);
  assertMatch(job.agent(hosts[0]!).text(), /n1 was lost/);
});

hostsTest("2:3 nodes: --on-node-loss fail ends the job when too few are left", async (network) => {
  const more = ["--on-node-loss=fail", "--max-restarts=3"];
  const { hosts, job } = await formed(network, 2, { nnodes: "2:3", more });
  await hosts[1]!.remove();
  assertEquals(await job.codes([hosts[0]!]), [1]);
});

hostsTest(
  "2 nodes: a worker that can't be started ends the job for all, whatever the budget",
  async (network) => {
    const hosts = await network.add(["n0", "n1"]);
    const job = new Job("muster", { nnodes: "2", conf: CONF, more: ["--max-restarts=3"] });
    const broken = `${hosts[1]!.temporaryDirectory}/broken`;
    await Deno.writeTextFile(broken, "#!/no/such/interpreter\n", { mode: 0o755 });
    job.start([hosts[0]!]);
    job.start([hosts[1]!], [], ["--no-python", broken]);
    assertEquals(await job.codes(hosts), [71, 71], job.text());
    assertMatch(job.agent(hosts[0]!).text(), /n1.*start/, job.text());
  },
);

hostsTest(
  "2 nodes: a spare takes the seat that comes free, and a spare without one ends with 0",
  async (network) => {
    const hosts = await network.add(["n0", "n1", "n2", "n3"]);
    const job = new Job("muster", { nnodes: "2", conf: CONF, more: ["--max-restarts=1"] });
    job.start(hosts.slice(0, 2));
    await job.mustForm(hosts.slice(0, 2), 0);
    for (const spare of hosts.slice(2)) {
      job.start([spare]);
      const agent = job.agent(spare);
      assert(await agent.until(() => /for a free seat/.test(agent.text()) || null, 20_000), job.text());
    }
    const lostMs = nowMs();
    await hosts[1]!.remove();
    const { starts } = await job.mustForm(2, lostMs);
    assertEquals(starts[0]!.host, "n0");
    for (const { host } of starts) await job.signalWorker(network.host(host), "USR1");
    const left = hosts.filter((host) => host !== hosts[1]);
    assertEquals(await job.codes(left), [0, 0, 0], job.text());
  },
);

hostsTest("2:4 nodes: a newcomer is taken in at no cost, beyond MAX it waits", async (network) => {
  const { hosts, job } = await formed(network, 3, { nnodes: "2:4" });
  const more = await network.add(["n3", "n4"]);
  const cameMs = nowMs();
  job.start([more[0]!]);
  const members = [...hosts, more[0]!];
  const grown = await job.mustForm(members, cameMs);
  assertEquals(restartCounts(grown), [0]);
  assertEquals(
    grown.starts.slice(0, 3).map(({ host }) => host),
    ["n0", "n1", "n2"],
    "survivors keep their ranks",
  );
  await assertOneWorld(job, members);
  job.start([more[1]!]);
  const spare = job.agent(more[1]!);
  assert(await spare.until(() => /for a free seat/.test(spare.text()) || null, 20_000), job.text());
  await finish(job, members);
  assertEquals(await job.codes([more[1]!]), [0]);
});

hostsTest(
  "2 nodes: when the join time is over, the one that came says who did and ends with 1",
  async (network) => {
    const [n0] = await network.add(["n0"]);
    const job = new Job("muster", { nnodes: "2", conf: "join_timeout=2" });
    job.start([n0!]);
    assertEquals(await job.codes([n0!]), [1]);
    assertMatch(job.text(), /1 of 2 is here/);
  },
);

hostsTest("2 nodes: nobody hosts; when the join time is over, it is said what was tried", async (network) => {
  const [n0, n1] = await network.add(["n0", "n1"]);
  const job = new Job("muster", { nnodes: "2", conf: "join_timeout=2", endpoint: "n0:29400" });
  job.start([n1!]);
  assertEquals(await job.codes([n1!]), [1]);
  const waited =
    /Waited 2 s for the job's host at n0:29400: it can't be reached at (\S+): Connection refused/;
  assertEquals(job.text().match(waited)?.[1], n0!.addresses()[0], job.text());
});

hostsTest("2:4 nodes: without fail-over the loss of the host ends the others with 1", async (network) => {
  const { hosts, job } = await formed(network, 3, { nnodes: "2:4", more: ["--max-restarts=3"] });
  await hosts[0]!.remove();
  assertEquals(await job.codes(hosts.slice(1)), [1, 1], job.text());
});

hostsTest("3 nodes: each with its own number of workers", async (network) => {
  const hosts = await network.add(["n0", "n1", "n2"]);
  const job = new Job("muster", { nnodes: "3", conf: CONF });
  for (const [index, host] of hosts.entries()) job.start([host], [`--nproc-per-node=${index + 1}`]);
  const { starts } = await job.mustForm(hosts, 0);
  assertEquals(starts.map(({ host }) => host), ["n0", "n1", "n1", "n2", "n2", "n2"]);
});

hostsTest("3 nodes: --node-rank decides the order", async (network) => {
  const hosts = await network.add(["n0", "n1", "n2"]);
  const job = new Job("muster", { nnodes: "3", conf: CONF });
  for (const [index, host] of hosts.entries()) job.start([host], [`--node-rank=${2 - index}`]);
  const { starts } = await job.mustForm(hosts, 0);
  assertEquals(starts.map(({ host }) => host), ["n2", "n1", "n0"]);
});
