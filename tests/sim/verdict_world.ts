/**
 * Failed jobs on several nodes, made from a seed: one planted culprit, collateral of every kind, clocks that are
 * skewed and measured with an error, and reports that arrive in any order.
 */

import { examineAttempt } from "../../lib/agent/finding.ts";
import type { WorkerFacts } from "../../lib/agent/facts.ts";
import { type LostNode, OWN_CLOCK, type ReportedNode } from "../../lib/agent/job_facts.ts";
import {
  decodeNodeReport,
  decodeVerdict,
  encodeNodeReport,
  encodeVerdict,
} from "../../lib/agent/report_codec.ts";
import { judgeJob, type Verdict } from "../../lib/agent/report.ts";
import { Prng } from "../../lib/core/prng.ts";
import type { ClockEstimate } from "../../lib/store/control_heartbeat.ts";
import { failedAttempt, recordText, UNKNOWN_MACHINE } from "../agent/attempts.ts";
import { sampleLines } from "../agent/samples.ts";

/** When the culprit fails, on the true clock; the workers started at 0. */
const CULPRIT_AT = 60_000;
/** File systems stamp with the last tick. */
const TICK_MS = 4;

/** What a worker can do, and how much there is to show that it failed by itself; 0: it did not. */
const OWN_KINDS = { segfault: 2, "out-of-memory": 2, exception: 2, recorded: 2, "exit-code": 1 } as const;
const COLLATERAL = [
  "lost-peer",
  "lost-peer",
  "exception",
  "exit-code",
  "stopped",
  "stopped",
  "success",
] as const;

type Kind = keyof typeof OWN_KINDS | (typeof COLLATERAL)[number];

interface SimWorker {
  readonly rank: number;
  readonly kind: Kind;
  /** On the true clock. */
  readonly failedAt: number;
  readonly endedAt: number;
}

interface SimNode {
  readonly groupRank: number;
  /** Its monotonic clock shows 0 at this moment of the true one. */
  readonly monotonicZero: number;
  readonly wallSkewMs: number;
  readonly clock: ClockEstimate;
  readonly workers: readonly SimWorker[];
  readonly isLost: boolean;
}

export interface SimJob {
  readonly nodes: readonly SimNode[];
  /** Null: the culprit is the node that was lost. */
  readonly culpritRank: number | null;
  readonly lostNode: LostNode | null;
  /** Who may be named instead, since the clocks can't tell them apart and they have as much to show. */
  readonly rivals: readonly number[];
}

export function makeJob(seed: number): SimJob {
  const prng = new Prng(seed);
  const nodeCount = 1 + prng.below(6);
  const perNode = 1 + prng.below(4);
  const culpritNode = prng.below(nodeCount);
  const culpritRank = culpritNode * perNode + prng.below(perNode);
  const isLoss = nodeCount > 1 && culpritNode > 0 && prng.chance(1, 5);
  const culpritKind = prng.pick(Object.keys(OWN_KINDS) as (keyof typeof OWN_KINDS)[]);
  const lingerMs = culpritKind === "recorded" ? prng.below(300) : 0;
  const zeroOfJudge = -prng.below(1_000_000);
  const nodes = Array.from({ length: nodeCount }, (_, groupRank): SimNode => {
    const monotonicZero = groupRank === 0 ? zeroOfJudge : -prng.below(100_000_000);
    const errorMs = groupRank === 0 ? 0 : 0.05 + prng.below(400) / 10;
    const truth = zeroOfJudge - monotonicZero;
    const measured = groupRank === 0 ? 0 : truth + errorMs * (prng.below(2001) / 1000 - 1);
    return {
      groupRank,
      monotonicZero,
      wallSkewMs: prng.below(20_000) - 10_000,
      clock: { offsetMs: measured, errorMs },
      isLost: isLoss && groupRank === culpritNode,
      workers: Array.from({ length: perNode }, (_, localRank): SimWorker => {
        const rank = groupRank * perNode + localRank;
        if (rank === culpritRank) {
          return { rank, kind: culpritKind, failedAt: CULPRIT_AT, endedAt: CULPRIT_AT + lingerMs };
        }
        const failedAt = CULPRIT_AT + 0.2 + prng.below(prng.chance(1, 2) ? 300 : 5000) / 10;
        return { rank, kind: prng.pick(COLLATERAL), failedAt, endedAt: failedAt };
      }),
    };
  });
  return {
    nodes,
    culpritRank: isLoss ? null : culpritRank,
    lostNode: isLoss ? lostNode(nodes[culpritNode]!, zeroOfJudge, prng) : null,
    rivals: isLoss ? [] : rivalsOf(nodes, nodes[culpritNode]!, OWN_KINDS[culpritKind]),
  };
}

