/**
 * Reports of nodes, and verdicts, as messages of the agents' control channel: JSON in UTF-8 with a limit in bytes,
 * which is kept by telling less of those that matter least.
 *
 * Rules: fields are only ever added, unknown ones are skipped, so that neighbouring versions understand each other;
 * what can't be a report is refused whole.
 */

import { JsonFields, MessageError } from "../core/json_fields.ts";
import { fromUtf8, utf8 } from "../core/bytes.ts";
import { condense, cut, FIELD_LIMITS, mergeGroups, type Share } from "./condense.ts";
import type { AttemptName, MachineFacts } from "./facts.ts";
import { failureFromJson, failureToJson, groupFromJson, rangesFrom } from "./failure_codec.ts";
import type { FailureGroup, NodeReport, Success } from "./finding.ts";
import type { LostNode } from "./job_facts.ts";
import { KERNEL_LINE_MAX, KERNEL_LINES_MAX } from "./kernel_log.ts";
import type { Verdict } from "./report.ts";

export const NODE_REPORT_BYTES_MAX = 128 * 1024;
export const VERDICT_BYTES_MAX = 512 * 1024;

/** From plenty to what fits for certain: the first that does is taken. */
const SHARES: readonly Share[] = [
  { failures: 64, texts: 8 },
  { failures: 64, texts: 4 },
  { failures: 32, texts: 2 },
  { failures: 8, texts: 1 },
  { failures: 2, texts: 1 },
  { failures: 1, texts: 0 },
  { failures: 0, texts: 0 },
];

const SUCCESSES_MAX = 256;
const GROUPS_MAX = 256;
const LOST_PER_FAILURE = 16;
const LOST_MAX = SHARES[0]!.failures * LOST_PER_FAILURE;
const LOST_RANGES_MAX = 16;
const SENTENCES_MAX = 32;

/** `report` in at most NODE_REPORT_BYTES_MAX. */
export function encodeNodeReport(report: NodeReport): Uint8Array {
  return fitting(NODE_REPORT_BYTES_MAX, (share) => {
    const { failures, groups } = condense(report.failures, share);
    return {
      attempt: attemptToJson(report.attempt),
      host: cut(report.host, FIELD_LIMITS.path),
      groupRank: report.groupRank,
      machine: report.machine,
      failures: failures.map(failureToJson),
      groups: limitedGroups([...report.groups, ...groups], share),
      successes: report.successes.toSorted((a, b) => a.endedInstant - b.endedInstant).slice(0, SUCCESSES_MAX),
    };
  });
}

/** @throws {MessageError} The bytes are no report. */
export function decodeNodeReport(bytes: Uint8Array): NodeReport {
  const fields = parsed(bytes, NODE_REPORT_BYTES_MAX);
  return {
    attempt: attemptFrom(fields.object("attempt")),
    host: fields.text("host", FIELD_LIMITS.path),
    groupRank: fields.count("groupRank"),
    machine: machineFrom(fields.object("machine")),
    failures: fields.list("failures", SHARES[0]!.failures, failureFromJson),
    groups: fields.list("groups", GROUPS_MAX, groupFromJson),
    successes: fields.list("successes", SUCCESSES_MAX, successFrom),
  };
}

/** `verdict` in at most VERDICT_BYTES_MAX. Every node shows what `decodeVerdict` makes of it, so that all show the same. */
export function encodeVerdict(verdict: Verdict): Uint8Array {
  return fitting(VERDICT_BYTES_MAX, (share) => {
    const [others, consequences, stopped] = [verdict.others, verdict.consequences, verdict.stopped].map((
      part,
    ) => condense(part, share)) as [
      ReturnType<typeof condense>,
      ReturnType<typeof condense>,
      ReturnType<typeof condense>,
    ];
    const groups = [...verdict.groups, ...others.groups, ...consequences.groups, ...stopped.groups];
    const root = verdict.rootCause === null
      ? []
      : condense([verdict.rootCause], { failures: 1, texts: 1 }).failures;
    return {
      attempt: attemptToJson(verdict.attempt),
      nodeCount: verdict.nodeCount,
      rootCause: root.length === 0 ? null : failureToJson(root[0]!),
      lostFirst: verdict.lostFirst === null ? null : lostToJson(verdict.lostFirst),
      others: others.failures.map(failureToJson),
      consequences: consequences.failures.map(failureToJson),
      stopped: stopped.failures.map(failureToJson),
      groups: limitedGroups(groups, share),
      lost: verdict.lost.slice(0, share.failures * LOST_PER_FAILURE).map(lostToJson),
      reasons: sentences(verdict.reasons),
      doubts: sentences(verdict.doubts),
      machine: verdict.machine,
    };
  });
}

