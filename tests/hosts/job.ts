/**
 * One job over several hosts, with one agent a host and workers that never notice a lost peer: each says once where it
 * stands and then waits. So whatever happens after a fault is the launcher's doing.
 */

import { LAUNCHERS } from "../interop/harness.ts";
import type { Host } from "./host.ts";
import { type HostProcess, untilFound } from "./host_process.ts";

export type HostsLauncher = "muster" | "torchrun";

/**
 * The worker: SIGUSR1 ends it well, SIGUSR2 badly. The read of an empty pipe of its own waits without a child. Launchers
 * make one of two dollar signs, so there are none.
 */
const WORKER = `
exec 3<> <(:)
trap 'exit 0' USR1
trap 'exit 3' USR2
echo "WORKER $HOSTNAME $BASHPID $RANK $WORLD_SIZE $GROUP_RANK $TORCHELASTIC_RESTART_COUNT $MASTER_ADDR $MASTER_PORT $EPOCHREALTIME"
while :; do read -r -u 3; done`;

const WAITING_PROGRAM: readonly string[] = ["--no-python", "bash", "-c", WORKER];

/** What a worker said when it started. */
export interface Start {
  readonly host: string;
  /** By the host's own count. */
  readonly pid: number;
  readonly rank: number;
  readonly worldSize: number;
  readonly groupRank: number;
  readonly restartCount: number;
  readonly masterAddress: string;
  readonly masterPort: number;
  /** Wall clock, which all hosts of one machine share. */
  readonly atMs: number;
}

export interface World {
  /** By rank. */
  readonly starts: readonly Start[];
  /** When the last of its workers ran. */
  readonly atMs: number;
}

export interface JobOptions {
  readonly nnodes: string;
  /** `host:port`; without one, that of the first host. */
  readonly endpoint?: string;
  readonly conf?: string;
  readonly more?: readonly string[];
  readonly processesPerNode?: number;
  /** Instead of the worker that only waits: the words after the options. */
  readonly program?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** How long something may take that is expected to come. */
export const PATIENCE_MS = 60_000;

export class Job {
  readonly agents = new Map<string, HostProcess>();

  constructor(readonly launcher: HostsLauncher, readonly options: JobOptions) {}

  /** Starts an agent on each of the hosts; `more` are options, and `program` the words after them, of these alone. */
  start(
    hosts: readonly Host[],
    more: readonly string[] = [],
    program: readonly string[] = this.options.program ?? WAITING_PROGRAM,
  ): HostProcess[] {
    return hosts.map((host) => {
      const agent = host.start([
        ...LAUNCHERS[this.launcher],
        ...this.#options(hosts[0]!),
        ...more,
        ...program,
      ], {
        ...this.options.env,
      });
      this.agents.set(host.name, agent);
      return agent;
    });
  }

  #endpoint: string | undefined;

  #options(first: Host): string[] {
    const { nnodes, conf, more, processesPerNode, endpoint } = this.options;
    this.#endpoint ??= endpoint ?? `${first.name}:29400`;
    return [
      `--nnodes=${nnodes}`,
      `--nproc-per-node=${processesPerNode ?? 1}`,
      "--rdzv-backend=c10d",
      "--rdzv-id=job",
      `--rdzv-endpoint=${this.#endpoint}`,
      ...(conf === undefined ? [] : [`--rdzv-conf=${conf}`]),
      ...(more ?? []),
    ];
  }

  agent(host: Host): HostProcess {
    return this.agents.get(host.name)!;
  }

  /** What every worker so far said, in the order of their starts. */
  starts(): Start[] {
    return [...this.agents.values()].flatMap(({ lines }) => lines.flatMap(readStart)).sort((a, b) =>
      a.atMs - b.atMs
    );
  }

  /**
   * The first world of exactly these hosts (or of so many, whichever) whose workers all started after `sinceMs`: the ranks are 0 to n−1 and all
   * agree on the size and the master. Null when none comes in time, or when every agent has ended.
   */
  async world(
    hosts: readonly Host[] | number,
    sinceMs: number,
    timeoutMs = PATIENCE_MS,
  ): Promise<World | null> {
    const found = await untilFound([...this.agents.values()], () => {
      const world = findWorld(
        this.starts().filter(({ atMs }) => atMs > sinceMs),
        namesOf(hosts),
      );
      const areAllEnded = [...this.agents.values()].every(({ end }) => end !== null);
      return world ?? (areAllEnded ? "ended" : null);
    }, timeoutMs);
    return found === "ended" ? null : found;
  }

