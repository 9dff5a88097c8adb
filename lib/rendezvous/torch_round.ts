/** A complete round of the shared record, as the node that has a seat in it sees it. */

import { assertDefined } from "../core/assert.ts";
import type { KeyTalk } from "./key_talk.ts";
import { Assembly, type AssemblyOptions, type AssemblyResult } from "./torch_assembly.ts";
import { countExits, reportExit } from "./torch_exit.ts";
import { exchangeOf, type TorchRecord } from "./torch_record.ts";

export type TorchRoundOptions = Omit<AssemblyOptions, "round" | "names" | "groupRank" | "exchange">;

export class TorchRound {
  readonly number: number;
  /** In the order of their group ranks. */
  readonly names: readonly string[];
  readonly groupRank: number;
  readonly assembly: Assembly;
  readonly #exit: Parameters<typeof reportExit>[0];
  readonly #talk: KeyTalk;
  #hasReported = false;

  constructor(
    record: TorchRecord,
    me: string,
    options: TorchRoundOptions,
    talk: KeyTalk,
    conclude: (result: AssemblyResult) => void,
  ) {
    const names = [...record.participants].sort((a, b) => a[1] - b[1]).map(([name]) => name);
    const exchange = assertDefined(exchangeOf(record.form)), groupRank = names.indexOf(me);
    this.number = record.round;
    this.names = names;
    this.groupRank = groupRank;
    this.#talk = talk;
    this.assembly = new Assembly(
      { ...options, round: record.round, names, groupRank, exchange },
      talk,
      conclude,
    );
    const prefix = `${options.keyBase}.${record.round}/`;
    this.#exit = { prefix, exchange, groupRank, groupWorldSize: names.length };
  }

  /** Some of its nodes are torchrun's. */
  get hasTorchrun(): boolean {
    return this.assembly.torchrun.length > 0;
  }

  /** This node's workers have succeeded. `then`: all others' have too, or not within `limitMs`. */
  reportExit(limitMs: number, then: (areAllDone: boolean) => void): void {
    this.#hasReported = true;
    reportExit(this.#exit, this.#talk, limitMs, then);
  }

  /** How many of the other nodes have succeeded. */
  countOtherExits(then: (count: number) => void): void {
    countExits(this.#exit, this.#talk, (count) => then(count - (this.#hasReported ? 1 : 0)));
  }

  /** What it means for the round that somebody waits for the next one; null: nobody does. */
  changeText(record: TorchRecord): string | null {
    if (record.round > this.number) return "the others began another round without this node";
    const me = this.names[this.groupRank]!;
    const waiting = [...record.waiting].filter((name) => name !== me);
    const again = waiting.filter((name) => this.names.includes(name));
    if (again.length > 0) return `${again.join(" and ")} ${again.length === 1 ? "starts" : "start"} again`;
    if (waiting.length === 0) return null;
    return `${waiting.join(" and ")} ${waiting.length === 1 ? "joins" : "join"}`;
  }
}
