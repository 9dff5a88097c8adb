/** A job of two nodes on this machine, one of torchrun's and one of ours, and what their workers saw. */

import { allEnded, freePort, plainEnvironment, type Run, runProgram, waitForFile } from "./harness.ts";
import { pythonOf, type Release } from "./torch_releases.ts";
import { LAUNCHERS } from "./harness.ts";

export type Side = "torchrun" | "muster";

export interface MixedJob {
  readonly release?: Release;
  /** What carries the rendezvous; "c10d" by default. `etcd`: HOST:PORT of an etcd with its v2 API. */
  readonly backend?: "c10d" | "static" | "file" | { readonly etcd: string };
  /** Who serves the rendezvous. */
  readonly host: Side;
  /** Whose address comes first, and with it group rank 0. */
  readonly first: Side;
  readonly nodes?: string;
  readonly maxRestarts?: number;
  readonly conf?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Workers of our node; 1 by default, where torchrun's has 2. */
  readonly ourWorkers?: number;
  readonly ourOptions?: readonly string[];
  /** Seconds that a worker lasts. */
  readonly seconds?: number;
  /** A worker that fails in the round that its node calls its `restart`th: "RANK.RESTART". */
  readonly fail?: string;
  /** Called with both launchers' pids once all workers of the first round have started. */
  readonly onStarted?: (pids: Readonly<Record<Side, number>>) => Promise<void>;
  /** Who comes only when the other's worker has started. */
  readonly late?: Side;
}

/** What one worker saw. */
export interface Seen {
  readonly side: Side;
  readonly rank: number;
  readonly worldSize: number;
  readonly groupRank: number;
  readonly restart: number;
  readonly store: string;
}

export interface MixedRun {
  readonly runs: Readonly<Record<Side, Run>>;
  /** In the order of ranks, one list for each round: a round is over when a rank is seen again. */
  readonly rounds: readonly (readonly Seen[])[];
}

const WORKER = `
echo "SEEN $RANK $WORLD_SIZE $GROUP_RANK $TORCHELASTIC_RESTART_COUNT $MASTER_ADDR:$MASTER_PORT" | tee -a "$1"
[ "$RANK.$TORCHELASTIC_RESTART_COUNT" != "$2" ] || { sleep 1; exit 3; }
exec sleep "$3"
`;

/** Runs it to the end of both launchers. */
export async function runMixedJob(job: MixedJob): Promise<MixedRun> {
  const folder = await Deno.makeTempDir({ prefix: "muster-mixed-" });
  const port = freePort();
  const pids: Record<Side, number> = { torchrun: 0, muster: 0 };
  const file = (side: Side) => `${folder}/${side}`;
  const run = async (side: Side): Promise<Run> => {
    const other = side === "muster" ? "torchrun" : "muster";
    if (job.late === side) await waitForFile(file(other));
    const program = side === "muster"
      ? LAUNCHERS.muster
      : [pythonOf(job.release ?? "2.15"), "-m", "torch.distributed.run"];
    return await runProgram([
      ...program,
      ...rendezvousOptions(job, side, { folder, port }),
      ...side === "muster" ? job.ourOptions ?? [] : [],
      ...[
        "--nnodes",
        job.nodes ?? "2",
        "--nproc-per-node",
        side === "muster" ? String(job.ourWorkers ?? 1) : "2",
      ],
      ...["--max-restarts", String(job.maxRestarts ?? 0), "--rdzv-id", "mixed", "--no-python"],
      ...["sh", "-c", WORKER, "worker", file(side), job.fail ?? "never", String(job.seconds ?? 4)],
    ], {
      env: { ...plainEnvironment(), ...job.env },
      timeoutMs: 110_000,
      whileRunning: async (pid) => {
        pids[side] = pid;
        if (side !== "muster" || job.onStarted === undefined) return;
        await Promise.all([waitForFile(file("muster")), waitForFile(file("torchrun"))]);
        await job.onStarted(pids);
      },
    });
  };
  try {
    const [torchrun, muster] = await allEnded([run("torchrun"), run("muster")]);
    return {
      runs: { torchrun, muster },
      rounds: roundsOf([...seenBy("torchrun", torchrun), ...seenBy("muster", muster)], job.ourWorkers ?? 1),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function rendezvousOptions(
  { backend = "c10d", host, first, conf }: MixedJob,
  side: Side,
  { folder, port }: { readonly folder: string; readonly port: number },
): string[] {
  if (backend === "static") {
    return [
      "--node-rank",
      side === first ? "0" : "1",
      "--master-addr",
      "127.0.0.1",
      "--master-port",
      String(port),
    ];
  }
  const address = ["--local-addr", side === first ? "127.0.0.1" : "127.0.0.2"];
  const confs = ["keep_alive_interval=2", ...(conf === undefined ? [] : [conf])];
  if (typeof backend === "object") {
    return [
      ...address,
      "--rdzv-backend",
      "etcd-v2",
      "--rdzv-endpoint",
      backend.etcd,
      "--rdzv-conf",
      confs.join(","),
    ];
  }
  confs.push(backend === "file" ? "store_type=file" : `is_host=${side === host ? 1 : 0}`);
  const endpoint = backend === "file" ? `${folder}/rendezvous` : `127.0.0.1:${port}`;
  return [...address, "--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint, "--rdzv-conf", confs.join(",")];
}

function seenBy(side: Side, { stdout }: Run): Seen[] {
  return [...stdout.matchAll(/SEEN (\d+) (\d+) (\d+) (\d+) (\S+)/g)].map((
    [, rank, worldSize, groupRank, restart, store],
  ) => ({
    ...{ side, rank: Number(rank), worldSize: Number(worldSize) },
    ...{ groupRank: Number(groupRank), restart: Number(restart), store: store! },
  }));
}

/** The n-th time that a side's local worker was seen is in the n-th round that the side took part in. */
function roundsOf(seen: readonly Seen[], ourWorkers: number): Seen[][] {
  const perSide = {
    torchrun: chunks(seen.filter(({ side }) => side === "torchrun"), 2),
    muster: chunks(seen.filter(({ side }) => side === "muster"), ourWorkers),
  };
  const count = Math.max(perSide.torchrun.length, perSide.muster.length);
  return Array.from(
    { length: count },
    (_, index) =>
      [...perSide.torchrun[index] ?? [], ...perSide.muster[index] ?? []].sort((a, b) => a.rank - b.rank),
  );
}

function chunks(seen: readonly Seen[], size: number): Seen[][] {
  const found: Seen[][] = [];
  for (let index = 0; index < seen.length; index += size) found.push(seen.slice(index, index + size));
  return found;
}
