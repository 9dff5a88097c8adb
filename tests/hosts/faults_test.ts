/** What networks and machines do to a job: cut and lossy links, frozen and lost hosts. At no time may there be two worlds. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { delay } from "@std/async/delay";
import type { Host } from "./host.ts";
import { untilFound } from "./host_process.ts";
import { Job, nowMs } from "./job.ts";
import { hostsTest, type Network } from "./network.ts";

const CONF = "last_call_timeout=1,keep_alive_interval=1,keep_alive_max_attempt=2,join_timeout=30";

async function formed(network: Network, nnodes: string, count = 4) {
  const hosts = await network.add(Array.from({ length: count }, (_, index) => `n${index}`));
  const job = new Job("muster", { nnodes, conf: CONF, more: ["--max-restarts=3"] });
  job.start(hosts);
  await job.mustForm(hosts, 0);
  return { hosts, job };
}

async function finish(job: Job, hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) await job.signalWorker(host, "USR1");
  assertEquals(await job.codes(hosts), hosts.map(() => 0), job.text());
}

async function assertOneWorld(job: Job, hosts: readonly Host[]): Promise<void> {
  const worlds = await job.livingWorlds(hosts);
  assertEquals(worlds.length, 1, `${worlds.join(" | ")}\n${job.text()}`);
}

hostsTest("faults: a cut-off node is left out, and taken in again when its link is back", async (network) => {
  const { hosts, job } = await formed(network, "3:4");
  const cutMs = nowMs();
  await hosts[3]!.cut();
  await job.mustForm(hosts.slice(0, 3), cutMs);
  // It may know a moment later, but no worker of the old world may live on.
  const deadline = nowMs() + 5000;
  while ((await job.livingWorlds([hosts[3]!])).length > 0 && nowMs() < deadline) await delay(100);
  await assertOneWorld(job, hosts);
  const mendedMs = nowMs();
  await hosts[3]!.mend();
  await job.mustForm(hosts, mendedMs);
  await assertOneWorld(job, hosts);
  await finish(job, hosts);
});

hostsTest("faults: the host loses power, and its stand-by takes over", async (network) => {
  const { hosts, job } = await formed(network, "3:4");
  const lostMs = nowMs();
  await hosts[0]!.powerOff();
  const rest = hosts.slice(1);
  await job.mustForm(rest, lostMs);
  await assertOneWorld(job, rest);
  await finish(job, rest);
});

hostsTest(
  "faults: after the host's loss a newcomer finds the job at the next of the named places",
  async (network) => {
    const hosts = await network.add(["n0", "n1", "n2", "n3"]);
    const job = new Job("muster", { nnodes: "3:4", conf: CONF, endpoint: "n0:29400,n1:29400,n2:29400" });
    job.start(hosts);
    await job.mustForm(hosts, 0);
    const lostMs = nowMs();
    await hosts[0]!.powerOff();
    await job.mustForm(hosts.slice(1), lostMs);
    const [newcomer] = await network.add(["n4"]);
    const cameMs = nowMs();
    job.start([newcomer!]);
    const members = [...hosts.slice(1), newcomer!];
    await job.mustForm(members, cameMs);
    await assertOneWorld(job, members);
    await finish(job, members);
  },
);

hostsTest(
  "faults: the old host, started anew, joins its heir and leads newcomers there",
  async (network) => {
    const { hosts, job } = await formed(network, "2:3", 3);
    const lostMs = nowMs();
    job.agent(hosts[0]!).kill("SIGKILL");
    await job.mustForm(hosts.slice(1), lostMs);
    const returnedMs = nowMs();
    job.start([hosts[0]!]);
    await job.mustForm(hosts, returnedMs);
    const leftMs = nowMs();
    job.agent(hosts[2]!).kill("SIGKILL");
    await job.mustForm(hosts.slice(0, 2), leftMs);
    // Longer than the old host would listen if it only said where to go once.
    await delay(3000);
    const [newcomer] = await network.add(["n3"]);
    const cameMs = nowMs();
    job.start([newcomer!]);
    const members = [hosts[0]!, hosts[1]!, newcomer!];
    await job.mustForm(members, cameMs, 15_000);
    await assertOneWorld(job, members);
    await finish(job, members);
  },
);

hostsTest(
  "faults: the old host, started anew and cut off from its heir, begins no second world with newcomers",
  async (network) => {
    const { hosts, job } = await formed(network, "2:3", 3);
    const newcomers = await network.add(["n3", "n4"]);
    const [old, ...heirs] = hosts as [Host, ...Host[]];
    const lostMs = nowMs();
    job.agent(old).kill("SIGKILL");
    await job.mustForm(heirs, lostMs);
    const others = [old, ...newcomers];
    await network.separate(heirs, others);
    job.start(others);
    await untilFound(
      [job.agent(old)],
      () => job.agent(old).text().includes("may still run the job") || null,
      20_000,
    );
    // Longer than the job would take to form; without newcomers' waiting it would be there at once.
    await delay(3000);
    assertMatch(job.agent(old).text(), /3 of .* are here .* took part before this launcher was started/);
    assertEquals(job.starts().filter(({ host }) => !["n1", "n2"].includes(host)), [], job.text());
    await assertOneWorld(job, [...hosts, ...newcomers]);
    const mendedMs = nowMs();
    await network.reunite([...heirs, ...others]);
    await job.mustForm(3, mendedMs);
    await assertOneWorld(job, [...hosts, ...newcomers]);
  },
);

hostsTest("faults: agents that are killed at once, all but the host's, are replaced", async (network) => {
  const { hosts, job } = await formed(network, "4");
  const killedMs = nowMs();
  for (const host of hosts.slice(1)) job.agent(host).kill("SIGKILL");
  job.start(hosts.slice(1));
  const world = await job.mustForm(hosts, killedMs, 15_000);
  assertEquals(new Set(world.starts.map(({ restartCount }) => restartCount)), new Set([1]));
  await assertOneWorld(job, hosts);
  await finish(job, hosts);
});

for (const count of [2, 3]) {
  hostsTest(
    `faults: a job of ${count} outlives the loss of power of all but one, its host too`,
    async (network) => {
      const { hosts, job } = await formed(network, `${count}`, count);
      const [host, heir, ...others] = hosts as [Host, Host, ...Host[]];
      const lostMs = nowMs();
      for (const lost of [host, ...others]) {
        await lost.cut();
        job.agent(lost).kill("SIGKILL");
      }
      const isWaiting = () => /This node hosts the job now/.test(job.agent(heir).text()) || null;
      assert(await untilFound([job.agent(heir)], isWaiting, 20_000), job.text());
      for (const lost of [host, ...others]) await lost.mend();
      job.start([host, ...others]);
      const world = await job.mustForm(hosts, lostMs, 20_000);
      assertEquals(new Set(world.starts.map(({ restartCount }) => restartCount)), new Set([1]));
      await assertOneWorld(job, hosts);
      await finish(job, hosts);
    },
  );
}

hostsTest("faults: the host is cut off and comes back as a guest of its stand-by", async (network) => {
  const { hosts, job } = await formed(network, "3:4");
  const cutMs = nowMs();
  await hosts[0]!.cut();
  await job.mustForm(hosts.slice(1), cutMs);
  const deadline = nowMs() + 5000;
  while ((await job.livingWorlds([hosts[0]!])).length > 0 && nowMs() < deadline) await delay(100);
  await assertOneWorld(job, hosts);
  const mendedMs = nowMs();
  await hosts[0]!.mend();
  await job.mustForm(hosts, mendedMs);
  await assertOneWorld(job, hosts);
  await finish(job, hosts);
});

hostsTest("faults: the host freezes, and joins the others when it thaws", async (network) => {
  const { hosts, job } = await formed(network, "3:4");
  const frozenMs = nowMs();
  job.agent(hosts[0]!).kill("SIGSTOP");
  await job.mustForm(hosts.slice(1), frozenMs);
  const thawedMs = nowMs();
  job.agent(hosts[0]!).kill("SIGCONT");
  await job.mustForm(hosts, thawedMs);
  await assertOneWorld(job, hosts);
  await finish(job, hosts);
});

hostsTest("faults: a split in halves lets one side run at most", async (network) => {
  const { hosts, job } = await formed(network, "2:4");
  const splitMs = nowMs();
  await network.separate(hosts.slice(0, 2), hosts.slice(2));
  // The side of the host goes on; the other ends.
  await job.mustForm(hosts.slice(0, 2), splitMs);
  assertEquals(await job.codes(hosts.slice(2)), [1, 1], job.text());
  await assertOneWorld(job, hosts);
  await finish(job, hosts.slice(0, 2));
});

hostsTest("faults: lost packets and slow links neither end the job nor count as a loss", async (network) => {
  const hosts = await network.add(["n0", "n1", "n2", "n3"]);
  await Promise.all(hosts.map((host) => host.losePackets(5)));
  await Promise.all(hosts.map((host) => host.slowDown(256)));
  const job = new Job("muster", {
    nnodes: "3:4",
    conf: CONF.replace("attempt=2", "attempt=5"),
    more: ["--max-restarts=3"],
  });
  job.start(hosts);
  // A node whose first packets are lost comes after the last call, and has the others start again once.
  await job.mustForm(hosts, 0);
  const starts = job.starts().length;
  await delay(4000);
  assertEquals(job.starts().length, starts, `there was another round\n${job.text()}`);
  const failedMs = nowMs();
  await job.signalWorker(hosts[2]!, "USR2");
  assert(await job.world(hosts, failedMs), job.text());
  await finish(job, hosts);
});