/** @throws {MessageError} The bytes are no verdict. */
export function decodeVerdict(bytes: Uint8Array): Verdict {
  const fields = parsed(bytes, VERDICT_BYTES_MAX);
  const failures = (name: string) => fields.list(name, SHARES[0]!.failures, failureFromJson);
  const [rootCause] = fields.nullable("rootCause", (name) => [failureFromJson(fields.value(name), name)]) ??
    [null];
  return {
    attempt: attemptFrom(fields.object("attempt")),
    nodeCount: fields.count("nodeCount"),
    rootCause: rootCause!,
    lostFirst: fields.nullable("lostFirst", (name) => lostFrom(fields.value(name), name)),
    others: failures("others"),
    consequences: failures("consequences"),
    stopped: failures("stopped"),
    groups: fields.list("groups", GROUPS_MAX, groupFromJson),
    lost: fields.list("lost", LOST_MAX, lostFrom),
    reasons: fields.texts("reasons", SENTENCES_MAX, FIELD_LIMITS.sentence),
    doubts: fields.texts("doubts", SENTENCES_MAX, FIELD_LIMITS.sentence),
    machine: machineFrom(fields.object("machine")),
  };
}

function fitting(bytesMax: number, messageFor: (share: Share) => unknown): Uint8Array {
  let bytes = new Uint8Array(0);
  for (const share of SHARES) {
    bytes = utf8(JSON.stringify(messageFor(share)));
    if (bytes.length <= bytesMax) return bytes;
  }
  throw new RangeError(`A report does not fit into ${bytesMax} bytes: the least has ${bytes.length}`);
}

/** Fewer groups are kept where fewer failures are. */
function limitedGroups(groups: readonly FailureGroup[], share: Share): readonly FailureGroup[] {
  return mergeGroups(groups).slice(0, share.failures * 4);
}

function parsed(bytes: Uint8Array, bytesMax: number): JsonFields {
  if (bytes.length > bytesMax) {
    throw new MessageError(`sent a report of ${bytes.length} bytes, over the limit of ${bytesMax}`);
  }
  return JsonFields.parse(fromUtf8(bytes), "report");
}

function attemptToJson(attempt: AttemptName): AttemptName {
  const { jobId, role, displayName } = attempt;
  const short = (text: string) => cut(text, FIELD_LIMITS.path);
  return { ...attempt, jobId: short(jobId), role: short(role), displayName: short(displayName) };
}

function attemptFrom(fields: JsonFields): AttemptName {
  return {
    jobId: fields.text("jobId", FIELD_LIMITS.path),
    role: fields.text("role", FIELD_LIMITS.path),
    displayName: fields.text("displayName", FIELD_LIMITS.path),
    attempt: fields.count("attempt"),
    maxRestarts: fields.count("maxRestarts"),
    worldSize: fields.count("worldSize"),
  };
}

function machineFrom(fields: JsonFields): MachineFacts {
  const number = (name: string) => fields.nullable(name, () => fields.number(name));
  return {
    outOfMemoryKills: number("outOfMemoryKills"),
    machineOutOfMemoryKills: number("machineOutOfMemoryKills"),
    memoryLimitBytes: number("memoryLimitBytes"),
    sharedMemory: fields.nullable("sharedMemory", (name) => {
      const memory = fields.object(name);
      return { freeBytes: memory.number("freeBytes"), totalBytes: memory.number("totalBytes") };
    }),
    kernelLog: fields.nullable("kernelLog", (name) => fields.texts(name, KERNEL_LINES_MAX, KERNEL_LINE_MAX)),
  };
}

function successFrom(value: unknown, place: string): Success {
  const fields = new JsonFields(value, place);
  return { rank: fields.count("rank"), endedInstant: fields.number("endedInstant") };
}

function lostToJson(node: LostNode): unknown {
  const { host, reason, ranks } = node;
  return {
    ...node,
    host: cut(host, FIELD_LIMITS.path),
    reason: cut(reason, FIELD_LIMITS.summary),
    ranks: ranks.slice(0, LOST_RANGES_MAX),
  };
}

function lostFrom(value: unknown, place: string): LostNode {
  const fields = new JsonFields(value, place);
  return {
    host: fields.text("host", FIELD_LIMITS.path),
    groupRank: fields.count("groupRank"),
    ranks: rangesFrom(fields, "ranks"),
    lastHeard: fields.number("lastHeard"),
    noticed: fields.number("noticed"),
    noticedAt: fields.number("noticedAt"),
    reason: fields.text("reason", FIELD_LIMITS.summary),
  };
}

function sentences(texts: readonly string[]): string[] {
  return texts.slice(0, SENTENCES_MAX).map((text) => cut(text, FIELD_LIMITS.sentence));
}
