/**
 * The worker that all others waited for. When a collective operation times out, those that fail are those that came;
 * the one that did not come runs on until we stop it, and prints nothing.
 */

import { rangesOf, sizeOfRanges } from "../core/ranges.ts";
import type { Failure } from "./finding.ts";
import type { ReportedNode } from "./job_facts.ts";
import { ranksText } from "./words.ts";

/**
 * The one worker that did not time out while all others of the job did, explained as what it is; null: there is no
 * such worker, or it can't be told which of several it is.
 */
export function missingWorker({ consequences, stopped, nodes }: {
  readonly consequences: readonly Failure[];
  readonly stopped: readonly Failure[];
  readonly nodes: readonly ReportedNode[];
}): Failure | null {
  if (consequences[0]?.explanation.kind !== "late-peer") return null;
  // Whoever was stopped on its way out had waited too.
  const [candidate, ...more] = stopped.filter(({ told }) => told?.kind !== "late-peer");
  if (candidate === undefined || more.length > 0) return null;
  const waited = [...consequences, ...stopped.filter((failure) => failure !== candidate)];
  // Those that were summarised, succeeded or are on nodes that don't report are not known to have waited.
  if (waited.length + 1 !== nodes[0]!.report.attempt.worldSize) return null;
  const others = rangesOf(waited.map(({ facts }) => facts.rank));
  const verb = sizeOfRanges(others) === 1 ? "waited for it and" : "waited for it and all";
  return {
    ...candidate,
    explanation: {
      kind: "missing-from-collective",
      summary:
        `did not join a collective operation: ${ranksText(others)} ${verb} timed out; it was still running ` +
        "when it was stopped",
      advice:
        "It hung, was slower than the timeout, or took another path through the code: py-spy dump --pid PID " +
        "on such a worker shows where it is.",
      isConsequence: false,
    },
  };
}
