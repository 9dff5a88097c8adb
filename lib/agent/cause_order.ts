/**
 * Puts what happened on several nodes in order. Each moment lies between two instants of one clock, since the
 * clocks of other nodes are known to half a round trip; two moments whose intervals overlap have no order of their
 * own, and evidence decides. Arrival plays no part: reports travel at different speeds.
 */

import type { InstantMs } from "../core/time.ts";
import type { ClockEstimate } from "../store/control_heartbeat.ts";
import type { Moment } from "./finding.ts";

/** A moment that no clock tells: it may lie anywhere. */
export const ANY_MOMENT: Moment = { earliest: -Infinity, latest: Infinity };

/** A launcher sees what happens so much later, on a machine that is not overloaded; two launchers never alike. */
const SEEN_LATE_MS = 2;

/** `moment`, which another node's clock showed, on ours. */
export function mappedMoment({ earliest, latest }: Moment, clock: ClockEstimate | null): Moment {
  if (clock === null) return ANY_MOMENT;
  const { offsetMs, errorMs } = clock;
  return { earliest: earliest - offsetMs - errorMs - SEEN_LATE_MS, latest: latest - offsetMs + errorMs };
}

export function isCertainlyBefore(a: Moment, b: Moment): boolean {
  return a.latest < b.earliest;
}

/** The best guess of one instant; after all others where nothing is known. */
export function middle({ earliest, latest }: Moment): InstantMs {
  return Number.isFinite(earliest) ? (earliest + latest) / 2 : Infinity;
}

/** What may have been the first, and how much there is to show for it. */
export interface Candidate<T> {
  readonly item: T;
  readonly groupRank: number;
  readonly rank: number;
  readonly moment: Moment;
  /** The same on the node's own clock, whose error two moments of one node share. */
  readonly local: Moment;
  /** The best guess, on our clock. */
  readonly likely: InstantMs;
  /** Larger is stronger; compared only where time can't decide. */
  readonly strength: number;
}

export interface First<T> {
  readonly candidate: Candidate<T>;
  /** Those that may have come before it, as far as the clocks tell; the strongest first. */
  readonly rivals: readonly Candidate<T>[];
}

/**
 * The first of `candidates`: of those that nothing came certainly before, the strongest, then the one that is likely
 * to be the earliest. Null: there are none.
 */
export function firstOf<T>(candidates: readonly Candidate<T>[]): First<T> | null {
  const latestOfNode = new Map<number, InstantMs>();
  for (const { groupRank, local } of candidates) {
    latestOfNode.set(groupRank, Math.min(latestOfNode.get(groupRank) ?? Infinity, local.latest));
  }
  const heads = candidates.filter(({ groupRank, local }) => local.earliest <= latestOfNode.get(groupRank)!);
  const latest = Math.min(...heads.map(({ moment }) => moment.latest));
  const [candidate, ...rivals] = heads.filter(({ moment }) => moment.earliest <= latest).sort(byEvidence);
  return candidate === undefined ? null : { candidate, rivals };
}

function byEvidence<T>(a: Candidate<T>, b: Candidate<T>): number {
  // Two that are both unknown differ by NaN, which is no order.
  const time = a.likely === b.likely ? 0 : a.likely - b.likely;
  return b.strength - a.strength || time || a.groupRank - b.groupRank || a.rank - b.rank;
}
