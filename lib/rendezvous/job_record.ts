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

/**
 * More than the hosts of a job that was begun once. It is begun again where a round is formed without the votes of the nodes
 * of the last one: those may still have the right to go on from there, and must yield.
 */
const NUMBERS_PER_BEGIN = 2 ** 20;

/**
 * Of a host where the job was begun `begun` times and that has not formed a round: whoever goes on with what was begun last
 * is above it, and all who go on with older ones are below.
 */
export function freshNumber(begun: number): number {
  return Math.max(0, begun - 1) * NUMBERS_PER_BEGIN + 1;
}

/** All of what was begun before are below, where the job was begun `begun` times. */
export function numbersBefore(begun: number): number {
  return begun * NUMBERS_PER_BEGIN;
}

/** How often a job was begun at least of which a host has this number. */
export function begunBy(epoch: number): number {
  return Math.floor(epoch / NUMBERS_PER_BEGIN) + 1;
}

/** Of a host that has formed a round, itself, after the one of `previous`; null: the job was begun `begun` times before. */
export function formedNumber(previous: RoundId | null, begun = 0): number {
  return (previous?.epoch ?? numbersBefore(begun)) + NUMBERS_PER_HOST;
}

/** Of the stand-by in this place, from 0, that has taken over from the host that formed `previous`. */
export function standbyNumber(previous: RoundId, place: number): number {
  return previous.epoch - 2 - place;
}
