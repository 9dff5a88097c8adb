/**
 * torchrun's record to its pickle, in the record's form. Any pickle that loads to the same objects will do, so the bytes
 * differ from CPython's: nothing is remembered but classes, names of fields, nodes and the zone.
 */

import { concat, utf8 } from "../core/bytes.ts";
import { packTime } from "./python_time.ts";
import type { RecordForm, TorchNode, TorchRecord, WallUs } from "./torch_record.ts";

/** The record as a pickle that torchrun loads. */
export function encodeTorchRecord(record: TorchRecord): Uint8Array {
  const writer = new RecordWriter(record.form);
  const { nodes } = record;
  writer.open("state");
  writer.beginFields();
  writer.field("round", () => writer.number(record.round));
  writer.field("complete", () => writer.truth(record.isComplete));
  writer.field("deadline", () => record.deadline === null ? writer.none() : writer.time(record.deadline));
  writer.field("closed", () => writer.truth(record.isClosed));
  writer.field("participants", () => writer.map(record.participants, nodes, (rank) => writer.number(rank)));
  writer.field("wait_list", () => writer.set(record.waiting, nodes));
  if (record.form.hasSpares) writer.field("redundancy_list", () => writer.set(record.spares, nodes));
  writer.field("last_heartbeats", () => writer.map(record.heartbeats, nodes, (time) => writer.time(time)));
  writer.close();
  return writer.finish();
}

const ELASTIC = "torch.distributed.elastic.rendezvous.dynamic_rendezvous";
const MODULES = {
  state: [ELASTIC, "_RendezvousState"],
  node: [ELASTIC, "_NodeDesc"],
  datetime: ["datetime", "datetime"],
  timezone: ["datetime", "timezone"],
  timedelta: ["datetime", "timedelta"],
} as const;

class RecordWriter {
  readonly #hasZones: boolean;
  readonly #parts: Uint8Array[] = [Uint8Array.of(0x80, 4)];
  readonly #memo = new Map<string, number>();

  constructor({ hasZones }: RecordForm) {
    this.#hasZones = hasZones;
  }

  /** An object of its class, whose fields follow until `close`. */
  open(name: "state" | "node"): void {
    this.#class(name);
    this.#bytes(0x29, 0x81);
  }

  field(name: string, write: () => void): void {
    this.#name(name);
    write();
  }

  beginFields(): void {
    this.#bytes(0x7d, 0x28);
  }

  close(): void {
    this.#bytes(0x75, 0x62);
  }

  map<T>(
    items: ReadonlyMap<string, T>,
    nodes: ReadonlyMap<string, TorchNode>,
    write: (item: T) => void,
  ): void {
    this.#bytes(0x7d);
    if (items.size === 0) return;
    this.#bytes(0x28);
    for (const [name, item] of items) {
      this.#node(name, nodes.get(name)!);
      write(item);
    }
    this.#bytes(0x75);
  }

  set(names: ReadonlySet<string>, nodes: ReadonlyMap<string, TorchNode>): void {
    this.#bytes(0x8f);
    if (names.size === 0) return;
    this.#bytes(0x28);
    for (const name of names) this.#node(name, nodes.get(name)!);
    this.#bytes(0x90);
  }

  none(): void {
    this.#bytes(0x4e);
  }

  truth(value: boolean): void {
    this.#bytes(value ? 0x88 : 0x89);
  }

  number(value: number): void {
    if (value < 0x100) return this.#bytes(0x4b, value);
    const part = new Uint8Array(10);
    const view = new DataView(part.buffer);
    if (value < 0x80000000) {
      part[0] = 0x4a;
      view.setInt32(1, value, true);
      this.#parts.push(part.subarray(0, 5));
      return;
    }
    part[0] = 0x8a;
    part[1] = 8;
    view.setBigInt64(2, BigInt(value), true);
    this.#parts.push(part);
  }

  time(value: WallUs): void {
    this.#class("datetime");
    this.#bytes(0x43, 10);
    this.#parts.push(packTime(value));
    if (this.#hasZones) this.#utc();
    this.#bytes(this.#hasZones ? 0x86 : 0x85, 0x52);
  }

  finish(): Uint8Array {
    this.#bytes(0x2e);
    return concat(this.#parts);
  }

  #utc(): void {
    if (this.#recall("utc")) return;
    this.#class("timezone");
    this.#class("timedelta");
    this.#bytes(0x4b, 0, 0x4b, 0, 0x4b, 0, 0x87, 0x52, 0x85, 0x52);
    this.#remember("utc");
  }

  #node(name: string, { address, pid, localId }: TorchNode): void {
    if (this.#recall(`node ${name}`)) return;
    this.open("node");
    this.#remember(`node ${name}`);
    this.beginFields();
    this.#name("addr");
    this.#text(address);
    this.#name("pid");
    this.number(pid);
    this.#name("local_id");
    this.number(localId);
    this.close();
  }

  #class(name: keyof typeof MODULES): void {
    if (this.#recall(`class ${name}`)) return;
    MODULES[name].forEach((text) => this.#text(text));
    this.#bytes(0x93);
    this.#remember(`class ${name}`);
  }

  /** A text that comes often. */
  #name(text: string): void {
    if (this.#recall(`name ${text}`)) return;
    this.#text(text);
    this.#remember(`name ${text}`);
  }

  #text(text: string): void {
    const bytes = utf8(text);
    const head = new Uint8Array(5);
    head[0] = 0x58;
    new DataView(head.buffer).setUint32(1, bytes.length, true);
    this.#parts.push(head, bytes);
  }

  #remember(name: string): void {
    this.#memo.set(name, this.#memo.size);
    this.#bytes(0x94);
  }

  #recall(name: string): boolean {
    const index = this.#memo.get(name);
    if (index === undefined) return false;
    const part = new Uint8Array(5);
    part[0] = 0x6a;
    new DataView(part.buffer).setUint32(1, index, true);
    this.#parts.push(part);
    return true;
  }

  #bytes(...bytes: number[]): void {
    this.#parts.push(Uint8Array.from(bytes));
  }
}
