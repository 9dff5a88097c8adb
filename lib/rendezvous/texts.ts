/** How nodes, rounds and waiting are named in messages. */

import { numbersText } from "../core/ranges.ts";
import { durationText } from "../core/time.ts";
import type { Waiting } from "./meeting.ts";
import type { NodeInfo } from "./ranks.ts";
import type { LostSeat } from "./round.ts";
import type { JobSettings } from "./settings.ts";

/** A list longer than this is cut: a message is read, not searched. */
const NAMED_MAX = 8;
const TEXT_LENGTH_MAX = 1000;

/** A text for the network and for one line. */
export function clip(words: string): string {
  const text = words.replace(/\s*[\r\n]+\s*/g, " ");
  return text.length > TEXT_LENGTH_MAX ? `${text.slice(0, TEXT_LENGTH_MAX)}…` : text;
}

export function lostText({ host, reason }: LostSeat): string {
  return `Node ${host} was lost: ${reason}`;
}

/** Why a job ends that has another host by now. */
export function hostLostText(maxRestarts: number): string {
  return maxRestarts === 0
    ? "The job's host was lost, and it may not be restarted (--max-restarts=0)"
    : `The job's host was lost, and the job was restarted ${maxRestarts} times before (--max-restarts)`;
}

/** "3 nodes (a, b, c)". */
export function nodesText(nodes: readonly NodeInfo[]): string {
  const count = nodes.length === 1 ? "1 node" : `${nodes.length} nodes`;
  return nodes.length === 0 ? count : `${count} (${namesText(namesOf(nodes))})`;
}

/** Of a host that was told to leave. */
export const STAYS_AS_HOST =
  "The other nodes meet here, so this agent stays for them (once more to stop at once)";

export function restartsText(restarts: number): string {
  return restarts === 1 ? "1 restart" : `${restarts} restarts`;
}

/**
 * "for nodes: 2 of 4 are here (a, b)". `before`: who was in the last round; `lacksRight`: too many of them are missing
 * to form another; `ahead`: nodes that are here, and know of a later round than this host; `heldBy`: nodes that were here
 * before this host, and may run the job elsewhere.
 */
export function waitingText(
  ready: readonly NodeInfo[],
  { before, lacksRight, ahead, heldBy }: {
    readonly before: readonly string[];
    readonly lacksRight: boolean;
    readonly ahead: readonly NodeInfo[];
    readonly heldBy: readonly string[];
  },
  settings: JobSettings,
): string {
  const ids = new Set(ready.map(({ nodeId }) => nodeId));
  const missing = before.filter((nodeId) => !ids.has(nodeId));
  const were = missing.length === 0
    ? ""
    : `; of the last round ${namesText(missing)} ${isOrAre(missing.length)} missing${
      lacksRight ? ", and more than half of it is needed" : ""
    }`;
  const others = ahead.length === 0
    ? ""
    : `; ${namesText(namesOf(ahead))} ran under another host, which is not found`;
  const who = before.length === 0 ? missingRanksText(ready, settings) : were;
  return `${hereText(ready.length, namesOf(ready), settings)}${who}${others}${heldText(heldBy)}`;
}

function heldText(heldBy: readonly string[]): string {
  return heldBy.length === 0
    ? ""
    : `; ${
      namesText(heldBy)
    } took part before this launcher was started, do not answer and may still run the job ` +
      "(if they are gone for good, give it another --rdzv-id)";
}

/** "for nodes: 2 of 4 are here (a, b)"; `names`: as far as they are known. */
export function hereText(
  count: number,
  names: readonly string[],
  { nodesMin, nodesMax }: Pick<JobSettings, "nodesMin" | "nodesMax">,
): string {
  const wanted = nodesMin === nodesMax ? `${nodesMin}` : `${nodesMin} to ${nodesMax}`;
  const here = names.length === 0 ? "" : ` (${namesText(names)})`;
  return `for nodes: ${count} of ${wanted} ${isOrAre(count)} here${here}`;
}

