/**
 * What happens to a job over several hosts, under either launcher, and how long it takes until the job runs as it should.
 * Time counts from the event; a scenario that does not come to that end within its limit ends with null.
 */

import { type HostsLauncher, Job, type JobOptions, nowMs } from "./job.ts";
import type { Network } from "./network.ts";

export interface Outcome {
  /** Null: did not happen within `limitMs`. */
  readonly elapsedMs: number | null;
  /** What was seen instead, or beside. */
  readonly note: string;
  readonly job: Job;
}

export interface Scenario {
  readonly name: string;
  /** What muster must reach, beyond what is asked to be waited for. */
  readonly goalMs: number;
  /** Of `elapsedMs`, what the job's own settings ask to wait: last call, keep-alive. */
  readonly askedMs: number;
  /** How long the end is waited for: longer than any setting of torchrun in play. */
  readonly limitMs: number;
  readonly run: (network: Network, launcher: HostsLauncher, limitMs: number) => Promise<Outcome>;
}

const LAST_CALL_SECONDS = 1;
/** Keep-alive × attempts: how long a silent host counts as present. */
const KEEP_ALIVE_SECONDS = 5;
const QUICK = [
  `last_call_timeout=${LAST_CALL_SECONDS}`,
  "keep_alive_interval=1",
  `keep_alive_max_attempt=${KEEP_ALIVE_SECONDS}`,
].join(",");

const FIXED: JobOptions = { nnodes: "4", more: ["--max-restarts=3"], conf: QUICK };
const ELASTIC: JobOptions = { nnodes: "2:4", more: ["--max-restarts=3"], conf: QUICK };

