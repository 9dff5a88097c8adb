/** What the nodes of one job must agree on, and the limits of its rendezvous. */

/** The host's count; those of `settingsText` must be the same on every node. */
export interface JobSettings {
  readonly jobId: string;
  readonly nodesMin: number;
  readonly nodesMax: number;
  /** A round has `nodesMin` plus a multiple of this many nodes. */
  readonly nodesStep: number;
  readonly maxRestarts: number;
  /** How long nodes wait for enough of them to come (rdzv-conf `join_timeout`). */
  readonly joinMs: number;
  /** How long the first round waits for more nodes once it has enough (rdzv-conf `last_call_timeout`). */
  readonly lastCallMs: number;
  /** How long nodes whose workers are done wait for the others. */
  readonly exitBarrierMs: number;
  /** What to do when a lost node leaves too few: wait for another, or end the job. */
  readonly onNodeLoss: "wait" | "fail";
  /**
   * Whether another node takes over when the host is lost: one that the nodes agree on, or that is elected by somebody
   * who lets no other form a round.
   */
  readonly failover: boolean | "elected";
}

/** Rounds that cost no restart, within this time; more of them end the job: something is unstable. */
export const FREE_ROUNDS_MAX = 10;
export const FREE_ROUNDS_WITHIN_MS = 10 * 60_000;

/** The settings that decide what becomes of a job, as a person reads them, for refusals. How long it waits is its host's. */
export function settingsText(settings: JobSettings): string {
  const { nodesMin, nodesMax, nodesStep, maxRestarts, onNodeLoss, failover } = settings;
  const nodes = nodesMin === nodesMax
    ? `${nodesMin}`
    : `${nodesMin}:${nodesMax}${nodesStep > 1 ? `:${nodesStep}` : ""}`;
  const onLoss = onNodeLoss === "fail" ? " --on-node-loss=fail" : "";
  // Where it could be on.
  const without = failover === false && 2 * nodesMin > nodesMax ? ", without fail-over" : "";
  return `--nnodes=${nodes} --max-restarts=${maxRestarts}${onLoss}${without}`;
}

/** The largest number of nodes, at most `present`, that a round may have; null: none. */
export function roundSize(present: number, settings: JobSettings): number | null {
  const { nodesMin, nodesMax, nodesStep } = settings;
  if (present < nodesMin) return null;
  const most = Math.min(present, nodesMax);
  return most - (most - nodesMin) % nodesStep;
}