  /** As `world`, but one that must come; else the error has all that the agents said. */
  async mustForm(hosts: readonly Host[] | number, sinceMs: number, timeoutMs = PATIENCE_MS): Promise<World> {
    const world = await this.world(hosts, sinceMs, timeoutMs);
    if (world === null) throw new Error(`No world of ${namesOf(hosts)} came\n${this.text()}`);
    return world;
  }

  /** Signals the running worker of a host. */
  async signalWorker(host: Host, signal: "USR1" | "USR2" | "KILL"): Promise<void> {
    const start = this.starts().findLast((start) => start.host === host.name);
    if (start === undefined) throw new Error(`No worker has started on ${host.name}\n${this.text()}`);
    await host.run(["bash", "-c", `kill -${signal} ${start.pid}`]).catch((error) => {
      throw new Error(`The worker on ${host.name} is not there: ${error.message}\n${this.text()}`);
    });
  }

  /** The exit codes of these hosts' agents, once all have ended; -1 for one that hasn't in time, or died of a signal. */
  async codes(hosts: readonly Host[], timeoutMs = PATIENCE_MS): Promise<number[]> {
    const agents = hosts.map((host) => this.agent(host));
    await untilFound(agents, () => agents.every(({ end }) => end !== null) || null, timeoutMs);
    return agents.map(({ end }) => end === null || end.signal !== null ? -1 : end.code);
  }

  /** The worlds that the living workers on these hosts believe in; more than one is a split world. */
  async livingWorlds(hosts: readonly Host[]): Promise<string[]> {
    const script = `for file in /proc/[0-9]*/environ; do tr '\\0' '\\n' <$file 2>/dev/null | sort |
      sed -n 's/^\\(MASTER_ADDR\\|MASTER_PORT\\|WORLD_SIZE\\|TORCHELASTIC_RESTART_COUNT\\)=//p' | tr '\\n' ' '; echo; done`;
    const found = await Promise.all(hosts.map((host) => host.run(["bash", "-c", script])));
    return [...new Set(found.flatMap((text) => text.split("\n")).map((line) => line.trim()).filter(Boolean))];
  }

  /** Everything that was said, by host. */
  text(): string {
    return [...this.agents].map(([host, agent]) => {
      const ending = agent.end === null ? "still runs" : `ended with ${agent.end.signal ?? agent.end.code}`;
      return `--- ${host} (${ending})\n${agent.text()}`;
    }).join("\n");
  }
}

function readStart(line: string): Start[] {
  const words = line.match(/WORKER (\S+) (\d+) (\d+) (\d+) (\d+) (\d+) (\S+) (\d+) ([\d.]+)/);
  if (words === null) return [];
  const [, host, pid, rank, worldSize, groupRank, restartCount, masterAddress, masterPort, seconds] = words;
  return [{
    host: host!,
    pid: Number(pid),
    rank: Number(rank),
    worldSize: Number(worldSize),
    groupRank: Number(groupRank),
    restartCount: Number(restartCount),
    masterAddress: masterAddress!,
    masterPort: Number(masterPort),
    atMs: Number(seconds) * 1000,
  }];
}

/** The newest start of every rank makes the world, if they fit together. */
function findWorld(starts: readonly Start[], hosts: readonly string[] | number): World | null {
  const newest = new Map(starts.map((start) => [start.rank, start]));
  const members = [...newest.values()].sort((a, b) => a.rank - b.rank);
  const [first] = members;
  if (first === undefined || members.length !== first.worldSize) return null;
  const fits = members.every((start, rank) =>
    start.rank === rank && start.worldSize === first.worldSize &&
    start.masterAddress === first.masterAddress &&
    start.masterPort === first.masterPort
  );
  const present = new Set(members.map(({ host }) => host));
  if (!fits || present.size !== (typeof hosts === "number" ? hosts : hosts.length)) return null;
  if (typeof hosts !== "number" && !hosts.every((host) => present.has(host))) return null;
  return { starts: members, atMs: Math.max(...members.map(({ atMs }) => atMs)) };
}

/** The wall clock that workers print too. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function namesOf(hosts: readonly Host[] | number): string[] | number {
  return typeof hosts === "number" ? hosts : hosts.map(({ name }) => name);
}
