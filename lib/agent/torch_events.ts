/**
 * The lines of torchrun's `--event-log-handler console` (torchrun.md 6, "Event log"; recorded from 2.15): the same
 * events with the same fields in the same order, and Python's way of writing JSON.
 *
 * Rules: where torchrun's values are wrong, ours are right: `timestamp` is the time in milliseconds (its is always 0),
 * the fields of the inner `metadata` are values (its are lists of one), a launcher whose workers failed ends as
 * FAILED (its as SUCCEEDED), with the root cause in `raw_error`, and `duration_ms` of a restart's RENDEZVOUS does not
 * contain the stopping of the old workers.
 */

import type { InstantMs } from "../core/time.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import { pythonExitCode } from "../supervise/exit_status.ts";
import type { AgentEvent } from "./event.ts";
import type { JobEvent } from "./job_event.ts";
import type { Verdict } from "./report.ts";

type State = "RENDEZVOUS" | "ASSIGN_WORKER_RANKS" | "START" | "SUCCEEDED" | "FAILED" | "TERMINATED";

interface Worker {
  readonly rank: number;
  readonly localRank: number;
  readonly pid: number;
  /** Python's convention; undefined: it runs. */
  exitCode: number | undefined;
  /** The JSON of its error file, or torchrun's stand-in; null: it did not fail. */
  rawError: string | null;
}

/** What torchrun says of a failure without an error file. */
const NO_ERROR_FILE = {
  message: "<NONE>",
  errorTraits: { category: "system_terminated_error", retryability: "False" },
};

export class TorchEvents {
  readonly #plan: LaunchPlan;
  readonly #hostName: string;
  readonly #entryPoint: string;
  #workers: Worker[] = [];
  /** Of the round that runs; torchrun knows the group's size only once a round was formed. */
  #place:
    | { readonly groupRank: number; readonly groupWorldSize: number; readonly worldSize: number }
    | undefined;
  #restarts = 0;
  #verdict: Verdict | undefined;

  constructor(plan: LaunchPlan, hostName: string) {
    this.#plan = plan;
    this.#hostName = hostName;
    this.#entryPoint = plan.command.executable.split("/").at(-1)!;
  }

  /** The lines, each with its newline, for an event of the agent's and what the recorder made of it. */
  observe(event: AgentEvent, found: readonly JobEvent[], now: InstantMs): string[] {
    if (event.kind === "worker-ended") {
      const worker = this.#workers.find(({ localRank }) => localRank === event.localRank);
      if (worker !== undefined) worker.exitCode = pythonExitCode(event.status);
    }
    if (event.kind === "judged") this.#verdict = event.verdict;
    return found.flatMap((happened) => this.#lines(happened, now));
  }

  #lines(event: JobEvent, now: InstantMs): string[] {
    switch (event.event) {
      case "round-formed": {
        this.#restarts = event.attempt ?? 0;
        this.#verdict = undefined;
        // The rank that this machine had before, as torchrun tells it.
        const rendezvous = this.#agentLine(event, "RENDEZVOUS", { durationMs: event.durationMs });
        const assigned = this.#agentLine(event, "ASSIGN_WORKER_RANKS", { durationMs: 0 });
        const own = event.nodes.find(({ host }) => host === event.host) ?? event.nodes[0];
        this.#place = {
          groupRank: own?.nodeRank ?? 0,
          groupWorldSize: event.nodeCount,
          worldSize: event.worldSize,
        };
        this.#workers = [];
        return [rendezvous, assigned];
      }
      case "worker-started": {
        const { rank, localRank, pid } = event;
        this.#workers.push({ rank, localRank, pid, exitCode: undefined, rawError: null });
        return [];
      }
      case "workers-running":
        return this.#workers.map((worker) => this.#workerLine(event, "START", worker, 0));
      case "job-ended": {
        const seconds = Math.floor(now / 1000);
        const state = event.outcome === "succeeded" ? "SUCCEEDED" : "FAILED";
        const rawError = event.outcome === "succeeded" ? null : event.cause;
        const agent = this.#agentLine(event, state, { rawError, seconds });
        // A launcher that was told to stop reports of itself alone, as torchrun's.
        if (event.outcome === "stopped") return [agent];
        return [...this.#workers.map((worker) => this.#endLine(event, worker, seconds)), agent];
      }
      default:
        return [];
    }
  }

