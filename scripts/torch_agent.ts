/**
 * `deno run -A scripts/torch_agent.ts JSON`: a small agent that does nothing but take part in a job of torchrun's by
 * `TorchMeeting`, for trying that by itself. It prints a line of JSON for each thing that happens; SIGTERM makes it leave.
 */

import { exitCodeOfSignal } from "../lib/core/errors.ts";
import { VERSION } from "../lib/core/version.ts";
import { startStoreServer, type StoreServer } from "../lib/host/store_server.ts";
import { startTorchMeeting } from "../lib/host/torch_meeting_link.ts";
import { TorchStore } from "../lib/host/torch_store.ts";
import type { MeetingNews, Seat } from "../lib/rendezvous/meeting.ts";
import { workerEnvironment } from "../lib/supervise/worker_env.ts";

interface Settings {
  readonly jobId: string;
  readonly host: string;
  readonly port: number;
  /** Serves the rendezvous itself. */
  readonly isHost?: boolean;
  readonly address: string;
  readonly localId?: number;
  readonly nodesMin: number;
  readonly nodesMax: number;
  readonly workerCount?: number;
  readonly maxRestarts?: number;
  readonly lastCallMs?: number;
  readonly joinMs?: number;
  readonly keepAliveMs?: number;
  readonly command: readonly string[];
}

const settings: Settings = JSON.parse(Deno.args[0]!);
const { jobId, host, port, address, nodesMin, nodesMax, workerCount = 1, maxRestarts = 0 } = settings;
const role = "default";
const sharesStore = Deno.env.get("TORCH_DISABLE_SHARE_RDZV_TCP_STORE") !== "1";
const note = (value: Record<string, unknown>) => console.log(JSON.stringify(value));

const rendezvous = settings.isHost ? startStoreServer({ host: "0.0.0.0", port }) : null;
const shared = await TorchStore.connect({ host, port, jobId, timeoutMs: 60_000 });
let workersStore: StoreServer | null = null;
let workers: Deno.ChildProcess[] = [];
let isStopping = false;

const meeting = startTorchMeeting(
  {
    me: { address, pid: Deno.pid, localId: settings.localId ?? 0 },
    rules: { nodesMin, nodesMax, lastCallMs: settings.lastCallMs ?? 30_000 },
    keepAliveMs: settings.keepAliveMs ?? 5000,
    keepAliveAttempts: 3,
    backoffMsMax: 0,
    claimMs: 10_000,
    jobId,
    role,
    workerCount,
    maxRestarts,
    joinMs: settings.joinMs ?? 600_000,
    closeMs: 30_000,
    readMs: 60_000,
    exitBarrierMs: 300_000,
    isIdentical: Deno.env.get("TORCH_ELASTIC_WORKER_IDENTICAL") === "1",
    sharesStore,
    version: VERSION,
    seed: Deno.pid,
  },
  shared,
  { onNews, onSay: (level, text) => note({ say: text, level }) },
);
Deno.addSignalListener("SIGTERM", () => {
  meeting.request({ kind: "leave", signal: "SIGTERM", scope: "node" });
  const round = current;
  if (round !== null) stopWorkers().then(() => meeting.request({ kind: "cleared", round, report: null }));
});
let current: number | null = null;
meeting.request({ kind: "join" });

async function onNews(news: MeetingNews): Promise<void> {
  note({ news: news.kind, ...news });
  switch (news.kind) {
    case "serve-store": {
      if (workersStore === null) workersStore = startStoreServer({ host: "0.0.0.0", port: 0 });
      else workersStore.reset();
      const store = { address, port: workersStore.port, hostedByLauncher: sharesStore };
      return meeting.request({ kind: "store-served", round: news.round, store });
    }
    case "round":
      return await run(news.seat);
    case "round-over":
      await stopWorkers();
      return meeting.request({ kind: "cleared", round: news.round, report: null });
    case "go-on":
      return meeting.request({ kind: "join" });
    case "job-over":
      await stopWorkers();
      meeting.close();
      // The host leaves last when all went well: torchrun's agents close the record when they have seen the end. Of a
      // failure they hear by nothing but the loss of the store.
      for (let waited = 0; waited < 50; waited++) {
        if (news.outcome.code !== 0 || (rendezvous?.stats.connections ?? 0) === 0) break;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return Deno.exit(news.outcome.code);
  }
}

async function run(seat: Seat): Promise<void> {
  isStopping = false;
  current = seat.round;
  // The store of a worker that is to open it itself is at a port that must be free.
  if (!sharesStore && seat.groupRank === 0) workersStore?.close();
  workers = Array.from({ length: workerCount }, (_, localRank) => {
    const env = workerEnvironment({
      ...{ localRank, localWorldSize: workerCount, role, maxRestarts, jobId, errorFile: "", mark: "" },
      ...seat,
      rank: seat.baseRank + localRank,
      roleRank: seat.baseRoleRank + localRank,
      masterAddress: seat.store.address,
      masterPort: seat.store.port,
      storeHostedByLauncher: seat.store.hostedByLauncher,
    });
    const [program, ...args] = settings.command;
    const mark = Deno.env.get("MUSTER_MARK") ?? "";
    return new Deno.Command(program!, { args, env: { ...env, MUSTER_MARK: mark }, stdin: "null" }).spawn();
  });
  meeting.request({ kind: "running", round: seat.round });
  const statuses = await Promise.all(workers.map(async (worker) => {
    const status = await worker.status;
    if (status.code !== 0 && !isStopping) {
      isStopping = true;
      const exitCode = status.signal === null ? status.code : exitCodeOfSignal(status.signal as "SIGTERM");
      const failure = { kind: "worker", text: `lost a worker (exit code ${exitCode})`, exitCode } as const;
      meeting.request({ kind: "failed", round: seat.round, failure });
      for (const other of workers) kill(other);
    }
    return status;
  }));
  current = null;
  workers = [];
  if (statuses.every(({ code }) => code === 0)) {
    return meeting.request({ kind: "succeeded", round: seat.round });
  }
  meeting.request({ kind: "cleared", round: seat.round, report: null });
}

async function stopWorkers(): Promise<void> {
  isStopping = true;
  for (const worker of workers) kill(worker);
  await Promise.all(workers.map((worker) => worker.status));
}

function kill(worker: Deno.ChildProcess): void {
  try {
    worker.kill("SIGTERM");
  } catch {
    // It has ended.
  }
}
