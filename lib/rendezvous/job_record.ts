/**
 * What a job has come to, as far as it must outlive its host: whoever takes over goes on from here. It also decides who
 * may: two sides of a cut must never both form the next round.
 */

export interface JobRecord {
  /** Number of the host that formed its round (`formedNumber`). */
  readonly epoch: number;
  /** Number of the last round; −1 is written as 0 with no seats. */
  readonly round: number;
  readonly restarts: number;
  /** Node ids of the last round, in the order of their ranks. */
  readonly seats: readonly string[];
  /** Node id of the host that formed it. */
  readonly hostId: string;
}

/**
 * Whether `present` may form the round after `record`'s. Of the last round's nodes that are not known to be dead a
 * majority must be there, or half of them with the one that was its host: so at most one side of any cut can, and each
 * round passes the right on to its own nodes.
 */
export function mayFormNext(
  record: JobRecord,
  present: ReadonlySet<string>,
  dead: ReadonlySet<string>,
): boolean {
  const seats = record.seats.filter((nodeId) => !dead.has(nodeId));
  const votes = seats.filter((nodeId) => present.has(nodeId)).length;
  if (2 * votes === seats.length) {
    return seats.length === 0 || present.has(record.hostId);
  }
  return 2 * votes > seats.length;
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
export function formedNumber(previous: JobRecord | null): number {
  return (previous?.epoch ?? 0) + NUMBERS_PER_HOST;
}

/** Of the stand-by in this place, from 0, that has taken over from the host that formed `previous`. */
export function standbyNumber(previous: JobRecord, place: number): number {
  return previous.epoch - 2 - place;
}

/** Whether the number is that of a host that has formed a round. */
export function isFormedNumber(number: number): boolean {
  return number % NUMBERS_PER_HOST === 0;
}
