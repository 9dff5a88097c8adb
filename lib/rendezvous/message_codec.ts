/**
 * What our agents say to the job's host and it to them, as the control channel's messages: a type, and as payload JSON
 * that an attachment may follow behind a NUL. Types are never reused (16, 17, 48 and 49 are those of
 * `view/status_messages.ts`); a type or field that is not known is passed over, so that versions can mix.
 */

import { concat, fromUtf8, utf8 } from "../core/bytes.ts";
import type { SignalName } from "../core/errors.ts";
import { SIGNAL_NUMBERS } from "../core/errors.ts";
import type { Memory } from "./ballot.ts";
import type { KnownNode } from "./census.ts";
import type { JobRecord, RoundId, Standing } from "./job_record.ts";
import { JsonFields, MessageError } from "../core/json_fields.ts";
import type { JobOutcome, LocalFailure, MeetingNews, MeetingRequest, Seat, StorePlace } from "./meeting.ts";
import type { NodeInfo } from "./ranks.ts";

export interface Message {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** What a node knows of its job from before. */
export interface Past {
  /** Of the rounds that it accepted; null: none. */
  readonly memory: Memory | null;
  /** It has met no other host of the job. */
  readonly isFresh: boolean;
  /** Who else took part, as it is known where the job was begun (`Census.everybody`); null: elsewhere. */
  readonly others: readonly KnownNode[] | null;
  /** How often the job was begun there; 0: elsewhere. */
  readonly begun: number;
}

export const NO_PAST: Past = { memory: null, isFresh: true, others: null, begun: 0 };

/** From a node to the host. */
export type NodeMessage =
  | Exclude<MeetingRequest, { kind: "join" }>
  | ({ readonly kind: "join"; readonly info: NodeInfo } & Past)
  /** Answer to `propose`. */
  | { readonly kind: "accepted"; readonly proposal: RoundId };

/** What an agent asks, as its node says it. */
export function toNodeMessage(
  request: MeetingRequest,
  info: NodeInfo,
  past: Past = NO_PAST,
): NodeMessage {
  return request.kind === "join" ? { ...request, info, ...past } : request;
}

/** A node that can take the job over. */
export interface Standby {
  readonly nodeId: string;
  /** HOST:PORT where it would host. */
  readonly address: string;
}

/** From the host to a node. */
export type HostMessage =
  | MeetingNews
  /** Who takes over, in this order, if the host is lost. */
  | { readonly kind: "standbys"; readonly standbys: readonly Standby[] }
  /** For those who may have to: what the job has come to. */
  | { readonly kind: "record"; readonly record: JobRecord; readonly standing: Standing }
  /** Somebody has stopped the job for all: whatever becomes of its host, it does not go on. */
  | { readonly kind: "stopping"; readonly signal: SignalName }
  /**
   * A round that begins if all accept it, answered by `accepted`. `bases`: the rounds whose nodes give the right to it;
   * `record`: all of it, for those who may have to take over; null for the others.
   */
  | {
    readonly kind: "propose";
    readonly proposal: RoundId;
    readonly bases: readonly RoundId[];
    readonly record: JobRecord | null;
  };

/** Whether it is for the node's agent; all else is for the node itself, which may have to take the job over. */
export function isNews(message: HostMessage): message is MeetingNews {
  return !["standbys", "record", "propose", "stopping"].includes(message.kind);
}

/** torchrun's agents take part: from now on the nodes meet by their record, in the host's store. The host's last word. */
export interface ShareMessage {
  readonly kind: "share";
}

const NODE_TYPES: Readonly<Record<NodeMessage["kind"], number>> = {
  "join": 1,
  "store-served": 2,
  "running": 3,
  "failed": 4,
  "succeeded": 5,
  "cleared": 6,
  "leave": 7,
  "accepted": 8,
};

const HOST_TYPES: Readonly<Record<(HostMessage | ShareMessage)["kind"], number>> = {
  "serve-store": 33,
  "round": 34,
  "round-over": 35,
  "go-on": 36,
  "waiting": 37,
  "job-over": 38,
  "standbys": 39,
  "record": 40,
  "share": 41,
  "propose": 42,
  "stopping": 43,
};

export function encodeNodeMessage(message: NodeMessage): Message {
  const { kind, ...fields } = message;
  if (kind === "cleared") {
    const { report, ...rest } = fields as Omit<typeof message & { kind: "cleared" }, "kind">;
    return { type: NODE_TYPES[kind], payload: payloadOf(rest, report) };
  }
  return { type: NODE_TYPES[kind], payload: payloadOf(fields, null) };
}

/** Null: a type of a later version. @throws {MessageError} It can't be read. */
export function decodeNodeMessage({ type, payload }: Message): NodeMessage | null {
  const kind = kindOf(NODE_TYPES, type);
  if (kind === null) return null;
  const { fields, attachment } = fieldsOf(payload, kind);
  switch (kind) {
    case "join": {
      const info = nodeInfo(fields.object("info")), memory = memoryOf(fields.objectOrNull("memory"));
      const others = fields.objectsOrNull("others")?.map(knownNodeOf) ?? null, begun = fields.count("begun");
      return { kind, info, memory, isFresh: fields.flag("isFresh"), others, begun };
    }
    case "store-served":
      return { kind, round: fields.count("round"), store: storePlace(fields.object("store")) };
    case "running":
    case "succeeded":
      return { kind, round: fields.count("round") };
    case "failed":
      return { kind, round: fields.count("round"), failure: localFailure(fields.object("failure")) };
    case "cleared":
      return { kind, round: fields.count("round"), report: attachment };
    case "leave":
      return { kind, signal: signalOf(fields), scope: fields.oneOf("scope", ["node", "job"]) };
    case "accepted":
      return { kind, proposal: roundIdOf(fields.object("proposal")) };
  }
}

export function encodeHostMessage(message: HostMessage | ShareMessage): Message {
  const { kind, ...fields } = message;
  if (message.kind === "job-over") {
    const { verdict, ...outcome } = message.outcome;
    return { type: HOST_TYPES[kind], payload: payloadOf({ outcome }, verdict) };
  }
  if (message.kind === "go-on") {
    return { type: HOST_TYPES[kind], payload: payloadOf({ text: message.text }, message.verdict) };
  }
  return { type: HOST_TYPES[kind], payload: payloadOf(fields, null) };
}

/** Null: a type of a later version. @throws {MessageError} It can't be read. */
export function decodeHostMessage({ type, payload }: Message): HostMessage | ShareMessage | null {
  const kind = kindOf(HOST_TYPES, type);
  if (kind === null) return null;
  const { fields, attachment } = fieldsOf(payload, kind);
  switch (kind) {
    case "serve-store":
      return { kind, round: fields.count("round"), peers: fields.texts("peers") };
    case "round":
      return { kind, seat: seatOf(fields.object("seat")) };
    case "round-over":
      return {
        kind,
        round: fields.count("round"),
        text: fields.text("text"),
        needsReport: fields.flag("needsReport"),
      };
    case "go-on":
      return { kind, text: fields.textOrNull("text"), verdict: attachment };
    case "waiting": {
      const waiting = fields.objectOrNull("waiting");
      if (waiting === null) return { kind, waiting };
      const [present, min, max] = [waiting.count("present"), waiting.count("min"), waiting.count("max")];
      return {
        kind,
        waiting: { text: waiting.text("text"), present, min, max, leftMs: waiting.countOrNull("leftMs") },
      };
    }
    case "job-over":
      return { kind, outcome: outcomeOf(fields.object("outcome"), attachment) };
    case "standbys":
      return {
        kind,
        standbys: fields.objects("standbys").map((standby) => ({
          nodeId: standby.text("nodeId"),
          address: standby.text("address"),
        })),
      };
    case "record":
      return {
        kind,
        record: recordOf(fields.object("record")),
        standing: fields.oneOf("standing", ["running", "over", "left"]),
      };
    case "stopping":
      return { kind, signal: signalOf(fields) };
    case "share":
      return { kind };
    case "propose": {
      const record = fields.objectOrNull("record");
      return {
        kind,
        proposal: roundIdOf(fields.object("proposal")),
        bases: fields.objects("bases").map(roundIdOf),
        record: record === null ? null : recordOf(record),
      };
    }
  }
}

const SEPARATOR = new Uint8Array([0]);

function payloadOf(fields: object, attachment: Uint8Array | null): Uint8Array {
  const json = utf8(JSON.stringify(fields));
  return attachment === null ? json : concat([json, SEPARATOR, attachment]);
}

function fieldsOf(payload: Uint8Array, what: string): { fields: JsonFields; attachment: Uint8Array | null } {
  const end = payload.indexOf(0);
  const json = fromUtf8(end < 0 ? payload : payload.subarray(0, end));
  return { fields: JsonFields.parse(json, what), attachment: end < 0 ? null : payload.slice(end + 1) };
}

function kindOf<Kind extends string>(types: Readonly<Record<Kind, number>>, type: number): Kind | null {
  return (Object.keys(types) as Kind[]).find((kind) => types[kind] === type) ?? null;
}

function nodeInfo(fields: JsonFields): NodeInfo {
  return {
    nodeId: nameOf(fields, "nodeId"),
    hostName: nameOf(fields, "hostName"),
    address: fields.textOrNull("address"),
    workerCount: fields.count("workerCount"),
    role: nameOf(fields, "role"),
    nodeRank: fields.countOrNull("nodeRank"),
    schedulerRank: fields.countOrNull("schedulerRank"),
    topologyKey: fields.textOrNull("topologyKey"),
    standbyPort: fields.countOrNull("standbyPort"),
    interfaces: fields.texts("interfaces"),
  };
}

/** Names end up on people's terminals: no control characters get there. */
function nameOf(fields: JsonFields, key: string): string {
  const name = fields.text(key);
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) {
    throw new MessageError(`sent a ${key} with control characters`);
  }
  return name;
}

