/** Who hosts, which address the workers get, and how nodes find each other on hosts as they are in the world. */

import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import type { Host, HostOptions } from "./host.ts";
import { LAUNCHERS } from "../interop/harness.ts";
import { Job, type World } from "./job.ts";
import { hostsTest, type Network } from "./network.ts";

async function hostsOf(network: Network, options: HostOptions): Promise<[Host, Host, Host]> {
  const [n0, n1, n2] = await network.add(["n0", "n1", "n2"], options);
  return [n0!, n1!, n2!];
}

function masterOf({ starts }: World): string {
  return starts[0]!.masterAddress;
}

/** The workers' store answers at the address that they got, from every host. */
async function assertReached(world: World, hosts: readonly Host[]): Promise<void> {
  const { masterAddress, masterPort } = world.starts[0]!;
  const connect = `timeout 5 bash -c ': </dev/tcp/${masterAddress}/${masterPort}'`;
  for (const host of hosts) await host.run(["bash", "-c", connect]);
}

async function form(hosts: readonly Host[], endpoint: string): Promise<World> {
  const job = new Job("muster", { nnodes: "3", endpoint });
  job.start(hosts);
  return await job.mustForm(hosts, 0);
}

hostsTest(
  "addresses: a host whose own name is 127.0.1.1 advertises the address that the others reach",
  async (network) => {
    const hosts = await hostsOf(network, { isOwnNameLoopback: true });
    const world = await form(hosts, "n0:29400");
    assertEquals(masterOf(world), hosts[0].addresses()[0]);
    await assertReached(world, hosts);
  },
);

hostsTest("addresses: of several interfaces the one of the endpoint is advertised", async (network) => {
  const hosts = await hostsOf(network, { interfaces: 2, namedSegment: 0 });
  const [fast] = hosts[0].addresses(1);
  const world = await form(hosts, `${fast}:29400`);
  assertEquals(masterOf(world), fast);
  await assertReached(world, hosts);
});

for (const isName of [false, true]) {
  hostsTest(`addresses: --local-addr is advertised, ${isName ? "a name" : "an address"}`, async (network) => {
    // Names mean the first network; the workers are to meet on the second.
    const hosts = await hostsOf(network, { interfaces: 2, namedSegment: isName ? 1 : 0 });
    const job = new Job("muster", { nnodes: "3", endpoint: `${hosts[0].addresses(0)[0]}:29400` });
    for (const host of hosts) {
      job.start([host], [`--local-addr=${isName ? host.name : host.addresses(1)[0]}`]);
    }
    const world = await job.mustForm(hosts, 0);
    assertEquals(masterOf(world), isName ? "n0" : hosts[0].addresses(1)[0]);
    await assertReached(world, hosts);
  });
}

hostsTest("addresses: IPv6 alone, by name", async (network) => {
  const hosts = await hostsOf(network, { families: "ipv6" });
  const world = await form(hosts, "n0:29400");
  assertEquals(masterOf(world), hosts[0].addresses()[0]);
  await assertReached(world, hosts);
});

hostsTest("addresses: IPv6 alone, by an address as nobody would write it", async (network) => {
  const hosts = await hostsOf(network, { families: "ipv6" });
  const world = await form(
    hosts,
    `[${hosts[0].addresses()[0]!.replace("::", ":0:0:0:0:0:00").toUpperCase()}]:29400`,
  );
  assertEquals(masterOf(world), hosts[0].addresses()[0]);
  await assertReached(world, hosts);
});

hostsTest("addresses: both families", async (network) => {
  const hosts = await hostsOf(network, { families: "dual", isOwnNameLoopback: true });
  const world = await form(hosts, "n0:29400");
  assert(hosts[0].addresses().includes(masterOf(world)), masterOf(world));
  await assertReached(world, hosts);
});

const SERVICE = "10.99.0.1";

/** As a cluster's service: an address that no interface has, turned into n0's on its way out of each host. */
async function addService(hosts: readonly Host[]): Promise<void> {
  const rules = [
    "add table inet service",
    "add chain inet service out { type nat hook output priority -100; }",
    `add rule inet service out ip daddr ${SERVICE} dnat ip to ${hosts[0]!.addresses()[0]}`,
    "",
  ].join("\n");
  for (const host of hosts) {
    await host.run(["ip", "route", "add", `${SERVICE}/32`, "dev", "eth0"]);
    await host.run(["nft", "-f", "-"], rules);
  }
}

hostsTest(
  "addresses: behind a service address is_host=1 names the host, and the workers get its own address",
  async (network) => {
    const hosts = await hostsOf(network, {});
    await addService(hosts);
    const job = new Job("muster", { nnodes: "3", endpoint: `${SERVICE}:29400` });
    job.start([hosts[0]], ["--rdzv-conf=is_host=1"]);
    job.start(hosts.slice(1));
    const world = await job.mustForm(hosts, 0);
    await assertReached(world, hosts);
    assertNotEquals(masterOf(world), "127.0.0.1");
  },
);

hostsTest("addresses: when nobody hosts at a service address, the wait says what to do", async (network) => {
  const hosts = await hostsOf(network, {});
  await addService(hosts);
  const job = new Job("muster", { nnodes: "3", endpoint: `${SERVICE}:29400`, conf: "join_timeout=2" });
  job.start(hosts.slice(1));
  assertEquals(await job.codes(hosts.slice(1)), [1, 1]);
  assertMatch(job.text(), /is_host=1/);
});

