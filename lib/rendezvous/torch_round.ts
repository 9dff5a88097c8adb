/** A complete round of the shared record, as the node that has a seat in it sees it. */

import { assertDefined } from "../core/assert.ts";
import type { KeyTalk } from "./key_talk.ts";
import { Assembly, type AssemblyOptions, type AssemblyResult } from "./torch_assembly.ts";
import { countExits, reportExit } from "./torch_exit.ts";
import { exchangeOf, type TorchRecord } from "./torch_record.ts";
import type { TorchRules } from "./torch_rules.ts";

export interface TorchRoundOptions
  extends Omit<AssemblyOptions, "round" | "names" | "groupRank" | "exchange"> {
  readonly rules: TorchRules;
}

export class TorchRound {
  readonly number: number;
  /** In the order of their group ranks. */
  readonly names: readonly string[];
  readonly groupRank: number;
  readonly assembly: Assembly;
  readonly #exit: Parameters<typeof reportExit>[0];
  readonly #talk: KeyTalk;
  readonly #nodesMax: number;
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
    this.#nodesMax = options.rules.nodesMax;
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

  /** Why the round is over; null: it is not. */
  overText(record: TorchRecord): string | null {
    return this.changeText(record) ?? this.goneText(record);
  }

  /**
   * That somebody waits for the next round, or has begun it: the sign that torchrun's agents go by. Null: nobody does, or
   * there is no seat for who does.
   */
  changeText(record: TorchRecord): string | null {
    if (record.round > this.number) return "the others began another round without this node";
    const waiting = [...record.waiting].filter((name) => name !== this.#me);
    const again = waiting.filter((name) => this.names.includes(name));
    if (again.length > 0) return `${again.join(" and ")} ${again.length === 1 ? "starts" : "start"} again`;
    if (waiting.length === 0 || record.participants.size >= this.#nodesMax) return null;
    return `${waiting.join(" and ")} ${waiting.length === 1 ? "joins" : "join"}`;
  }

  /**
   * That others are out of the round, dead or by their own will; null: none is, or the job is over. torchrun's agents do
   * not look for that; they see it when this node comes back to wait.
   */
  goneText(record: TorchRecord): string | null {
    if (record.isClosed || record.round > this.number) return null;
    const gone = this.#gone(record);
    return gone.length === 0 ? null : `${gone.join(" and ")} ${gone.length === 1 ? "is" : "are"} gone`;
  }

  /** Of the others, `exits` have succeeded, and the rest will not say any more whether they have. */
  isFinished(record: TorchRecord, exits: number): boolean {
    return exits + this.#gone(record).length >= this.names.length - 1;
  }

  get #me(): string {
    return this.names[this.groupRank]!;
  }

  #gone(record: TorchRecord): string[] {
    return this.names.filter((name) => name !== this.#me && !record.participants.has(name));
  }
}
