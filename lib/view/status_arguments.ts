/** What `muster status …` is asked to show. Pure: words in, a task out. */

import type { UsageProblem } from "../core/errors.ts";

export interface StatusTask {
  readonly kind: "show";
  /** HOST:PORT of a job on another node; null: the jobs of this node. */
  readonly address: string | null;
  /** The job's id, or the beginning of it; null: the only one. */
  readonly job: string | null;
  /** Print once and end. */
  readonly isOnce: boolean;
  readonly isJson: boolean;
}

export type StatusRequestTask =
  | StatusTask
  | { readonly kind: "help" }
  | { readonly kind: "problems"; readonly problems: readonly UsageProblem[] };

export const STATUS_HELP = `usage: muster status [HOST:PORT] [--job ID] [--once] [--json]

Shows how a running job of this node stands: its nodes and ranks, what each printed last, restarts, the store's load. On
a terminal it stays and follows the job; keys choose a rank and show its output.

  HOST:PORT    the job of several nodes that meets there (its --rdzv-endpoint), from any machine that reaches it
  --job ID     the job with this id, or whose id begins so; without it the only job, or a list of them
  --once       print how it stands and end (so too where the output is no terminal)
  --json       print it as JSON, one line for each job
  -h, --help   this text
`;

/** Reads what stands behind `muster status`. */
export function readStatusTask(args: readonly string[]): StatusRequestTask {
  let address: string | null = null, job: string | null = null, isOnce = false, isJson = false;
  const problems: UsageProblem[] = [];
  for (let index = 0; index < args.length; index++) {
    const word = args[index]!;
    const value = word.startsWith("--job=") ? word.slice("--job=".length) : null;
    if (word === "-h" || word === "--help") return { kind: "help" };
    else if (word === "--once") isOnce = true;
    else if (word === "--json") isJson = true;
    else if (value !== null) job = value;
    else if (word === "--job") {
      job = args[++index] ?? null;
      if (job === null) problems.push({ message: "--job needs the id of a job" });
    } else if (word.startsWith("-")) problems.push({ message: `There is no option ${word}` });
    else if (address !== null) {
      problems.push({ message: `One HOST:PORT at most: got "${address}" and "${word}"` });
    } else if (!/^.+:\d+$/.test(word)) {
      problems.push({
        message: `The place of a job must be HOST:PORT: got "${word}"; a job of this node is --job ID`,
      });
    } else address = word;
  }
  if (problems.length > 0) return { kind: "problems", problems };
  return { kind: "show", address, job, isOnce, isJson };
}
