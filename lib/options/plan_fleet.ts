/**
 * How the nodes of a job with several find each other, and what they have agreed on. Defaults are torchrun's
 * (torchrun.md 4.1); what it has no word for is ours.
 */

import { givenName } from "./checks.ts";
import { checkedValue } from "./checked.ts";
import type { MeetingEndpoint, MeetingPlan } from "./launch_plan.ts";
import { type MachineView, variable } from "./machine_view.ts";
import type { ParsedOptions } from "./options.ts";
import { parsePythonInteger } from "./python_numbers.ts";
import type { RendezvousChoice } from "./rendezvous_choice.ts";
import { parseRendezvousConf, type RendezvousConf } from "./rendezvous_conf.ts";
import { type NodeRange, parseEndpoint } from "./values.ts";

const C10D_PORT = 29400;
const ETCD_PORT = 2379;

/** Seconds: torchrun's defaults, the first where `join_timeout` is not given. */
const JOIN_SECONDS = 600;
const STATIC_JOIN_SECONDS = 900;
const LAST_CALL_SECONDS = 30;
const KEEP_ALIVE_SECONDS = 5;
const KEEP_ALIVE_ATTEMPTS = 3;

/** For options that have been checked. */
export function planFleet(
  parsed: ParsedOptions,
  choice: RendezvousChoice,
  nodes: NodeRange,
  machine: MachineView,
): MeetingPlan {
  const { values } = parsed;
  const conf = checkedValue(parseRendezvousConf(values.rdzvConf));
  const isStatic = choice.backend === "static";
  const isFile = choice.backend === "c10d" && conf.get("store_type")?.toLowerCase() === "file";
  const seconds = (key: string, standard: number) => parsePythonInteger(conf.get(key) ?? "") ?? standard;
  const joinSeconds = isStatic || choice.backend === "etcd"
    ? seconds("timeout", STATIC_JOIN_SECONDS)
    : seconds("join_timeout", JOIN_SECONDS);
  return {
    backend: choice.backend as MeetingPlan["backend"],
    endpoints: isFile ? [] : endpointsOf(choice),
    isHost: isStatic ? values.nodeRank === 0 : flagOf(conf, "is_host"),
    filePath: isFile ? choice.endpoint : null,
    conf,
    nodesStep: nodes.step,
    joinMs: joinSeconds * 1000,
    lastCallMs: seconds("last_call_timeout", LAST_CALL_SECONDS) * 1000,
    keepAliveMs: seconds("keep_alive_interval", KEEP_ALIVE_SECONDS) * 1000,
    keepAliveAttempts: seconds("keep_alive_max_attempt", KEEP_ALIVE_ATTEMPTS),
    exitBarrierMs: values.exitBarrierTimeout * 1000,
    onNodeLoss: values.onNodeLoss,
    // Then no two sides of a cut can both have enough nodes; with etcd-v3 only one can have its word.
    failover: !values.noFailover &&
      (choice.backend === "etcd-v3" || choice.backend === "c10d" && 2 * nodes.min > nodes.max),
    localAddress: values.localAddr,
    nodeId: values.nodeId,
    nodeRank: givenName(parsed, "nodeRank") === undefined ? null : values.nodeRank,
    schedulerRank: schedulerRank(machine),
    topologyKey: values.topologyKey,
    areWorkersIdentical: variable(machine, "TORCH_ELASTIC_WORKER_IDENTICAL") === "1",
    secretPath: values.jobSecretFile,
    allowed: values.storeAllow,
  };
}

function endpointsOf({ backend, endpoint }: RendezvousChoice): MeetingEndpoint[] {
  const standard = backend.startsWith("etcd") ? ETCD_PORT : C10D_PORT;
  return endpoint.split(",").map((one) => {
    const { host, port } = checkedValue(parseEndpoint(one));
    return { host, port: port ?? standard };
  });
}

function flagOf(conf: RendezvousConf, key: string): boolean | null {
  const value = conf.get(key);
  return value === undefined ? null : /^(1|true|t|yes|y)$/i.test(value);
}

/** What schedulers and MPI starters call a task's or pod's number, the finest first. */
const SCHEDULER_RANKS = [
  "SLURM_PROCID",
  "OMPI_COMM_WORLD_RANK",
  "PMIX_RANK",
  "PMI_RANK",
  "FLUX_TASK_RANK",
  "SLURM_NODEID",
  "JOB_COMPLETION_INDEX",
];

function schedulerRank(machine: MachineView): number | null {
  for (const name of SCHEDULER_RANKS) {
    const value = variable(machine, name);
    if (value !== undefined && /^\d{1,9}$/.test(value)) return Number(value);
  }
  return null;
}
