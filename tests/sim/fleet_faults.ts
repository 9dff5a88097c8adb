/** What may go wrong in a fleet, drawn from a seed: every kind of fault is there or not (swarm testing). */

import { Prng } from "../../lib/core/prng.ts";
import type { JobSettings } from "../../lib/rendezvous/settings.ts";
import type { HeartbeatSettings } from "../../lib/store/control_heartbeat.ts";
import type { WorkerFaults } from "./fleet_launcher.ts";

export interface FleetFaults {
  readonly settings: JobSettings;
  readonly heartbeat: HeartbeatSettings;
  readonly shutdownTimeoutMs: number;
  readonly onTerm: "node" | "job";
  /** At the start, of which the first is on the endpoint's machine. */
  readonly nodeCount: number;
  /** Nodes keep their names over a restart. */
  readonly hasStableIds: boolean;
  readonly hasRanks: boolean;
  readonly delayMs: number;
  readonly workers: WorkerFaults;
  /** Mean time between two of each; Infinity: never. */
  readonly everyMs: {
    readonly crash: number;
    readonly powerLoss: number;
    readonly freeze: number;
    readonly newcomer: number;
    readonly sigterm: number;
    readonly sigint: number;
    readonly cut: number;
    readonly halfCut: number;
    readonly stall: number;
    readonly partition: number;
    readonly workerFailure: number;
  };
  /** A node that crashed is started again, in so many of ten cases. */
  readonly returns: number;
}

export const FAULTS_MS = 30_000;

const SIZES = [[1, 2], [2, 2], [2, 3], [3, 3], [2, 4], [3, 4], [3, 5], [1, 1], [4, 4]] as const;

export function faultsOf(seed: number): FleetFaults {
  const prng = new Prng(seed);
  const [nodesMin, nodesMax] = prng.pick(SIZES);
  const often = (...means: number[]) => (prng.chance(1, 3) ? prng.pick(means) : Infinity);
  const percent = (...values: number[]) => (prng.chance(1, 4) ? prng.pick(values) : 0);
  const intervalMs = prng.pick([500, 1_000]);
  return {
    settings: {
      jobId: "sim",
      ...{ nodesMin, nodesMax, nodesStep: 1, maxRestarts: prng.pick([0, 1, 3, 100]) },
      joinMs: prng.pick([8_000, 15_000]),
      lastCallMs: prng.pick([0, 500, 3_000]),
      exitBarrierMs: prng.pick([1_000, 10_000]),
      onNodeLoss: prng.chance(1, 4) ? "fail" : "wait",
      failover: 2 * nodesMin > nodesMax && prng.chance(5, 6),
    },
    heartbeat: { intervalMs, silenceMs: intervalMs * prng.pick([2, 3]) },
    shutdownTimeoutMs: prng.pick([0, 100, 2_000]),
    onTerm: prng.chance(1, 4) ? "job" : "node",
    nodeCount: Math.max(1, nodesMin - (prng.chance(1, 8) ? 1 : 0) + prng.below(nodesMax - nodesMin + 3)),
    hasStableIds: prng.chance(1, 2),
    hasRanks: prng.chance(1, 4),
    delayMs: prng.pick([0, 2, 20, 100]),
    workers: {
      failing: percent(5, 20, 50),
      succeeding: prng.chance(1, 6) ? prng.pick([10, 50, 100]) : 0,
      stubborn: percent(20, 100),
      unkillable: prng.chance(1, 10) ? prng.pick([2, 20]) : 0,
      refusedStarts: prng.chance(1, 10) ? 3 : 0,
      refusedStores: prng.chance(1, 10) ? 10 : 0,
      daemons: percent(20, 100),
      lifetimeMs: prng.pick([50, 2_000, 10_000]),
    },
    everyMs: {
      crash: often(3_000, 8_000),
      powerLoss: often(10_000),
      freeze: often(2_000, 6_000),
      newcomer: often(2_000, 6_000, 12_000),
      sigterm: often(5_000, 15_000),
      sigint: prng.chance(1, 6) ? 30_000 : Infinity,
      cut: often(500, 3_000),
      halfCut: often(2_000),
      stall: often(1_000),
      partition: often(3_000, 8_000),
      workerFailure: often(1_000, 5_000),
    },
    returns: prng.pick([0, 5, 10]),
  };
}

/** Machines and the network do what they should, and nobody sends a signal: all that happens is the job's own. */
export function isMild({ everyMs }: FleetFaults): boolean {
  const { newcomer: _newcomer, workerFailure: _failure, ...rough } = everyMs;
  return Object.values(rough).every((meanMs) => meanMs === Infinity);
}