/** Its loss has more to show than anything else, so the rivals of a lost node are none. */
function lostNode({ groupRank, workers }: SimNode, zeroOfJudge: number, prng: Prng): LostNode {
  return {
    host: `node-${groupRank}`,
    groupRank,
    ranks: [[workers[0]!.rank, workers.at(-1)!.rank]],
    lastHeard: CULPRIT_AT - zeroOfJudge - prng.below(1000),
    noticed: CULPRIT_AT - zeroOfJudge + prng.below(5000),
    noticedAt: 1_795_470_560_000,
    reason: "no sign of life for 5 s",
  };
}

function rivalsOf(nodes: readonly SimNode[], culprits: SimNode, strength: number): number[] {
  return nodes.filter((node) => node !== culprits).flatMap((node) =>
    node.workers.filter(({ kind, failedAt }) => {
      const own = kind in OWN_KINDS ? OWN_KINDS[kind as keyof typeof OWN_KINDS] : 0;
      // Both errors, on both sides of the measured time, and the tick of a record.
      const reachMs = 2 * node.clock.errorMs + 2 * culprits.clock.errorMs + 10 + TICK_MS;
      return own >= strength && failedAt - CULPRIT_AT <= reachMs;
    }).map(({ rank }) => rank)
  );
}

function factsOf(worker: SimWorker, node: SimNode, localRank: number, endOrder: number): WorkerFacts {
  const wall = (at: number) => Math.floor(1_795_470_560_000 + at + node.wallSkewMs);
  const isOwn = worker.kind !== "stopped";
  const exception = `ValueError: of rank ${worker.rank}`;
  const traceback = [
    "Traceback (most recent call last):",
    '  File "train.py", line 3, in <module>',
    exception,
  ];
  const written = Math.floor(worker.failedAt / TICK_MS) * TICK_MS;
  return {
    localRank,
    rank: worker.rank,
    pid: 4000 + worker.rank,
    status: worker.kind === "segfault"
      ? { kind: "signalled", signal: "SIGSEGV" }
      : worker.kind === "out-of-memory"
      ? { kind: "signalled", signal: "SIGKILL" }
      : worker.kind === "stopped"
      ? { kind: "signalled", signal: "SIGTERM" }
      : { kind: "exited", code: worker.kind === "success" ? 0 : 1 },
    startedAt: wall(0),
    endedAt: wall(worker.endedAt),
    endedInstant: worker.endedAt - node.monotonicZero,
    endOrder,
    stoppedByUs: !isOwn,
    errorFile: worker.kind !== "recorded" ? null : {
      path: "error.json",
      text: recordText(exception, Math.floor(wall(written) / 1000)),
      writtenAt: wall(written),
      problem: null,
    },
    tail: worker.kind === "lost-peer"
      ? sampleLines("peer_raises")
      : worker.kind === "exception" || worker.kind === "recorded"
      ? traceback
      : [],
    linesAfterFailure: 0,
    logFiles: [],
    endedByWatchdog: null,
  };
}

/** What reaches the judge from a node that was not lost: its own report as it is, another's as it travelled. */
function reportOf(job: SimJob, node: SimNode): ReportedNode {
  const ended = node.workers.toSorted((a, b) => a.endedAt - b.endedAt);
  const isOutOfMemory = ended.some(({ kind }) => kind === "out-of-memory");
  const report = examineAttempt(failedAttempt(
    node.workers.map((worker, localRank) => factsOf(worker, node, localRank, ended.indexOf(worker))),
    {
      host: `node-${node.groupRank}`,
      groupRank: node.groupRank,
      worldSize: job.nodes.length * node.workers.length,
      machine: { ...UNKNOWN_MACHINE, outOfMemoryKills: isOutOfMemory ? 1 : 0 },
    },
  ));
  return node.groupRank === 0
    ? { report, clock: OWN_CLOCK }
    : { report: decodeNodeReport(encodeNodeReport(report)), clock: node.clock };
}

/** Judges the reports, which arrive in an order that comes from `seed`, and reads the verdict as another node does. */
export function play(job: SimJob, seed: number): Verdict {
  const prng = new Prng(seed);
  const nodes = job.nodes.filter(({ isLost }) => !isLost)
    .map((node) => ({ node, arrives: prng.below(1000) }))
    .sort((a, b) => a.arrives - b.arrives)
    .map(({ node }) => reportOf(job, node));
  return decodeVerdict(encodeVerdict(judgeJob({ nodes, lost: job.lostNode === null ? [] : [job.lostNode] })));
}
