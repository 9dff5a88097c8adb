/**
 * What a launch command line means, once everything is resolved: the frozen contract between the command line
 * and the agent. Every value is final; no reader of a plan looks at arguments or the environment again.
 */

import type { SignalName } from "../core/errors.ts";

/** The workers' program, before `${local_rank}` is replaced. */
export interface WorkerCommand {
  /** The program to execute: an absolute path, or a name that the system finds on PATH. */
  readonly executable: string;
  /** Arguments that are passed on as they are: `-u`, `-m`. */
  readonly fixedArguments: readonly string[];
  /**
   * The script, where Python runs it, and its arguments; Python's `Template.safe_substitute` with `local_rank` runs
   * over each (`substituteLocalRank`), as under torchrun.
   */
  readonly scriptArguments: readonly string[];
  /** The name under which the failure report knows the program (torchrun.md 3.6). */
  readonly displayName: string;
  /** Directory to start in; always the launcher's own. */
  readonly cwd: string;
}

/** Where a stream of one worker goes: torchrun's `Std`, 0 console, 1 stdout, 2 stderr, 3 both to file. */
export type StreamMask = 0 | 1 | 2 | 3;

/** `-r`/`-t`: one mask for all workers, or masks by local rank with 0 for the others. */
export type StreamMasks = StreamMask | ReadonlyMap<number, StreamMask>;

export interface LogSettings {
  /** `--log-dir`; null: a temporary directory that is removed after success; "/dev/null": write nothing. */
  readonly baseDirectory: string | null;
  readonly redirects: StreamMasks;
  readonly tee: StreamMasks;
  /** Null: all workers reach the console. */
  readonly localRanksFilter: readonly number[] | null;
  /** Null: torchrun's `[${role_name}${local_rank}]:`. */
  readonly linePrefixTemplate: string | null;
  readonly duplicateStdoutFilters: readonly string[];
  readonly duplicateStderrFilters: readonly string[];
  /** `--ranks`: global ranks that reach the console; null: all. */
  readonly ranksShown: readonly RankRange[] | null;
  /** "auto": on a terminal, as far as the environment wants it. */
  readonly colour: "auto" | "always" | "never";
  readonly timestamps: boolean;
  /** "auto": on a terminal, equal lines of several workers become one. */
  readonly fold: "auto" | "never";
  /** `--log-max-size`; null: files have no limit. */
  readonly fileBytesMax: number | null;
  /** `--logs-specs`: path of the module that chooses places instead; null: none does. */
  readonly specsModule: string | null;
}

/** Ranks from `first` to `last`, both included. */
export interface RankRange {
  readonly first: number;
  readonly last: number;
}

/** The launcher's own messages. */
export interface MessageSettings {
  /** "normal": as LOGLEVEL says. */
  readonly verbosity: "quiet" | "normal" | "verbose";
  readonly format: "text" | "json";
}

/** Where the workers meet when the job has one node. */
export interface StoreSettings {
  /** Port of the workers' store; 0: any free one. */
  readonly port: number;
  /**
   * True: the launcher hosts the store (TORCHELASTIC_USE_AGENT_STORE=True). False, with
   * TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1: worker rank 0 does, on a port that the launcher keeps reserved.
   */
  readonly hostedByLauncher: boolean;
}

/** How the job is watched from outside; null: not asked for. */
export interface WatchSettings {
  /** `--events FILE`. */
  readonly eventsPath: string | null;
  /** `--event-log-handler console`: torchrun's event lines on stderr. */
  readonly torchEvents: boolean;
  /** `--metrics-port`: where Prometheus finds metrics. */
  readonly metrics: { readonly host: string; readonly port: number } | null;
  /** `--metrics-file FILE`. */
  readonly metricsPath: string | null;
  /** TORCHELASTIC_HEALTH_CHECK_PORT: where /healthz is served, on all addresses. */
  readonly healthPort: number | null;
}

