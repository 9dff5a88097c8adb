/** What follows from the end of a round: the job's end, or another round, which may cost a restart. */

import { EXIT_CODES } from "../core/errors.ts";
import { durationText, type InstantMs } from "../core/time.ts";
import type { JobOutcome } from "./meeting.ts";
import type { Round } from "./round.ts";
import { FREE_ROUNDS_MAX, FREE_ROUNDS_WITHIN_MS, type JobSettings } from "./settings.ts";
import { clip, lostText } from "./texts.ts";

export type RoundEnd =
  | { readonly kind: "end"; readonly outcome: JobOutcome }
  /** Somebody has stopped the job, and nothing that counts more ended the round. */
  | { readonly kind: "stopped" }
  | { readonly kind: "again"; readonly costsRestart: boolean };

export interface RoundEndSituation {
  readonly round: Round;
  readonly verdict: Uint8Array | null;
  readonly restarts: number;
  readonly settings: JobSettings;
  readonly isJobStopped: boolean;
  /** Whether those who are left are enough for a round. */
  readonly areEnough: boolean;
  readonly freeRounds: FreeRounds;
}

export function decideRoundEnd(situation: RoundEndSituation, now: InstantMs): RoundEnd {
  const { round, verdict, restarts, settings, isJobStopped, areEnough, freeRounds } = situation;
  const [lost] = round.lost;
  const failed = (code: number, text: string | null): RoundEnd => ({
    kind: "end",
    outcome: { code, level: "error", text: text === null ? null : clip(text), verdict },
  });
  // Where every node is needed, the loss of one is a failure like a worker's.
  const cause = round.failure ??
    (lost !== undefined && settings.nodesMin === settings.nodesMax
      ? { kind: "worker" as const, text: lostText(lost), exitCode: EXIT_CODES.workerFailed }
      : null);
  // Who has done its part and left does not come again for another round.
  const isLast = restarts >= settings.maxRestarts || round.hasGoneWell && !areEnough;
  if (cause !== null && (cause.kind !== "worker" || isLast)) {
    // Of a worker that failed the verdict tells, and of a job with one node its agent.
    const isTold = settings.nodesMax === 1 || round.failure?.kind === "worker";
    const code = cause.kind === "start" ? cause.exitCode : EXIT_CODES.workerFailed;
    return failed(code, isTold ? null : cause.text);
  }
  if (isJobStopped) return { kind: "stopped" };
  if (lost !== undefined && settings.onNodeLoss === "fail" && !areEnough) {
    return failed(EXIT_CODES.workerFailed, lostText(lost));
  }
  if (cause === null && freeRounds.addAndExceed(now)) {
    const within = durationText(FREE_ROUNDS_WITHIN_MS);
    const text = `The membership changed more than ${FREE_ROUNDS_MAX} times in ${within}`;
    return failed(EXIT_CODES.workerFailed, text);
  }
  return { kind: "again", costsRestart: cause !== null };
}

/** Counts the rounds that cost no restart. */
export class FreeRounds {
  readonly #at: InstantMs[] = [];

  /** One more at `now`; true: they are too many in too short a time. */
  addAndExceed(now: InstantMs): boolean {
    this.#at.push(now);
    while (this.#at[0]! < now - FREE_ROUNDS_WITHIN_MS) this.#at.shift();
    return this.#at.length > FREE_ROUNDS_MAX;
  }
}
