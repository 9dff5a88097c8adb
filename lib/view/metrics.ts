/**
 * The metrics of a job: names, meanings and values, from its status. Names follow Prometheus' rules: base units, and
 * `_total` for what only grows (https://prometheus.io/docs/practices/naming/).
 */

import { VERSION } from "../core/version.ts";
import type { JobPhase, WorkerStage } from "../agent/job_progress.ts";
import { allRanks, type JobStatus } from "./status.ts";

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly kind: "gauge" | "counter";
  readonly labels: readonly string[];
  readonly samples: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

const PHASES: readonly JobPhase[] = [
  "starting",
  "running",
  "stopping",
  "restarting",
  "succeeded",
  "failed",
  "stopped",
];
const STAGES: readonly WorkerStage[] = ["waiting", "running", "succeeded", "failed", "stopped"];

/** `nowSeconds`: the time of day, in seconds since 1970. */
export function jobMetrics(status: JobStatus, nowSeconds: number): Metric[] {
  const ranks = allRanks(status);
  const count = (stage: WorkerStage) => ranks.reduce((sum, { state }) => sum + (state === stage ? 1 : 0), 0);
  const counters = status.store?.counters ?? null;
  const node = status.nodes[0];
  return [
    {
      ...gauge("muster_job_info", "What runs here; always 1"),
      labels: ["job", "program", "role", "host", "version"],
      samples: [{
        labels: {
          job: status.job,
          program: status.program,
          role: status.role,
          host: node?.host ?? "",
          version: VERSION,
        },
        value: 1,
      }],
    },
    labelled(
      "muster_job_phase",
      "1 for the phase that the job is in",
      "phase",
      PHASES,
      (phase) => phase === status.phase ? 1 : 0,
    ),
    labelled("muster_workers", "Workers of this node by state", "state", STAGES, count),
    single("gauge", "muster_workers_up", "Workers of this node that run", count("running")),
    single("gauge", "muster_world_size", "Workers of the whole job", status.worldSize),
    single("counter", "muster_restarts_total", "How often all workers were started again", status.attempt),
    single("gauge", "muster_round", "Number of the round, from 0", status.round),
    single(
      "gauge",
      "muster_rendezvous_seconds",
      "What it took to form the present round",
      seconds(status.rendezvousMs),
    ),
    single(
      "counter",
      "muster_lost_seconds_total",
      "From each failure until all workers ran again",
      status.lostMs / 1000,
    ),
    single(
      "gauge",
      "muster_first_worker_seconds",
      "From the launcher's start to the first worker's",
      seconds(status.firstWorkerMs),
    ),
    single(
      "gauge",
      "muster_start_time_seconds",
      "The launcher's start",
      nowSeconds - status.elapsedMs / 1000,
    ),
    single(
      "counter",
      "muster_store_requests_total",
      "Requests that the store answered",
      counters?.requests ?? null,
    ),
    single("gauge", "muster_store_connections", "Connections of the store", counters?.connections ?? null),
    single("gauge", "muster_store_keys", "Keys in the store", counters?.keys ?? null),
    single("gauge", "muster_store_bytes", "Bytes of keys and values in the store", counters?.bytes ?? null),
    labelled(
      "muster_worker_up",
      "1 while the worker runs",
      "rank",
      ranks,
      ({ state }) => state === "running" ? 1 : 0,
      ({ rank }) => String(rank),
    ),
    {
      ...labelled(
        "muster_output_bytes_total",
        "Bytes that the worker printed in this attempt",
        "rank",
        ranks,
        ({ outputBytes }) => outputBytes,
        ({ rank }) => String(rank),
      ),
      kind: "counter" as const,
    },
    labelled(
      "muster_output_last_timestamp_seconds",
      "When the worker printed last",
      "rank",
      ranks.filter(({ silentMs }) => silentMs !== null),
      ({ silentMs }) => nowSeconds - silentMs! / 1000,
      ({ rank }) => String(rank),
    ),
  ].filter(({ samples }) => samples.length > 0);
}

/** A value that isn't known is no sample. */
function single(kind: Metric["kind"], name: string, help: string, value: number | null): Metric {
  return { name, help, kind, labels: [], samples: value === null ? [] : [{ labels: {}, value }] };
}

function gauge(name: string, help: string): Pick<Metric, "name" | "help" | "kind"> {
  return { name, help, kind: "gauge" };
}

function labelled<Item>(
  name: string,
  help: string,
  label: string,
  items: readonly Item[],
  value: (item: Item) => number,
  text: (item: Item) => string = String,
): Metric {
  const samples = items.map((item) => ({ labels: { [label]: text(item) }, value: value(item) }));
  return { ...gauge(name, help), labels: [label], samples };
}

function seconds(milliseconds: number | null): number | null {
  return milliseconds === null ? null : milliseconds / 1000;
}