  #endLine(event: JobEvent & { event: "job-ended" }, worker: Worker, seconds: number): string {
    const { exitCode } = worker;
    if (exitCode === 0 || exitCode === undefined) {
      const state = event.outcome === "succeeded" ? "SUCCEEDED" : "TERMINATED";
      return this.#workerLine(event, state, worker, seconds);
    }
    return this.#workerLine(
      event,
      "FAILED",
      { ...worker, rawError: this.#rawError(worker.localRank) },
      seconds,
    );
  }

  #rawError(localRank: number): string {
    const verdict = this.#verdict;
    const failures = verdict === undefined
      ? []
      : [verdict.rootCause, ...verdict.others, ...verdict.consequences, ...verdict.stopped];
    const record = failures.find((failure) => failure?.facts.localRank === localRank)?.record;
    return pythonJson(record?.document ?? NO_ERROR_FILE);
  }

  #agentLine(
    event: JobEvent,
    state: State,
    { durationMs = null, rawError = null, seconds = 0 }: {
      readonly durationMs?: number | null;
      readonly rawError?: string | null;
      readonly seconds?: number;
    },
  ): string {
    return this.#line(event, "AGENT", state, {
      globalRank: null,
      workerId: null,
      seconds,
      rawError,
      inner: {},
      durationMs,
    });
  }

  #workerLine(event: JobEvent, state: State, worker: Worker, seconds: number): string {
    const failed = worker.rawError !== null;
    const inner = {
      local_rank: worker.localRank,
      role_rank: worker.rank,
      role_world_size: this.#place?.worldSize ?? null,
      exit_code: failed ? worker.exitCode : null,
      worker_pid: failed ? worker.pid : null,
    };
    return this.#line(event, "WORKER", state, {
      globalRank: worker.rank,
      workerId: String(worker.pid),
      seconds,
      rawError: worker.rawError,
      inner,
      durationMs: null,
    });
  }

  #line(event: JobEvent, source: "AGENT" | "WORKER", state: State, values: {
    readonly globalRank: number | null;
    readonly workerId: string | null;
    readonly seconds: number;
    readonly rawError: string | null;
    readonly inner: object;
    readonly durationMs: number | null;
  }): string {
    const { jobId, role, rendezvousBackend } = this.#plan;
    const text = pythonJson({
      name: `torchelastic.worker.status.${state}`,
      source,
      timestamp: Math.round(event.time),
      metadata: {
        run_id: jobId,
        global_rank: values.globalRank,
        group_rank: this.#place?.groupRank ?? null,
        worker_id: values.workerId,
        role,
        hostname: this.#hostName,
        state,
        total_run_time: values.seconds,
        rdzv_backend: rendezvousBackend,
        raw_error: values.rawError,
        metadata: pythonJson({
          group_world_size: this.#place?.groupWorldSize ?? null,
          entry_point: this.#entryPoint,
          ...values.inner,
        }),
        agent_restarts: this.#restarts,
        duration_ms: values.durationMs,
      },
    });
    return `${text}\n`;
  }
}

/** `value` as Python's `json.dumps` writes it: a blank after colons and commas, and nothing but ASCII. */
export function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).map(([name, field]) => `${pythonJson(name)}: ${pythonJson(field)}`);
    return `{${fields.join(", ")}}`;
  }
  return (JSON.stringify(value) ?? "null").replace(
    // deno-lint-ignore no-control-regex
    /[^\x00-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
