/**
 * Who gets which rank. Among our agents the order is deterministic and stable: ranks that were asked for, then the
 * scheduler's order, then host names as people sort them; who stays keeps its place, and newcomers fill the holes.
 */

import { assertDefined } from "../core/assert.ts";
import type { Seat } from "./meeting.ts";

/** What a node says of itself when it joins. */
export interface NodeInfo {
  readonly nodeId: string;
  /** As the machine calls itself. */
  readonly hostName: string;
  /** Where the others reach this node, where the user said so; null: as its connection shows. */
  readonly address: string | null;
  readonly workerCount: number;
  readonly role: string;
  /** `--node-rank`; null: not given. */
  readonly nodeRank: number | null;
  /** Position in the scheduler's list of nodes or tasks; null: none is known. */
  readonly schedulerRank: number | null;
  /** Nodes with the same key are neighbours; null: nothing is known. */
  readonly topologyKey: string | null;
  /** The port at which this node could take the job over; null: it can't. */
  readonly standbyPort: number | null;
  /** Addresses of its interfaces, from any of which its workers may come. */
  readonly interfaces: readonly string[];
}

/**
 * Puts the nodes of a round in the order of their group ranks. `previous` has the node ids of the round before, in the
 * order of its ranks; `nodes` are in the order of their arrival.
 */
export function orderNodes(nodes: readonly NodeInfo[], previous: readonly string[]): readonly NodeInfo[] {
  if (haveRanksOfTheirOwn(nodes)) return [...nodes].sort((a, b) => a.nodeRank! - b.nodeRank!);
  const byId = new Map(nodes.map((node) => [node.nodeId, node]));
  const places = previous.map((nodeId) => byId.get(nodeId));
  const known = new Set(previous);
  const newcomers = groupNeighbours(nodes.filter(({ nodeId }) => !known.has(nodeId)).sort(compareNodes));
  for (let place = 0; place < places.length && newcomers.length > 0; place++) {
    places[place] ??= newcomers.shift();
  }
  return [...places.filter((node) => node !== undefined), ...newcomers];
}

/** `count` of those who are there: first those of the round before, then by arrival. */
export function firstNodes(
  nodes: readonly NodeInfo[],
  count: number,
  previous: readonly string[],
): readonly NodeInfo[] {
  const before = new Set(previous);
  const known = nodes.filter(({ nodeId }) => before.has(nodeId));
  return [...known, ...nodes.filter(({ nodeId }) => !before.has(nodeId))].slice(0, count);
}

/** The places of all nodes, which are in the order of their group ranks. */
export function seatsOf(
  nodes: readonly NodeInfo[],
  common: Pick<Seat, "round" | "restartCount" | "store">,
): readonly Seat[] {
  const roleSizes = new Map<string, number>();
  let worldSize = 0;
  const starts = nodes.map(({ role, workerCount }) => {
    const start = { baseRank: worldSize, baseRoleRank: roleSizes.get(role) ?? 0 };
    worldSize += workerCount;
    roleSizes.set(role, start.baseRoleRank + workerCount);
    return start;
  });
  return nodes.map(({ role }, groupRank) => ({
    ...common,
    groupRank,
    groupWorldSize: nodes.length,
    ...starts[groupRank]!,
    worldSize,
    roleWorldSize: assertDefined(roleSizes.get(role)),
  }));
}

/** Node ranks that were given twice, which can't decide anything; empty: none. */
export function doubleNodeRanks(nodes: readonly NodeInfo[]): readonly number[] {
  const seen = new Set<number>();
  const doubles = new Set<number>();
  for (const { nodeRank } of nodes) {
    if (nodeRank === null) continue;
    (seen.has(nodeRank) ? doubles : seen).add(nodeRank);
  }
  return [...doubles];
}

/** "node7" before "node66". Digits compare as numbers, everything else by code units. */
export function compareNames(a: string, b: string): number {
  const left = a.match(/\d+|\D+/g) ?? [], right = b.match(/\d+|\D+/g) ?? [];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const [x, y] = [left[index]!, right[index]!];
    if (x === y) continue;
    const difference = /^\d/.test(x) && /^\d/.test(y) ? Number(x) - Number(y) : 0;
    return difference !== 0 ? difference : x < y ? -1 : 1;
  }
  return left.length - right.length;
}

function haveRanksOfTheirOwn(nodes: readonly NodeInfo[]): boolean {
  return nodes.every(({ nodeRank }) => nodeRank !== null) && doubleNodeRanks(nodes).length === 0;
}

/** Two unknowns give NaN, which like 0 leaves it to the next comparison. */
function compareNodes(a: NodeInfo, b: NodeInfo): number {
  return (a.nodeRank ?? Infinity) - (b.nodeRank ?? Infinity) ||
    (a.schedulerRank ?? Infinity) - (b.schedulerRank ?? Infinity) ||
    compareNames(a.hostName, b.hostName) || compareNames(a.nodeId, b.nodeId);
}

/** Keeps the order, but brings nodes with one topology key together where the first of them stands. */
function groupNeighbours(nodes: readonly NodeInfo[]): NodeInfo[] {
  const groups = new Map<string, NodeInfo[]>();
  for (const node of nodes) {
    const key = node.topologyKey ?? `node ${node.nodeId}`;
    groups.set(key, [...(groups.get(key) ?? []), node]);
  }
  return [...groups.values()].flat();
}