hostsTest(
  "addresses: nodes start in any order, also before the host's name resolves, and say so once",
  async (network) => {
    const hosts = await hostsOf(network, {});
    await network.tellNames(["n0"]);
    const job = new Job("muster", { nnodes: "3", endpoint: "n0:29400" });
    job.start([hosts[2], hosts[1]]);
    await delay(1500);
    await network.tellNames();
    await delay(500);
    job.start([hosts[0]]);
    const world = await job.mustForm(hosts, 0);
    assertEquals(world.starts.map(({ host }) => host), ["n0", "n1", "n2"]);
    const quiet = job.agent(hosts[1]).lines.filter((line) => line.includes("n0:29400"));
    assertEquals(quiet.length, 1, job.text());
  },
);

hostsTest("addresses: three jobs at once on one machine do not see each other", async (network) => {
  const [machine] = await network.add(["n0"]);
  const jobs = [0, 1, 2].map((number) => {
    const options = {
      nnodes: "2",
      endpoint: `localhost:${29400 + number}`,
      more: [`--rdzv-id=job${number}`],
    };
    return [0, 1].map(() => {
      // Two agents of one job on one machine: a job object follows one agent of a host.
      const job = new Job("muster", options);
      job.start([machine!]);
      return job;
    });
  });
  const starts = await Promise.all(jobs.map((agents) =>
    Promise.all(agents.map(async (job) => {
      const agent = job.agent(machine!);
      await agent.until(() => job.starts()[0] ?? null, 20_000);
      return job.starts()[0] ?? (() => {
        throw new Error(job.text());
      })();
    }))
  ));
  for (const ofJob of starts) {
    assertEquals(ofJob.map(({ rank }) => rank).sort(), [0, 1]);
    assertEquals(new Set(ofJob.map(({ masterPort }) => masterPort)).size, 1);
  }
  assertEquals(new Set(starts.flat().map(({ masterPort }) => masterPort)).size, 3);
  for (const job of jobs.flat()) await job.signalWorker(machine!, "USR1");
  for (const job of jobs.flat()) assertEquals(await job.codes([machine!]), [0], job.text());
});

for (const backend of ["c10d", "static"] as const) {
  hostsTest(
    `addresses: of two nodes that were told to host a job (${backend}) the one at whose endpoint the other is ends`,
    async (network) => {
      const [n0, n1] = await hostsOf(network, {});
      const conf = "join_timeout=20,timeout=20,last_call_timeout=1";
      const job = new Job("muster", { nnodes: backend === "c10d" ? "1:2" : "2", conf });
      // The later of two options counts.
      const more = backend === "c10d" ? [`--rdzv-conf=${conf},is_host=1`] : [
        "--rdzv-backend=static",
        "--rdzv-endpoint=",
        "--master-addr=n0",
        "--master-port=29500",
        "--node-rank=0",
      ];
      job.start([n0, n1], more);
      assertEquals(await job.codes([n1]), [1], job.text());
      assertMatch(job.agent(n1).text(), /only one can, or each would have a world of its own/);
      if (backend === "static") return;
      await job.mustForm([n0], 0);
      await job.signalWorker(n0, "USR1");
      assertEquals(await job.codes([n0]), [0], job.text());
    },
  );
}

hostsTest(
  "addresses: another job's node and one with other settings are refused with the reason",
  async (network) => {
    const hosts = await hostsOf(network, {});
    const job = new Job("muster", { nnodes: "2", endpoint: "n0:29400", conf: "join_timeout=8" });
    job.start([hosts[0]]);
    job.start([hosts[1]], ["--max-restarts=7"]);
    const [code] = await job.codes([hosts[1]]);
    assertNotEquals(code, 0);
    assertMatch(job.agent(hosts[1]).text(), /max-restarts/);
    job.start([hosts[2]], ["--rdzv-id=another"]);
    assertNotEquals((await job.codes([hosts[2]]))[0], 0);
    assertMatch(job.agent(hosts[2]).text(), /another/);
  },
);

hostsTest(
  "addresses: a job shows itself to another machine only where both know its secret",
  async (network) => {
    const [n0, n1] = await hostsOf(network, {});
    const ask = (secret: string) =>
      n1.run(["bash", "-c", `${secret} ${LAUNCHERS.muster.join(" ")} status n0:29400 --once 2>&1 || true`]);
    const open = new Job("muster", { nnodes: "1:2", endpoint: "n0:29400", conf: "last_call_timeout=1" });
    open.start([n0]);
    await open.mustForm([n0], 0);
    assertMatch(
      await ask(""),
      /No job answers at n0:29400: it sent this viewer away: a job without a secret/,
    );
    await open.signalWorker(n0, "USR1");
    assertEquals(await open.codes([n0]), [0]);
    const env = { MUSTER_JOB_SECRET: "correct horse" };
    const closed = new Job("muster", {
      nnodes: "1:2",
      endpoint: "n0:29400",
      conf: "last_call_timeout=1",
      env,
    });
    closed.start([n0]);
    await closed.mustForm([n0], 0);
    // A job can be asked when it has run for a moment.
    await delay(1000);
    assertMatch(await ask("MUSTER_JOB_SECRET='correct horse'"), /running/i);
    assertMatch(await ask("MUSTER_JOB_SECRET=wrong"), /was started with another secret/);
  },
);
