/** Records that were damaged or made up, for as long as wanted: each is read, or refused by one clause. */

import { assert } from "../../lib/core/assert.ts";
import type { Prng } from "../../lib/core/prng.ts";
import { PickleError } from "../../lib/rendezvous/pickle_reader.ts";
import type { TorchRecord } from "../../lib/rendezvous/torch_record.ts";
import { decodeTorchRecord } from "../../lib/rendezvous/torch_record_decode.ts";
import { encodeTorchRecord } from "../../lib/rendezvous/torch_record_encode.ts";
import { recordedRecords } from "./recordings.ts";

const RELEASES = ["2.2.0", "2.6.0", "2.15"];

/** What the pickler's opcodes are, and some that must be refused. */
const OPCODES = Array.from(
  "\x80\x95N\x88\x89KMJ\x8a\x8cXC()\x85\x86\x87}\x8fsu\x90\x94hj\x93\x81Rb.cioQ\x82\x92",
  (c) => c.charCodeAt(0),
);

/** Reads `count` hostile records, some of them recorded ones that were damaged; returns how many were accepted. */
export function fuzzRecords(prng: Prng, count: number): number {
  const samples = RELEASES.flatMap(recordedRecords);
  let accepted = 0;
  for (let turn = 0; turn < count; turn++) {
    const bytes = prng.chance(1, 8) ? madeUp(prng) : damaged(prng.pick(samples), prng);
    try {
      const record = decodeTorchRecord(bytes);
      accepted++;
      // What was believed can be written, and means the same.
      const again = decodeTorchRecord(encodeTorchRecord(record));
      assert(textOf(again) === textOf(record), `Turn ${turn} does not survive: ${bytes.toHex()}`);
    } catch (error) {
      const isRefusal = error instanceof PickleError && /^[\x20-\x7e]{1,120}$/.test(error.message);
      if (!isRefusal) throw new Error(`Turn ${turn}: ${bytes.toHex()}`, { cause: error });
    }
  }
  return accepted;
}

function damaged(sample: Uint8Array, prng: Prng): Uint8Array {
  const bytes = [...sample];
  for (let damages = 1 + prng.below(4); damages > 0; damages--) {
    const at = prng.below(bytes.length);
    switch (prng.below(5)) {
      case 0:
        bytes[at] = prng.below(256);
        break;
      case 1:
        bytes[at] = prng.pick(OPCODES);
        break;
      case 2:
        bytes.splice(at, 1 + prng.below(8));
        break;
      case 3:
        bytes.splice(at, 0, ...bytes.slice(at, at + prng.below(40)));
        break;
      case 4:
        bytes.splice(at, 0, prng.pick(OPCODES));
    }
    if (bytes.length === 0) return new Uint8Array();
  }
  return Uint8Array.from(bytes);
}

function madeUp(prng: Prng): Uint8Array {
  const length = prng.below(200);
  const bytes = Array.from({ length }, () => prng.chance(2, 3) ? prng.pick(OPCODES) : prng.below(256));
  return Uint8Array.of(0x80, 4, ...bytes);
}

function textOf(record: TorchRecord): string {
  const lists = [record.participants, record.waiting, record.spares, record.heartbeats].map((
    list,
  ) => [...list]);
  return JSON.stringify([record.round, record.isComplete, record.deadline, record.isClosed, lists]);
}