/** How long everything may take before the event. */
const FORMING_LIMIT_MS = 60_000;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "world formed",
    goalMs: 500,
    askedMs: 0,
    limitMs: FORMING_LIMIT_MS,
    run: async (network, launcher, limitMs) => {
      const hosts = await network.add(["n0", "n1", "n2", "n3"]);
      const job = new Job(launcher, FIXED);
      const startedMs = nowMs();
      job.start(hosts);
      const world = await job.world(hosts, startedMs, limitMs);
      return { ...since(startedMs, world), note: endings(job), job };
    },
  },
  {
    name: "worker failed, all running again",
    goalMs: 500,
    askedMs: 0,
    limitMs: 30_000,
    run: async (network, launcher, limitMs) => {
      const { hosts, job } = await formed(network, launcher, FIXED);
      const failedMs = nowMs();
      await job.signalWorker(hosts[2]!, "USR2");
      return { ...since(failedMs, await job.world(hosts, failedMs, limitMs)), note: endings(job), job };
    },
  },
  {
    name: "agent killed",
    goalMs: 2000,
    askedMs: LAST_CALL_SECONDS * 1000,
    limitMs: 40_000,
    run: async (network, launcher, limitMs) => {
      const { hosts, job } = await formed(network, launcher, ELASTIC);
      const killedMs = nowMs();
      job.agent(hosts[3]!).kill("SIGKILL");
      const world = await job.world(hosts.slice(0, 3), killedMs, limitMs);
      return { ...since(killedMs, world), note: endings(job), job };
    },
  },
  {
    name: "clean departure (SIGTERM)",
    goalMs: 2000,
    askedMs: LAST_CALL_SECONDS * 1000,
    limitMs: 40_000,
    run: async (network, launcher, limitMs) => {
      const { hosts, job } = await formed(network, launcher, ELASTIC);
      const leftMs = nowMs();
      job.agent(hosts[3]!).kill("SIGTERM");
      const world = await job.world(hosts.slice(0, 3), leftMs, limitMs);
      return { ...since(leftMs, world), note: endings(job), job };
    },
  },
  {
    name: "link cut",
    goalMs: 2000,
    askedMs: (LAST_CALL_SECONDS + KEEP_ALIVE_SECONDS) * 1000,
    limitMs: 40_000,
    run: async (network, launcher, limitMs) => {
      const { hosts, job } = await formed(network, launcher, ELASTIC);
      const cutMs = nowMs();
      await hosts[3]!.cut();
      const world = await job.world(hosts.slice(0, 3), cutMs, limitMs);
      return { ...since(cutMs, world), note: endings(job), job };
    },
  },
  {
    name: "node added",
    goalMs: 2000,
    askedMs: LAST_CALL_SECONDS * 1000,
    limitMs: 75_000,
    run: async (network, launcher, limitMs) => {
      const hosts = await network.add(["n0", "n1", "n2", "n3"]);
      const job = new Job(launcher, ELASTIC);
      job.start(hosts.slice(0, 3));
      await job.mustForm(hosts.slice(0, 3), 0, FORMING_LIMIT_MS);
      const addedMs = nowMs();
      job.start(hosts.slice(3));
      return { ...since(addedMs, await job.world(hosts, addedMs, limitMs)), note: endings(job), job };
    },
  },
  {
    name: "node replaced",
    goalMs: 2000,
    askedMs: 0,
    limitMs: 90_000,
    run: async (network, launcher, limitMs) => {
      const { hosts, job } = await formed(network, launcher, FIXED);
      const [replacement] = await network.add(["n4"]);
      const replacedMs = nowMs();
      await hosts[3]!.remove();
      job.start([replacement!]);
      const world = await job.world([...hosts.slice(0, 3), replacement!], replacedMs, limitMs);
      return { ...since(replacedMs, world), note: endings(job), job };
    },
  },
  {
    name: "the job ends, the spare ends with 0",
    goalMs: 2000,
    askedMs: 0,
    limitMs: 30_000,
    run: async (network, launcher, limitMs) => {
      const hosts = await network.add(["n0", "n1", "n2"]);
      const job = new Job(launcher, { ...FIXED, nnodes: "2" });
      job.start(hosts);
      const { starts } = await job.mustForm(2, 0, FORMING_LIMIT_MS);
      // The spare of torchrun must have imported PyTorch and met the store.
      await sleep(launcher === "torchrun" ? 5000 : 1000);
      const endedMs = nowMs();
      for (const { host } of starts) await job.signalWorker(network.host(host), "USR1");
      const codes = await job.codes(hosts, limitMs);
      const elapsedMs = codes.every((code) => code === 0) ? nowMs() - endedMs : null;
      return { elapsedMs, note: endings(job), job };
    },
  },
  {
    name: "the store's host lost",
    goalMs: 2000,
    askedMs: LAST_CALL_SECONDS * 1000,
    limitMs: 40_000,
    run: async (network, launcher, limitMs) => {
      const { hosts, job } = await formed(network, launcher, { ...ELASTIC, nnodes: "3:4" });
      const lostMs = nowMs();
      await hosts[0]!.remove();
      const world = await job.world(hosts.slice(1), lostMs, limitMs);
      return { ...since(lostMs, world), note: endings(job), job };
    },
  },
  {
    name: "world formed over slow and lossy links",
    goalMs: 4000,
    askedMs: 0,
    limitMs: FORMING_LIMIT_MS,
    run: async (network, launcher, limitMs) => {
      const hosts = await network.add(["n0", "n1", "n2", "n3"]);
      await Promise.all(hosts.map((host) => host.slowDown(256)));
      await Promise.all(hosts.map((host) => host.losePackets(5)));
      const job = new Job(launcher, FIXED);
      const startedMs = nowMs();
      job.start(hosts);
      const world = await job.world(hosts, startedMs, limitMs);
      return { ...since(startedMs, world), note: endings(job), job };
    },
  },
];

/** A job of four hosts whose workers all run. */
async function formed(network: Network, launcher: HostsLauncher, options: JobOptions) {
  const hosts = await network.add(["n0", "n1", "n2", "n3"]);
  const job = new Job(launcher, options);
  job.start(hosts);
  await job.mustForm(hosts, 0, FORMING_LIMIT_MS);
  return { hosts, job };
}

function since(startedMs: number, world: { readonly atMs: number } | null): Pick<Outcome, "elapsedMs"> {
  return { elapsedMs: world === null ? null : world.atMs - startedMs };
}

/** How the agents ended that have: `n0 1, n1 1`. */
function endings(job: Job): string {
  return [...job.agents].filter(([, { end }]) => end !== null)
    .map(([host, { end }]) => `${host} ended with ${end!.signal ?? end!.code}`).join(", ");
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
