/** Questions to a key store and what is to be done with their answers, so that a machine can be written in their order. */

import { fromUtf8 } from "../core/bytes.ts";
import type { StoreAnswer, StoreOperation } from "./torch_operations.ts";

export class KeyTalk {
  readonly #emit: (operation: StoreOperation) => void;
  readonly #nextTicket: () => number;
  readonly #open = new Map<number, (answer: StoreAnswer) => void>();

  constructor(emit: (operation: StoreOperation) => void, nextTicket: () => number) {
    this.#emit = emit;
    this.#nextTicket = nextTicket;
  }

  set(...entries: readonly (readonly [string, string])[]): void {
    this.#emit({ kind: "set-keys", entries });
  }

  /** The texts once all are there; null: they are not after `limitMs`. */
  get(keys: readonly string[], limitMs: number, then: (values: readonly string[] | null) => void): void {
    const ticket = this.#ask((answer) => {
      const values = answer.kind === "values" ? answer.values : null;
      then(values === null || values.includes(null) ? null : values.map((value) => fromUtf8(value!)));
    });
    this.#emit({ kind: "get-keys", ticket, keys, limitMs });
  }

  /** The texts that are there now, null for the others. */
  look(keys: readonly string[], then: (values: readonly (string | null)[]) => void): void {
    if (keys.length === 0) return then([]);
    const ticket = this.#ask((answer) => {
      const values = answer.kind === "values" ? answer.values ?? [] : [];
      then(keys.map((_, index) => values[index] ? fromUtf8(values[index]) : null));
    });
    this.#emit({ kind: "look-keys", ticket, keys });
  }

  add(key: string, amount: number, then: (sum: number) => void): void {
    const ticket = this.#ask((answer) => then(answer.kind === "sum" ? answer.sum : 0));
    this.#emit({ kind: "add-key", ticket, key, amount });
  }

  /** Takes an answer to one of its questions; those that were forgotten do nothing. */
  settle(answer: StoreAnswer & { readonly ticket: number }): void {
    const then = this.#open.get(answer.ticket);
    this.#open.delete(answer.ticket);
    then?.(answer);
  }

  /** From now on nobody wants to know any more. */
  forget(): void {
    this.#open.clear();
  }

  #ask(then: (answer: StoreAnswer) => void): number {
    const ticket = this.#nextTicket();
    this.#open.set(ticket, then);
    return ticket;
  }
}
