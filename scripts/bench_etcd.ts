/**
 * `deno task bench etcd`: what a job pays for etcd-v3, on one member and on three: until a host is elected, for each saved
 * record, and until another host follows one that was proved dead, one that left, and one that fell silent. Medians.
 */

import { utf8 } from "../lib/core/bytes.ts";
import { EtcdCluster } from "../lib/host/etcd_cluster.ts";
import { type ElectionNews, EtcdElection } from "../lib/host/etcd_election.ts";
import { EtcdV2 } from "../lib/host/etcd_v2.ts";
import { EtcdV2Keys } from "../lib/host/etcd_v2_keys.ts";
import { EtcdV2Record } from "../lib/host/etcd_v2_record.ts";
import { EtcdV3 } from "../lib/host/etcd_v3.ts";
import { EtcdMembers } from "../tests/interop/etcd_members.ts";

const ROUNDS = 9;
const SAVES = 200;
const TTL_MS = 3000;

class Candidate {
  readonly #cluster: EtcdCluster;
  readonly election: EtcdElection;
  #news: ElectionNews[] = [];
  #wake = () => {};

  constructor(etcd: EtcdMembers, jobId: string, nodeId: string) {
    this.#cluster = new EtcdCluster(etcd.urls);
    const settings = { jobId, nodeId, ttlMs: TTL_MS };
    this.election = new EtcdElection(new EtcdV3(this.#cluster), settings, (news) => {
      this.#news.push(news);
      this.#wake();
    });
  }

  async until(isIt: (news: ElectionNews) => boolean): Promise<number> {
    while (!this.#news.some(isIt)) await new Promise<void>((resolve) => this.#wake = resolve);
    return performance.now();
  }

  close(): void {
    this.election.close();
    this.#cluster.close();
  }
}

async function takeOverMs(
  etcd: EtcdMembers,
  jobId: string,
  how: "proof" | "leave" | "silence",
): Promise<number> {
  const first = new Candidate(etcd, jobId, "first"), second = new Candidate(etcd, jobId, "second");
  first.election.ask({ kind: "stand", address: "first:1" });
  await first.until(({ kind }) => kind === "elected");
  second.election.ask({ kind: "stand", address: "second:1" });
  await second.until(({ kind }) => kind === "host-is");
  const start = performance.now();
  if (how === "leave") first.election.ask({ kind: "leave", over: false, exitCode: null });
  else first.close();
  if (how === "proof") second.election.ask({ kind: "host-died", epoch: 1 });
  const end = await second.until(({ kind }) => kind === "elected");
  second.close();
  if (how === "leave") first.close();
  return end - start;
}

async function electedMs(etcd: EtcdMembers, jobId: string): Promise<number> {
  const start = performance.now(), one = new Candidate(etcd, jobId, "one");
  one.election.ask({ kind: "stand", address: "one:1" });
  const end = await one.until(({ kind }) => kind === "elected");
  one.close();
  return end - start;
}

async function saveMs(etcd: EtcdMembers): Promise<number> {
  const one = new Candidate(etcd, "saves", "one");
  one.election.ask({ kind: "stand", address: "one:1" });
  await one.until(({ kind }) => kind === "elected");
  const job = utf8("x".repeat(1000)), start = performance.now();
  for (let id = 1; id <= SAVES; id++) {
    one.election.ask({ kind: "save", id, job });
    await one.until((news) => news.kind === "saved" && news.id === id);
  }
  const ms = (performance.now() - start) / SAVES;
  one.close();
  return ms;
}

async function recordMs(etcd: EtcdMembers): Promise<number> {
  const cluster = new EtcdCluster(etcd.urls);
  const record = new EtcdV2Record(new EtcdV2(cluster, { limitMs: 10_000 }), "record");
  let token: string | null = null;
  const start = performance.now();
  for (let index = 0; index < SAVES; index++) {
    const { state } = await record.write(utf8("x".repeat(1000) + index), token);
    token = state!.token;
  }
  const ms = (performance.now() - start) / SAVES;
  cluster.close();
  return ms;
}

/** From one node's write of a key to the other's answer that it is there. */
async function keyMs(etcd: EtcdMembers, round: number): Promise<number> {
  const clusters = [new EtcdCluster(etcd.urls), new EtcdCluster(etcd.urls)];
  const [writer, reader] = clusters.map((cluster) =>
    new EtcdV2Keys(new EtcdV2(cluster, { limitMs: 10_000 }), "/bench")
  );
  const waited = reader!.get([`key${round}`], 10_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const start = performance.now();
  await Promise.all([writer!.set(`key${round}`, utf8("x")), waited]);
  const ms = performance.now() - start;
  for (const cluster of clusters) cluster.close();
  return ms;
}

async function median(measure: (round: number) => Promise<number>): Promise<string> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await measure(round));
  times.sort((a, b) => a - b);
  return `${times[ROUNDS >> 1]!.toFixed(1)} ms (best ${times[0]!.toFixed(1)})`;
}

for (const members of [1, 3]) {
  await using etcd = await EtcdMembers.start({ members });
  console.log(
    `etcd with ${members} member${members === 1 ? "" : "s"}, no fsync, leases of ${TTL_MS / 1000} s`,
  );
  console.log(`  until a host is elected:         ${await median((round) => electedMs(etcd, `e${round}`))}`);
  console.log(`  a saved record of 1 kB:          ${await median(() => saveMs(etcd))}`);
  console.log(`  a v2 record of 1 kB replaced:    ${await median(() => recordMs(etcd))}`);
  console.log(`  a v2 key that is waited for:     ${await median((round) => keyMs(etcd, round))}`);
  for (const [how, text] of [["proof", "was proved dead: "], ["leave", "left:            "]] as const) {
    console.log(
      `  next host after one that ${text}${await median((round) => takeOverMs(etcd, `${how}${round}`, how))}`,
    );
  }
  console.log(
    `  next host after one that fell silent: ${(await takeOverMs(etcd, "silence", "silence")).toFixed(0)} ms`,
  );
}