function storePlace(fields: JsonFields): StorePlace {
  return {
    address: fields.text("address"),
    port: fields.count("port"),
    hostedByLauncher: fields.flag("hostedByLauncher"),
  };
}

function localFailure(fields: JsonFields): LocalFailure {
  return {
    kind: fields.oneOf("kind", ["worker", "start", "unrestartable"]),
    text: fields.text("text"),
    exitCode: fields.count("exitCode"),
  };
}

function signalOf(fields: JsonFields): SignalName {
  return fields.oneOf("signal", Object.keys(SIGNAL_NUMBERS) as SignalName[]);
}

function seatOf(fields: JsonFields): Seat {
  return {
    round: fields.count("round"),
    restartCount: fields.count("restartCount"),
    groupRank: fields.count("groupRank"),
    groupWorldSize: fields.count("groupWorldSize"),
    baseRank: fields.count("baseRank"),
    worldSize: fields.count("worldSize"),
    baseRoleRank: fields.count("baseRoleRank"),
    roleWorldSize: fields.count("roleWorldSize"),
    store: storePlace(fields.object("store")),
  };
}

function outcomeOf(fields: JsonFields, verdict: Uint8Array | null): JobOutcome {
  const code = fields.count("code");
  if (code > 255) throw new MessageError(`sent an outcome with exit code ${code}`);
  return {
    code,
    level: fields.oneOf("level", ["info", "notice", "error"]),
    text: fields.textOrNull("text"),
    verdict,
  };
}

/** What a job has come to, for a place that outlives its host. */
export function encodeRecord(record: JobRecord): Uint8Array {
  return utf8(JSON.stringify(record));
}

/** @throws {MessageError} It is none. */
export function decodeRecord(bytes: Uint8Array): JobRecord {
  return recordOf(JsonFields.parse(fromUtf8(bytes), "record"));
}

function recordOf(fields: JsonFields): JobRecord {
  return { ...roundIdOf(fields), restarts: fields.count("restarts"), seats: fields.texts("seats") };
}

function knownNodeOf(fields: JsonFields): KnownNode {
  return { nodeId: fields.text("nodeId"), address: fields.textOrNull("address") };
}

function roundIdOf(fields: JsonFields): RoundId {
  return { epoch: fields.count("epoch"), round: fields.count("round"), hostId: fields.text("hostId") };
}

function memoryOf(fields: JsonFields | null): Memory | null {
  if (fields === null) return null;
  return { first: roundIdOf(fields.object("first")), latest: roundIdOf(fields.object("latest")) };
}
