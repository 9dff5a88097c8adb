/**
 * The values of a command line after parsing, one field per option, before anything is resolved against the
 * machine. Fields of torchrun's options are named after its destinations; the rest are muster's own.
 */

/** Where a value came from, as `--dry-run` shows it. */
export type Origin =
  /** The option as it was written, such as `--nproc_per_node`. */
  | { readonly kind: "flag"; readonly name: string }
  /** The variable, such as PET_NNODES. */
  | { readonly kind: "environment"; readonly name: string }
  | { readonly kind: "default" };

export interface Options {
  // torchrun's, in the order of its help (torchrun.md 1.3). Text where torchrun itself keeps text.
  readonly nnodes: string;
  readonly nprocPerNode: string;
  readonly rdzvBackend: string;
  readonly rdzvEndpoint: string;
  readonly rdzvId: string;
  readonly rdzvConf: string;
  readonly standalone: boolean;
  readonly maxRestarts: number;
  /** Seconds. */
  readonly monitorInterval: number;
  readonly startMethod: string;
  readonly eventLogHandler: string;
  readonly role: string;
  readonly module: boolean;
  readonly noPython: boolean;
  readonly runPath: boolean;
  readonly logDir: string | null;
  readonly redirects: string;
  readonly tee: string;
  readonly logLinePrefixTemplate: string;
  readonly localRanksFilter: string;
  /** Lines of a stream that contain one of these are copied; empty: none are. */
  readonly duplicateStdoutFilters: readonly string[];
  readonly duplicateStderrFilters: readonly string[];
  readonly nodeRank: number;
  readonly masterAddr: string;
  readonly masterPort: number | null;
  readonly localAddr: string | null;
  readonly logsSpecs: string | null;
  readonly numaBinding: string | null;
  readonly signalsToHandle: string;
  /** Seconds. */
  readonly shutdownTimeout: number | null;
  readonly virtualLocalRank: boolean;
  readonly trainingScript: string;
  readonly trainingScriptArgs: readonly string[];
  /** Only `muster launch` (torch.distributed.launch) has it; true everywhere else. */
  readonly useEnv: boolean;

  // muster's own.
  readonly python: string | null;
  readonly gpus: string | null;
  readonly console: "relay" | "inherit";
  readonly stdinRank: number | null;
  readonly forwardSignals: string;
  readonly keepDaemons: boolean;
  readonly onTerm: "node" | "job";
  readonly onNodeLoss: "wait" | "fail";
  readonly noFailover: boolean;
  /** Seconds. */
  readonly exitBarrierTimeout: number;
  readonly nodeId: string | null;
  readonly topologyKey: string | null;
  readonly jobSecretFile: string | null;
  readonly storeAllow: string | null;
  readonly exitCode: "torchrun" | "worker";
  readonly report: string | null;
  readonly color: "auto" | "always" | "never";
  /** Global ranks; empty: all. */
  readonly ranks: string;
  readonly timestamps: boolean;
  readonly fold: "auto" | "never";
  readonly logMaxSize: string | null;
  readonly verbose: boolean;
  readonly quiet: boolean;
  readonly logFormat: "text" | "json";
  readonly events: string | null;
  readonly metricsPort: string | null;
  readonly metricsFile: string | null;
  readonly force: boolean;
  readonly dryRun: "off" | "text" | "json";
}

export type OptionName = keyof Options;

/** Options with the origin of each. */
export interface ParsedOptions {
  readonly values: Options;
  readonly origins: ReadonlyMap<OptionName, Origin>;
}
