/** What a job has come to, as far as it must outlive its host, and how its hosts and rounds are numbered. */

/** Names a round that a host proposed. Later rounds of a job have a higher epoch, or the same and a higher number. */
export interface RoundId {
  /** Number of the host that proposed it (`formedNumber`). */
  readonly epoch: number;
  readonly round: number;
  /** Node id of that host. */
  readonly hostId: string;
}

/** Whoever takes a job over goes on from here. */
export interface JobRecord extends RoundId {
  readonly restarts: number;
  /** Node ids of the round, in the order of their ranks; empty: there was none. */
  readonly seats: readonly string[];
}

/**
 * Where its host is with the round of a record: it runs or ends; it is over, and what that costs is counted; or the host
 * leaves the job to those who stand by.
 */
export type Standing = "running" | "over" | "left";

export function isSameRound(a: RoundId, b: RoundId): boolean {
  return a.epoch === b.epoch && a.round === b.round && a.hostId === b.hostId;
}

/** Whether `a` can't be a successor of `b`. */
export function isNotAfter(a: RoundId, b: RoundId): boolean {
  return a.epoch < b.epoch || (a.epoch === b.epoch && a.round <= b.round);
}

/**
 * Of two who claim a job, the one with the higher number is its host. Every host that forms a round takes the next
 * multiple of this; a stand-by that has taken over and not formed one yet is below the host whose round it knows, so that
 * one that was only cut off never displaces a host that goes on.
 */
const NUMBERS_PER_HOST = 8;

/** Of a host that has begun a job and not formed a round. */
export const FRESH_HOST_NUMBER = 1;

/** Of a host that has formed a round, itself, after the one of `previous`. */
export function formedNumber(previous: RoundId | null): number {
  return (previous?.epoch ?? 0) + NUMBERS_PER_HOST;
}

/** Of the stand-by in this place, from 0, that has taken over from the host that formed `previous`. */
export function standbyNumber(previous: RoundId, place: number): number {
  return previous.epoch - 2 - place;
}
