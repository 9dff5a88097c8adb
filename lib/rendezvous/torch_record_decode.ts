/**
 * torchrun's record from its pickle. Reading is strict (`pickle_reader.ts`), and knows the forms of all releases.
 */

import { PickleError, type PickleValue, readPickle } from "./pickle_reader.ts";
import { unpackTime } from "./python_time.ts";
import { nodeName, type TorchNode, type TorchRecord, type WallUs } from "./torch_record.ts";

/** Nodes that a record may name. */
export const RECORD_NODES_MAX = 4096;
const ADDRESS_CHARACTERS_MAX = 255;

type State = ReadonlyMap<string, PickleValue>;

const FIELDS = ["round", "complete", "deadline", "closed", "participants", "wait_list", "last_heartbeats"];
const SPARES_FIELD = "redundancy_list";

/**
 * The record in `bytes`.
 * @throws {PickleError} It is none of torchrun's, or does not agree with itself; one clause says why.
 */
export function decodeTorchRecord(bytes: Uint8Array): TorchRecord {
  const reader = new RecordReader();
  return reader.record(readPickle(bytes));
}

class RecordReader {
  readonly #nodes = new Map<string, TorchNode>();
  /** Kinds of time met so far: with a zone, and without. */
  readonly #zones = new Set<boolean>();

  record(value: PickleValue): TorchRecord {
    const state = fieldsOf(value, "state");
    const hasSpares = state.has(SPARES_FIELD);
    expectFields(state, hasSpares ? [...FIELDS, SPARES_FIELD] : FIELDS);
    const deadline = field(state, "deadline");
    const record = {
      round: wholeNumber(field(state, "round")),
      isComplete: truth(field(state, "complete")),
      deadline: deadline.kind === "none" ? null : this.#time(deadline),
      isClosed: truth(field(state, "closed")),
      participants: this.#map(field(state, "participants"), wholeNumber),
      waiting: this.#set(field(state, "wait_list")),
      spares: hasSpares ? this.#set(field(state, SPARES_FIELD)) : new Set<string>(),
      heartbeats: this.#map(field(state, "last_heartbeats"), (time) => this.#time(time)),
      nodes: this.#nodes,
    };
    if (this.#zones.size > 1) throw new PickleError("has times with and without a zone");
    // Ranks have gaps once somebody has left; equal ones can't be.
    const { participants } = record;
    if (record.isComplete && new Set(participants.values()).size < participants.size) {
      throw new PickleError("has two nodes with one rank");
    }
    // Only a record that nobody is in has no time; the release is then known by the other sign.
    const [hasZones = hasSpares] = this.#zones;
    return { form: { hasZones, hasSpares }, ...record };
  }

  #map<T>(value: PickleValue, read: (value: PickleValue) => T): Map<string, T> {
    if (value.kind !== "dict") throw new PickleError("has something else where nodes are listed");
    const map = new Map<string, T>();
    for (const [node, item] of value.entries) map.set(this.#newName(node, map), read(item));
    return map;
  }

  #set(value: PickleValue): Set<string> {
    if (value.kind !== "set") throw new PickleError("has something else where nodes are listed");
    const set = new Set<string>();
    for (const node of value.items) set.add(this.#newName(node, set));
    return set;
  }

  #newName(value: PickleValue, among: { has(name: string): boolean }): string {
    const state = fieldsOf(value, "node");
    expectFields(state, ["addr", "pid", "local_id"]);
    const address = field(state, "addr");
    const isAddress = address.kind === "text" && address.value.length <= ADDRESS_CHARACTERS_MAX &&
      /^[^\p{C}\s]+$/u.test(address.value);
    if (!isAddress) throw new PickleError("has a node without a proper address");
    const node = {
      address: address.value,
      pid: wholeNumber(field(state, "pid")),
      localId: wholeNumber(field(state, "local_id")),
    };
    const name = nodeName(node);
    if (among.has(name)) throw new PickleError("lists a node twice");
    this.#nodes.set(name, node);
    if (this.#nodes.size > RECORD_NODES_MAX) throw new PickleError(`has more than ${RECORD_NODES_MAX} nodes`);
    return name;
  }

  /** Ten bytes as `datetime.__reduce__` makes them, and perhaps the zone UTC. */
  #time(value: PickleValue): WallUs {
    const fault = new PickleError("has a time that can't be read");
    if (value.kind !== "call" || value.name !== "datetime") throw fault;
    const [packed, zone, ...rest] = value.items;
    if (packed?.kind !== "bytes" || rest.length > 0) throw fault;
    if (zone !== undefined && !isUtc(zone)) throw fault;
    this.#zones.add(zone !== undefined);
    const time = unpackTime(packed.value);
    if (time === null) throw fault;
    return time;
  }
}

function fieldsOf(value: PickleValue, name: "state" | "node"): State {
  if (value.kind !== "object" || value.name !== name || value.state?.kind !== "dict") {
    throw new PickleError(`has no ${name} where torchrun's has one`);
  }
  const fields = new Map<string, PickleValue>();
  for (const [key, item] of value.state.entries) {
    if (key.kind !== "text" || fields.has(key.value)) {
      throw new PickleError(`has a ${name} with improper fields`);
    }
    fields.set(key.value, item);
  }
  return fields;
}

function expectFields(state: State, names: readonly string[]): void {
  if (state.size === names.length && names.every((name) => state.has(name))) return;
  throw new PickleError("has other fields than torchrun's");
}

function field(state: State, name: string): PickleValue {
  return state.get(name)!;
}

function wholeNumber(value: PickleValue): number {
  if (value.kind !== "integer" || value.value < 0) {
    throw new PickleError("has something else where a number is due");
  }
  return value.value;
}

function truth(value: PickleValue): boolean {
  if (value.kind !== "boolean") throw new PickleError("has something else where true or false is due");
  return value.value;
}

/** `timezone(timedelta(0))`. */
function isUtc(value: PickleValue): boolean {
  const [offset] = value.kind === "call" && value.name === "timezone" && value.items.length === 1
    ? value.items
    : [];
  return offset?.kind === "call" && offset.name === "timedelta" && offset.items.length === 3 &&
    offset.items.every((item) => item.kind === "integer" && item.value === 0);
}
