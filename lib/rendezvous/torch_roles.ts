/**
 * How torchrun's agents tell each other their roles and sizes and get their workers' ranks, by keys of the round
 * (`_assign_worker_ranks`; torchrun.md 4.1): since 2.4 the agent of group rank 0 gives the ranks out ("assigned"), up to
 * 2.3 each works them out for itself ("gathered"). The results are the same.
 */

/** What each agent says of itself. */
export interface RoleInfo {
  readonly role: string;
  readonly rank: number;
  readonly workerCount: number;
}

export interface AssignedRanks {
  readonly baseRank: number;
  readonly worldSize: number;
  readonly baseRoleRank: number;
  readonly roleWorldSize: number;
}

const WORKERS_MAX = 1_000_000;

export const ROLE_KEYS = {
  assignedInfo: (rank: number) => `torchelastic/role_info/${rank}`,
  assignedRanks: (rank: number) => `torchelastic/assigned_ranks/${rank}`,
  gatheredInfo: (rank: number) => `torchelastic/role_info${rank}`,
  gatheredEnd: (rank: number) => `torchelastic/role_info${rank}.FIN`,
} as const;

export function encodeRoleInfo({ role, rank, workerCount }: RoleInfo): string {
  return JSON.stringify({ role, rank, local_world_size: workerCount });
}

/** Null: it is none. */
export function decodeRoleInfo(text: string): RoleInfo | null {
  const value = parse(text);
  if (typeof value !== "object" || value === null) return null;
  const { role, rank, local_world_size: workerCount } = value as Record<string, unknown>;
  if (typeof role !== "string" || !isCount(rank) || !isCount(workerCount)) return null;
  return { role, rank, workerCount };
}

export function encodeRanks({ baseRank, worldSize, baseRoleRank, roleWorldSize }: AssignedRanks): string {
  return JSON.stringify([baseRank, worldSize, baseRoleRank, roleWorldSize]);
}

/** Null: it is none, or does not agree with itself. */
export function decodeRanks(text: string, workerCount: number): AssignedRanks | null {
  const value = parse(text);
  if (!Array.isArray(value) || value.length !== 4 || !value.every(isCount)) return null;
  const [baseRank, worldSize, baseRoleRank, roleWorldSize] = value as [number, number, number, number];
  if (baseRank + workerCount > worldSize || baseRoleRank + workerCount > roleWorldSize) return null;
  return { baseRank, worldSize, baseRoleRank, roleWorldSize };
}

/** The ranks of each agent's workers, in the order of group ranks. */
export function assignRanks(infos: readonly Omit<RoleInfo, "rank">[]): readonly AssignedRanks[] {
  const roleSizes = new Map<string, number>();
  let worldSize = 0;
  const starts = infos.map(({ role, workerCount }) => {
    const start = { baseRank: worldSize, baseRoleRank: roleSizes.get(role) ?? 0 };
    worldSize += workerCount;
    roleSizes.set(role, start.baseRoleRank + workerCount);
    return start;
  });
  return infos.map(({ role }, index) => ({
    ...starts[index]!,
    worldSize,
    roleWorldSize: roleSizes.get(role)!,
  }));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= WORKERS_MAX;
}
