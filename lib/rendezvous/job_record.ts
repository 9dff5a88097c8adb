/**
 * What a job has come to, as far as it must outlive its host: whoever takes over goes on from here. It also decides who
 * may: two sides of a cut must never both form the next round.
 */

export interface JobRecord {
  /** Number of the host that wrote it. */
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
