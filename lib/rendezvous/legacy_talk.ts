/**
 * Questions about the legacy rendezvous' state and what is to be done with their answers. One is under way at a time: a
 * new one takes the place of the one before, whose answer then means nothing.
 */

import type { Prng } from "../core/prng.ts";
import type { LegacyAnswer, LegacyOperation } from "./legacy_operations.ts";
import {
  type LegacySize,
  type LegacyState,
  type LegacyStep,
  nextState,
  parseState,
  setupState,
} from "./legacy_state.ts";

type StateAnswer = Extract<LegacyAnswer, { readonly kind: "state" | "version" | "alive" | "set" }>;

/** `state` null: there is none. `done`: what was to be written is what stands there. */
export type WithState = (state: LegacyState | null, done: boolean) => void;

/** A state is read anew after this time, should a change have been missed. */
export const LOOK_AGAIN_MS = 30_000;

export class LegacyTalk {
  readonly #emit: (operation: LegacyOperation) => void;
  readonly #nextTicket: () => number;
  readonly #size: LegacySize;
  readonly #prng: Prng;
  readonly #onBroken: () => void;
  #open: { readonly ticket: number; readonly then: (answer: StateAnswer) => void } | null = null;
  /** The state's text, as it was last seen. */
  #known: string | null = null;

  /** `onBroken`: what stands there is no state. */
  constructor(
    emit: (operation: LegacyOperation) => void,
    nextTicket: () => number,
    { size, prng, onBroken }: {
      readonly size: LegacySize;
      readonly prng: Prng;
      readonly onBroken: () => void;
    },
  ) {
    this.#emit = emit;
    this.#nextTicket = nextTicket;
    this.#size = size;
    this.#prng = prng;
    this.#onBroken = onBroken;
  }

  readNow(then: WithState): void {
    this.#read(0, false, then);
  }

  /** When the state has changed, or with `members` a node's sign of life may have ended. */
  readNext(members: boolean, then: WithState): void {
    this.#read(LOOK_AGAIN_MS, members, then);
  }

  setUp(then: WithState): void {
    const { text: to, ttlSeconds } = setupState(this.#prng.next());
    this.#emit({ kind: "swap-state", ticket: this.#askState(then), from: null, to, ttlSeconds });
  }

  /** Takes a step from the state that was last seen. */
  take(state: LegacyState, step: LegacyStep, then: WithState): void {
    const { text: to, ttlSeconds } = nextState(state, step, this.#size, this.#prng.next());
    this.#emit({ kind: "swap-state", ticket: this.#askState(then), from: this.#known, to, ttlSeconds });
  }

  /** Takes the state that was last seen away. */
  remove(then: WithState): void {
    this.#emit({ kind: "delete-state", ticket: this.#askState(then), from: this.#known ?? "" });
  }

  nextVersion(then: (version: string) => void): void {
    const ticket = this.#ask((answer) => answer.kind === "version" ? then(answer.version) : undefined);
    this.#emit({ kind: "next-version", ticket });
  }

  /** Whether all who have confirmed `state` show signs of life. */
  checkMembers(state: LegacyState, then: (areAlive: boolean) => void): void {
    const ticket = this.#ask((answer) => {
      if (answer.kind === "alive") then(state.keepAlives.every((path) => answer.paths.includes(path)));
    });
    this.#emit({ kind: "list-alive", ticket, version: state.version });
  }

  setAlive(path: string, then: () => void): void {
    this.#emit({ kind: "set-alive", ticket: this.#ask(then), path });
  }

  /** Takes an answer; those that don't count any more do nothing. */
  settle(answer: StateAnswer): void {
    if (answer.ticket !== this.#open?.ticket) return;
    const { then } = this.#open;
    this.#open = null;
    then(answer);
  }

  forget(): void {
    this.#open = null;
  }

  #read(afterMs: number, members: boolean, then: WithState): void {
    const ticket = this.#askState(then);
    this.#emit({ kind: "read-state", ticket, known: this.#known, afterMs, members });
  }

  #askState(then: WithState): number {
    return this.#ask((answer) => {
      if (answer.kind !== "state") return;
      this.#known = answer.text;
      const state = answer.text === null ? null : parseState(answer.text);
      if (answer.text !== null && state === null) this.#onBroken();
      else then(state, answer.done);
    });
  }

  #ask(then: (answer: StateAnswer) => void): number {
    const ticket = this.#nextTicket();
    this.#open = { ticket, then };
    return ticket;
  }
}
