import { assertEquals, assertThrows } from "@std/assert";
import { PickleError } from "../../lib/rendezvous/pickle_reader.ts";
import {
  FORM_OF_2_2,
  FORM_OF_2_6,
  type RecordForm,
  type TorchRecord,
} from "../../lib/rendezvous/torch_record.ts";
import { decodeTorchRecord } from "../../lib/rendezvous/torch_record_decode.ts";
import { encodeTorchRecord } from "../../lib/rendezvous/torch_record_encode.ts";
import { recordedRecords } from "./recordings.ts";
import { after, joined, rules } from "./torch_samples.ts";

const FORMS: readonly [string, RecordForm][] = [["2.2.0", FORM_OF_2_2], ["2.6.0", FORM_OF_2_6], [
  "2.15",
  FORM_OF_2_6,
]];

for (const [release, form] of FORMS) {
  Deno.test(`decodeTorchRecord() reads every record that agents of ${release} wrote, and they survive both ways`, () => {
    const records = recordedRecords(release);
    assertEquals(records.length > 10, true);
    for (const bytes of records) {
      const record = decodeTorchRecord(bytes);
      assertEquals(record.form, form);
      assertEquals(decodeTorchRecord(encodeTorchRecord(record)), record);
    }
    const decoded = records.map(decodeTorchRecord);
    assertEquals(Math.max(...decoded.map(({ round }) => round)) >= 1, true);
    assertEquals(decoded.some(({ isComplete, participants }) => isComplete && participants.size === 2), true);
    assertEquals(decoded.some(({ waiting }) => waiting.size > 0), true);
    assertEquals(decoded.some(({ isClosed }) => isClosed), true);
  });
}

const sample = () => after(joined("abc", rules(2, 3)), "add-spare", "de", rules(2, 3));

Deno.test("decodeTorchRecord() reads records of a thousand nodes, and refuses one beyond its limit", () => {
  const many = (count: number): TorchRecord => {
    const nodes = Array.from({ length: count }, (_, pid) => ({ address: "host.example", pid, localId: 0 }));
    const named = nodes.map((node) => [`host.example_${node.pid}_0`, node] as const);
    return {
      ...sample(),
      isComplete: false,
      nodes: new Map(named),
      ...emptyLists(named.map(([name]) => name)),
    };
  };
  assertEquals(decodeTorchRecord(encodeTorchRecord(many(1000))), many(1000));
  assertThrows(() => decodeTorchRecord(encodeTorchRecord(many(4097))), PickleError, "4096 nodes");
});

function emptyLists(names: readonly string[]) {
  return {
    participants: new Map(names.map((name) => [name, 0])),
    waiting: new Set<string>(),
    spares: new Set<string>(),
    heartbeats: new Map<string, number>(),
  };
}

Deno.test("decodeTorchRecord() tells the releases apart that it can't join", () => {
  const form = { hasZones: false, hasSpares: true };
  assertEquals(decodeTorchRecord(encodeTorchRecord({ ...sample(), form })).form, form);
});

Deno.test("decodeTorchRecord() refuses a complete record in which two nodes have one rank", () => {
  const participants = new Map([...sample().participants].map(([name]) => [name, 0]));
  const bytes = encodeTorchRecord({ ...sample(), participants });
  assertThrows(() => decodeTorchRecord(bytes), PickleError, "one rank");
});

Deno.test("decodeTorchRecord() refuses pickles that do something", () => {
  const hostile = {
    "os.system, protocol 4": "80048c056e74706f7378948c0673797374656d93948c026964859452942e",
    "builtins.eval, protocol 0": "635f5f6275696c74696e5f5f0a6576616c0a2856310a7452 2e",
    "a persistent id": "80048c01615100 2e",
    "an extension": "800482012e",
    "INST": "8004286970797468 6f6e0a780a2e",
    "NEWOBJ_EX": "80048c086461746574696d658c086461746574696d6593297d922e",
    "datetime by NEWOBJ": "80048c086461746574696d658c086461746574696d659329812e",
    "PROTO 2": "80022e",
    "nothing": "80042e",
    "no end": "8004",
    "two values": "80044e4e2e",
    "MARK left": "8004284e2e",
  };
  for (const [name, hex] of Object.entries(hostile)) {
    assertThrows(() => decodeTorchRecord(Uint8Array.fromHex(hex.replaceAll(" ", ""))), PickleError, "", name);
  }
});

Deno.test("decodeTorchRecord() reads a deeply wound pickle without running out of anything", () => {
  const deep = new Uint8Array(400_000).fill(0x85, 2);
  deep.set([0x80, 4, 0x4e]);
  deep[deep.length - 1] = 0x2e;
  assertThrows(() => decodeTorchRecord(deep), PickleError, "no state");
  const wide = new Uint8Array(400_000).fill(0x28, 2);
  wide.set([0x80, 4]);
  assertThrows(() => decodeTorchRecord(wide), PickleError, "open parts");
  assertThrows(() => decodeTorchRecord(new Uint8Array(1024 * 1024 + 1)), PickleError, "bytes");
});
