/**
 * One worker's environment variables: what torchrun sets, exactly (torchrun.md 2), and our mark. They are laid
 * over the launcher's own environment, which every worker inherits whole.
 */

import { assert } from "../core/assert.ts";

/** Where one worker stands in the job. */
export interface WorkerPlace {
  readonly localRank: number;
  readonly localWorldSize: number;
  readonly rank: number;
  readonly worldSize: number;
  readonly groupRank: number;
  readonly groupWorldSize: number;
  readonly role: string;
  readonly roleRank: number;
  readonly roleWorldSize: number;
  readonly masterAddress: string;
  readonly masterPort: number;
  readonly restartCount: number;
  readonly maxRestarts: number;
  readonly jobId: string;
  readonly storeHostedByLauncher: boolean;
  /** Path of the worker's error file; empty when nothing is to be written. */
  readonly errorFile: string;
  /** Who started this process, outermost launcher first (see `markWithin`). */
  readonly mark: string;
}

/** Names the mark, by which a launcher finds what it started, wherever it went. */
export const MARK_VARIABLE = "MUSTER_MARK";

/** The variables of one worker. */
export function workerEnvironment(place: WorkerPlace): Record<string, string> {
  return {
    LOCAL_RANK: String(place.localRank),
    RANK: String(place.rank),
    GROUP_RANK: String(place.groupRank),
    ROLE_RANK: String(place.roleRank),
    ROLE_NAME: place.role,
    LOCAL_WORLD_SIZE: String(place.localWorldSize),
    WORLD_SIZE: String(place.worldSize),
    GROUP_WORLD_SIZE: String(place.groupWorldSize),
    ROLE_WORLD_SIZE: String(place.roleWorldSize),
    MASTER_ADDR: place.masterAddress,
    MASTER_PORT: String(place.masterPort),
    TORCHELASTIC_RESTART_COUNT: String(place.restartCount),
    TORCHELASTIC_MAX_RESTARTS: String(place.maxRestarts),
    TORCHELASTIC_RUN_ID: place.jobId,
    // PyTorch compares with exactly "True" (torch/distributed/rendezvous.py).
    TORCHELASTIC_USE_AGENT_STORE: place.storeHostedByLauncher ? "True" : "False",
    TORCHELASTIC_ERROR_FILE: place.errorFile,
    [MARK_VARIABLE]: place.mark,
  };
}

/**
 * The device variables of one worker. All devices for all workers, or, in virtual-local-rank mode, the worker's
 * own device, with LOCAL_RANK 0 for every worker (torchrun.md 6, "Virtual local rank").
 */
export function deviceEnvironment(
  localRank: number,
  devices: {
    readonly chosen: readonly string[] | null;
    readonly virtualLocalRank: boolean;
    readonly inheritedCuda: string | null;
    readonly inheritedHip: string | null;
  },
): Record<string, string> {
  const { chosen, virtualLocalRank, inheritedCuda, inheritedHip } = devices;
  const usesHip = inheritedHip !== null;
  if (!virtualLocalRank) {
    if (chosen === null) return {};
    const list = chosen.join(",");
    return { CUDA_VISIBLE_DEVICES: list, ...(usesHip ? { HIP_VISIBLE_DEVICES: list } : {}) };
  }
  const inherited = inheritedHip ?? inheritedCuda;
  const visible = chosen ?? (inherited === null ? null : inherited.split(","));
  assert(visible === null || localRank < visible.length, "The plan checks that every worker has a device");
  const device = visible?.[localRank] ?? String(localRank);
  return {
    LOCAL_RANK: "0",
    CUDA_VISIBLE_DEVICES: device,
    ...(usesHip ? { HIP_VISIBLE_DEVICES: device } : {}),
  };
}

/**
 * The mark of a launcher that may itself run inside another's worker. The outer launcher's id stays in front,
 * so that the outer one finds everything below it, and the inner one only what it started itself.
 */
export function markWithin(outerMark: string | undefined, launcherId: string): string {
  assert(/^[0-9a-z]{16,}$/.test(launcherId), "A launcher's id must not be guessable or need quoting");
  return outerMark ? `${outerMark}:${launcherId}` : launcherId;
}