/** How the nodes of a job with several meet. Durations in milliseconds. */
export interface MeetingPlan {
  readonly backend: "static" | "c10d" | "etcd-v3" | "etcd-v2" | "etcd";
  /** Where to meet, in the order in which to try; one, but for candidates that were named. */
  readonly endpoints: readonly MeetingEndpoint[];
  /** rdzv-conf `is_host`; static: this is node 0; null: found out from the endpoint. */
  readonly isHost: boolean | null;
  /** rdzv-conf `store_type=file`: the path of the file through which the nodes meet; null: no file. */
  readonly filePath: string | null;
  /** Every key of `--rdzv-conf`, as given. */
  readonly conf: ReadonlyMap<string, string>;
  readonly nodesStep: number;
  readonly joinMs: number;
  readonly lastCallMs: number;
  readonly keepAliveMs: number;
  readonly keepAliveAttempts: number;
  readonly exitBarrierMs: number;
  readonly onNodeLoss: "wait" | "fail";
  /** Whether another node takes over when the host is lost. */
  readonly failover: boolean;
  /** `--local-addr`; null: as the connections show. */
  readonly localAddress: string | null;
  /** `--node-id`; null: the host's name and a number of its own. */
  readonly nodeId: string | null;
  /** `--node-rank`, where it was given. */
  readonly nodeRank: number | null;
  /** This node's or task's position in the scheduler's list; null: no scheduler. */
  readonly schedulerRank: number | null;
  /** `--topology-key`; null: nothing is known. */
  readonly topologyKey: string | null;
  /** Every node has the same workers (TORCH_ELASTIC_WORKER_IDENTICAL=1). */
  readonly areWorkersIdentical: boolean;
  /** `--job-secret-file`; the secret itself is never in a plan. */
  readonly secretPath: string | null;
  /** `--store-allow`: who may connect where the launchers meet, beside this machine; null: everybody. */
  readonly allowed: string | null;
}

export interface MeetingEndpoint {
  readonly host: string;
  readonly port: number;
}

export interface LaunchPlan {
  readonly jobId: string;
  /** "static", "c10d", …, as it counts after `--standalone` and torchrun's own rules. */
  readonly rendezvousBackend: string;
  readonly rendezvousEndpoint: string;
  readonly nodesMin: number;
  readonly nodesMax: number;
  readonly nodeRank: number;
  /** Null: the job has one node, and nobody to meet. */
  readonly meeting: MeetingPlan | null;
  /** `--on-term`: what a signal but SIGINT ends, this node's part or the job. */
  readonly onTerm: "node" | "job";
  /** Workers on this node. */
  readonly workerCount: number;
  readonly role: string;
  readonly maxRestarts: number;
  readonly command: WorkerCommand;
  readonly store: StoreSettings;
  /**
   * Variables that the plan adds to the workers' inherited environment for all workers alike, such as
   * OMP_NUM_THREADS and TORCHELASTIC_SIGNALS_TO_HANDLE. What differs by rank is the agent's (worker_env.ts).
   */
  readonly environment: Readonly<Record<string, string>>;
  /** `--gpus 0,2,5`: the devices for the workers, as their mask names them; null: as inherited. */
  readonly devices: readonly string[] | null;
  /** `--numa-binding`: the CPUs of each worker by local rank, ascending; null: those of the launcher. */
  readonly cpuBinding: readonly (readonly number[])[] | null;
  readonly virtualLocalRank: boolean;
  /** Visible-device lists inherited from the environment, for `--virtual-local-rank` (torchrun.md 6). */
  readonly inheritedCudaVisibleDevices: string | null;
  readonly inheritedHipVisibleDevices: string | null;
  /** Signals that end this node's part of the job. */
  readonly signalsToHandle: readonly SignalName[];
  /** Signals that are passed on to the workers. */
  readonly forwardSignals: readonly SignalName[];
  readonly shutdownTimeoutMs: number;
  readonly keepDaemons: boolean;
  /** "relay": pipes or ptys through the launcher; "inherit": the workers hold the launcher's descriptors. */
  readonly console: "relay" | "inherit";
  /** Local rank that gets the launcher's stdin; null: rank 0 if there is one worker and a terminal. */
  readonly stdinRank: number | null;
  readonly exitCode: "torchrun" | "worker";
  /** `--report FILE`: where the machine-readable verdict goes; null: nowhere. */
  readonly reportPath: string | null;
  /** TORCHELASTIC_ERROR_FILE of the launcher itself, which receives the root cause; null: none. */
  readonly ownErrorFile: string | null;
  readonly logs: LogSettings;
  readonly messages: MessageSettings;
  readonly watch: WatchSettings;
  /** TORCHELASTIC_ENABLE_FILE_TIMER=1 with the FIFO's path, or null for a generated one; undefined: off. */
  readonly fileTimer: { readonly path: string | null } | undefined;
  /** TORCHELASTIC_UNINTERRUPTIBLE_STATE_TIMEOUT; null: off. */
  readonly uninterruptibleTimeoutMs: number | null;
}