/** Who has never been here is known by number where every node has one; "": it is not known. */
function missingRanksText(ready: readonly NodeInfo[], { nodesMin, nodesMax }: JobSettings): string {
  if (nodesMin !== nodesMax || ready.length === 0) return "";
  for (
    const [what, ranks] of [
      ["--node-rank", ready.map(({ nodeRank }) => nodeRank)],
      ["of the scheduler's tasks", ready.map(({ schedulerRank }) => schedulerRank)],
    ] as const
  ) {
    const here = new Set(ranks);
    const isList = here.size === ranks.length && ranks.every((rank) => rank !== null && rank < nodesMax);
    if (!isList) continue;
    const missing = Array.from({ length: nodesMax }, (_, rank) => rank).filter((rank) => !here.has(rank));
    if (missing.length > 0) return `; ${what} ${numbersText(missing)} ${isOrAre(missing.length)} missing`;
  }
  return "";
}

function isOrAre(count: number): string {
  return count === 1 ? "is" : "are";
}

export function doubleRankText(nodeRank: number): string {
  return `--node-rank=${nodeRank} was given to more than one node, so it decides nothing`;
}

export function waitingForNodes(
  text: string,
  { present, leftMs, settings }: {
    readonly present: number;
    readonly leftMs: number | null;
    readonly settings: JobSettings;
  },
): Waiting {
  const { nodesMin: min, nodesMax: max } = settings;
  return { text: clip(text), present, min, max, leftMs };
}

/** For a node beyond MAX. */
export function waitingForSeat(present: number, { nodesMin: min, nodesMax: max }: JobSettings): Waiting {
  const text = `for a free seat: ${present} ${present === 1 ? "node runs" : "nodes run"}, at most ${max} can`;
  return { text, present, min, max, leftMs: null };
}

/** Why no host may be found where all are told to look. */
const HOST_HINT = "the node with that address hosts it; where no node has it, rdzv-conf is_host=1 names one";

/** For a guest whose host does not answer yet; `isFirst`: there never was one. */
export function waitingForHost(
  address: string,
  problem: string,
  { leftMs, isFirst }: { readonly leftMs: number; readonly isFirst: boolean },
  { nodesMin: min, nodesMax: max }: JobSettings,
): Waiting {
  return {
    text: clip(`for the job's host at ${address}, which ${problem}${isFirst ? ` (${HOST_HINT})` : ""}`),
    present: 0,
    min,
    max,
    leftMs: Math.max(0, Math.round(leftMs)),
  };
}

/** Why a guest gives up; `problems`: what the last attempt at each met, clauses without subject. */
export function hostNotFound(
  addresses: readonly string[],
  joinMs: number,
  problems: ReadonlyMap<string, string>,
): string {
  const waited = `Waited ${durationText(joinMs)} for the job's host`;
  const problemOf = (address: string) => problems.get(address)?.replace(/^it /, "") ?? "did not answer";
  const [only = ""] = addresses;
  if (addresses.length < 2) return `${waited} at ${only}: it ${problemOf(only)} (${HOST_HINT})`;
  const tried = addresses.map((address) => `${address} ${problemOf(address)}`);
  return `${waited}: ${tried.join("; ")} (${HOST_HINT})`;
}

/** Why a node gives up for which nobody was elected; `problem`: a clause, "": nothing is known. */
export function hostNotElected(electorate: string, joinMs: number, problem: string): string {
  const waited = `Waited ${durationText(joinMs)} for a host of the job by ${electorate}`;
  return problem === "" ? waited : `${waited}: ${problem}`;
}

/** Host names, but node ids where several nodes have one host's name. */
function namesOf(nodes: readonly NodeInfo[]): string[] {
  const seen = new Map<string, number>();
  for (const { hostName } of nodes) seen.set(hostName, (seen.get(hostName) ?? 0) + 1);
  return nodes.map(({ hostName, nodeId }) => seen.get(hostName) === 1 ? hostName : nodeId);
}

function namesText(names: readonly string[]): string {
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : "";
  return names.slice(0, NAMED_MAX).join(", ") + more;
}
