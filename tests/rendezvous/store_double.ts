/** A shared store in memory, for tests: answers at once, but for keys that are waited for. */

import { utf8 } from "../../lib/core/bytes.ts";
import type { StoreAnswer, StoreOperation } from "../../lib/rendezvous/torch_operations.ts";
import type { TorchRecord, WallUs } from "../../lib/rendezvous/torch_record.ts";
import { decodeTorchRecord } from "../../lib/rendezvous/torch_record_decode.ts";
import { encodeTorchRecord } from "../../lib/rendezvous/torch_record_encode.ts";

interface Waiter {
  readonly ticket: number;
  readonly keys: readonly string[];
  readonly answer: (answer: StoreAnswer) => void;
}

export class StoreDouble {
  readonly keys = new Map<string, string>();
  #bytes: Uint8Array | null = null;
  #token = 0;
  #waiters: Waiter[] = [];

  get record(): TorchRecord {
    return decodeTorchRecord(this.#bytes!);
  }

  set record(record: TorchRecord) {
    this.put(encodeTorchRecord(record));
  }

  put(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#token++;
  }

  /** Carries an operation out; `answer` is called at once or, for keys that are waited for, when they are there. */
  perform(operation: StoreOperation, wall: WallUs, answer: (answer: StoreAnswer) => void): void {
    switch (operation.kind) {
      case "read-record":
        return answer({
          kind: "record",
          ticket: operation.ticket,
          state: this.#state(),
          written: null,
          wall,
        });
      case "write-record": {
        const written = operation.token === (this.#bytes === null ? null : String(this.#token));
        if (written) this.put(operation.bytes);
        return answer({ kind: "record", ticket: operation.ticket, state: this.#state(), written, wall });
      }
      case "set-keys":
        for (const [key, value] of operation.entries) this.set(key, value);
        return;
      case "look-keys":
        return answer({ kind: "values", ticket: operation.ticket, values: this.#values(operation.keys) });
      case "add-key": {
        const sum = Number(this.keys.get(operation.key) ?? 0) + operation.amount;
        this.set(operation.key, String(sum));
        return answer({ kind: "sum", ticket: operation.ticket, sum });
      }
      case "get-keys":
        this.#waiters.push({ ticket: operation.ticket, keys: operation.keys, answer });
        return this.#wake();
    }
  }

  /** The time of a `get-keys` is over. */
  expire(ticket: number): void {
    const waiter = this.#waiters.find((waiter) => waiter.ticket === ticket);
    this.#waiters = this.#waiters.filter((other) => other !== waiter);
    waiter?.answer({ kind: "values", ticket, values: null });
  }

  set(key: string, value: string): void {
    this.keys.set(key, value);
    this.#wake();
  }

  #wake(): void {
    const ready = this.#waiters.filter(({ keys }) => keys.every((key) => this.keys.has(key)));
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter));
    for (const { ticket, keys, answer } of ready) {
      answer({ kind: "values", ticket, values: this.#values(keys) });
    }
  }

  #values(keys: readonly string[]): (Uint8Array | null)[] {
    return keys.map((key) => this.keys.has(key) ? utf8(this.keys.get(key)!) : null);
  }

  #state(): { readonly bytes: Uint8Array; readonly token: string } | null {
    return this.#bytes === null ? null : { bytes: this.#bytes, token: String(this.#token) };
  }
}
