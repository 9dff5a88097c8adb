/**
 * How a node beyond MAX hears of the job's good end: by the keys with which torchrun's agents wait for each other. Their
 * host leaves with its store right after, often before the record is looked at again.
 */

import type { KeyTalk } from "./key_talk.ts";
import { awaitExits } from "./torch_exit.ts";
import { exchangeOf, type TorchRecord } from "./torch_record.ts";

/** After which the question is asked again. */
const WATCH_MS = 600_000;

export class SpareWatch {
  readonly #keyBase: string;
  readonly #talk: KeyTalk;
  readonly #onEnded: () => void;
  /** Of which it has asked; null: of none. */
  #round: number | null = null;

  constructor(keyBase: string, talk: KeyTalk, onEnded: () => void) {
    this.#keyBase = keyBase;
    this.#talk = talk;
    this.#onEnded = onEnded;
  }

  watch({ form, round, isComplete, participants }: TorchRecord): void {
    const exchange = exchangeOf(form);
    if (!isComplete || round === this.#round || exchange === null) return;
    this.#round = round;
    const prefix = `${this.#keyBase}.${round}/`, groupWorldSize = participants.size;
    awaitExits({ prefix, exchange, groupWorldSize }, this.#talk, WATCH_MS, (areAllDone) => {
      if (this.#round !== round) return;
      this.#round = null;
      if (areAllDone) this.#onEnded();
    });
  }

  /** The node is no spare any more. */
  stop(): void {
    this.#round = null;
  }
}
