/**
 * One node's way with the shared record: read it, take out the dead, decide, write the next one, and begin again from
 * whatever somebody else wrote first. One operation is under way at a time.
 *
 * The record must be read again and again: no PyTorch store tells of changes to it. Where a store does, `read-record`
 * comes back early.
 */

import type { InstantMs } from "../core/time.ts";
import type { Prng } from "../core/prng.ts";
import { FIXED_INTERVAL_MS, HeartbeatWatch } from "./heartbeat_watch.ts";
import { PickleError } from "./pickle_reader.ts";
import { decodeTorchRecord } from "./torch_record_decode.ts";
import { encodeTorchRecord } from "./torch_record_encode.ts";
import type { StoreAnswer, StoreOperation } from "./torch_operations.ts";
import {
  emptyRecord,
  exchangeOf,
  FORM_OF_2_6,
  nodeName,
  type RecordForm,
  type TorchNode,
  type TorchRecord,
  type WallUs,
} from "./torch_record.ts";
import {
  apply,
  decide,
  removeNodes,
  type TorchAction,
  type TorchDecision,
  type TorchRules,
  type TorchWish,
} from "./torch_rules.ts";

export interface RecordLoopOptions {
  readonly me: TorchNode;
  readonly rules: TorchRules;
  readonly keepAliveMs: number;
  readonly keepAliveAttempts: number;
  /** Longest pause after a lost write (rdzv-conf `cas_backoff_max_seconds`); 0: ours. */
  readonly backoffMsMax: number;
  /** How long a record that is not there is left to torchrun, whose release then decides on its form. */
  readonly claimMs: number;
  readonly prng: Prng;
}

/** What became of an answer. */
export type RecordReport =
  /** `record`: without the dead; `decision`: what is being done about it. */
  | { readonly kind: "seen"; readonly record: TorchRecord; readonly decision: TorchDecision }
  | { readonly kind: "unreadable"; readonly text: string }
  /** Nobody has written it yet, or it was deleted. */
  | { readonly kind: "absent" }
  /** Of a release whose agents are not known: nothing is done about it, and it is read no more. */
  | { readonly kind: "foreign"; readonly form: RecordForm }
  /** Before this node takes part in a later round, `host` must be set; then `poke`. */
  | { readonly kind: "hostless"; readonly record: TorchRecord };

/** Pauses after lost writes: the first is repeated at once, as torchrun does; then they double up to the last. */
const PAUSE_MS_FIRST = 20;
const PAUSE_MS_LAST = 500;
const CLAIM_POLL_MS = 100;

export class RecordLoop {
  readonly #options: RecordLoopOptions;
  readonly #emit: (operation: StoreOperation) => void;
  readonly #nextTicket: () => number;
  readonly #watch: HeartbeatWatch;
  readonly #name: string;
  wish: TorchWish = "stay";
  /** Round of the last seat; see `TorchView`. */
  lastRound: number | null = null;
  /** Who should have rank 0; empty: nobody in particular; null: not known yet. */
  host: string | null = null;
  /** How often the record is read when nothing is to be done. */
  pollMs: number;
  /** The operation whose answer counts; null: none is under way. */
  #ticket: number | null = null;
  #isWriting = false;
  #lastBeat: InstantMs = -Infinity;
  #beatUnderWay: InstantMs = -Infinity;
  #losses = 0;
  #retryAt: InstantMs | undefined;
  #claimAt: InstantMs | undefined;

  constructor(
    options: RecordLoopOptions,
    pollMs: number,
    emit: (operation: StoreOperation) => void,
    nextTicket: () => number,
  ) {
    this.#options = options;
    this.#emit = emit;
    this.#nextTicket = nextTicket;
    this.#watch = new HeartbeatWatch(options.keepAliveMs * options.keepAliveAttempts);
    this.#name = nodeName(options.me);
    this.pollMs = pollMs;
  }

  nextWakeup(): InstantMs | undefined {
    return this.#retryAt;
  }

  /** Looks at the record now, unless a write is under way, which does too. */
  poke(): void {
    if (this.#isWriting) return;
    this.#read(null, 0);
  }

  /** Forgets what is under way and reads no more. */
  stop(): void {
    this.#ticket = null;
    this.#retryAt = undefined;
  }

  wake(now: InstantMs): void {
    if (this.#retryAt === undefined || now < this.#retryAt) return;
    this.#retryAt = undefined;
    this.#read(null, 0);
  }

  /** Takes an answer; null: it is none that counts. */
  answer(answer: StoreAnswer & { readonly kind: "record" }, now: InstantMs): RecordReport | null {
    if (answer.ticket !== this.#ticket) return null;
    this.#ticket = null;
    if (this.#isWriting) {
      this.#isWriting = false;
      this.#losses = answer.written ? 0 : this.#losses + 1;
      if (answer.written) this.#lastBeat = this.#beatUnderWay;
      else if (this.#pause(now)) return null;
    }
    if (answer.state === null) return this.#onAbsent(answer.wall, now);
    this.#claimAt = undefined;
    let record: TorchRecord;
    try {
      record = decodeTorchRecord(answer.state.bytes);
    } catch (error) {
      if (!(error instanceof PickleError)) throw error;
      this.#read(answer.state.token, this.pollMs);
      return { kind: "unreadable", text: error.message };
    }
    if (exchangeOf(record.form) === null) return { kind: "foreign", form: record.form };
    if (this.wish === "join" && record.round > 0 && this.host === null) return { kind: "hostless", record };
    return this.#consider(record, answer.state.token, answer.wall, now);
  }

  #onAbsent(wall: WallUs, now: InstantMs): RecordReport {
    if (this.wish === "join") {
      this.#claimAt ??= now + this.#options.claimMs;
      if (now >= this.#claimAt) return this.#consider(emptyRecord(FORM_OF_2_6), null, wall, now);
    }
    this.#read(null, this.wish === "join" ? CLAIM_POLL_MS : this.pollMs);
    return { kind: "absent" };
  }

  #consider(found: TorchRecord, token: string | null, wall: WallUs, now: InstantMs): RecordReport {
    const { rules, me } = this.#options;
    const dead = this.#watch.dead(found, now).filter((name) => name !== this.#name);
    const record = dead.length === 0 ? found : removeNodes(found, dead, rules);
    const { wish, lastRound, host } = this;
    // Releases for which rdzv-conf does not count expect it as often as that.
    const beatAt = this.#lastBeat + Math.min(this.#options.keepAliveMs, FIXED_INTERVAL_MS);
    const decision = decide(
      record,
      rules,
      { me, wish, lastRound, isHeartbeatDue: now >= beatAt, host },
      wall,
    );
    switch (decision.kind) {
      case "wait":
      case "done":
      case "closed": {
        const lastCallMs = decision.kind === "wait" && record.deadline !== null
          ? (record.deadline - wall) / 1000 + 1
          : Infinity;
        const beatMs = record.heartbeats.has(this.#name) ? Math.max(1, beatAt - now) : Infinity;
        this.#read(token, Math.max(0, Math.min(this.pollMs, lastCallMs, beatMs)));
        break;
      }
      default:
        this.#write(record, decision, token, wall, now);
    }
    return { kind: "seen", record, decision };
  }

  #write(record: TorchRecord, action: TorchAction, token: string | null, wall: WallUs, now: InstantMs): void {
    const { rules, me } = this.#options;
    const next = apply(record, action, rules, { me, host: this.host, wall });
    this.#ticket = this.#nextTicket();
    this.#isWriting = true;
    this.#beatUnderWay = next.heartbeats.get(this.#name) === wall ? now : this.#lastBeat;
    this.#emit({ kind: "write-record", ticket: this.#ticket, bytes: encodeTorchRecord(next), token });
  }

  /** After a lost write: true if the record is to be read again only after a pause. */
  #pause(now: InstantMs): boolean {
    const { backoffMsMax, prng } = this.#options;
    const ours = this.#losses < 2 ? 0 : Math.min(PAUSE_MS_LAST, PAUSE_MS_FIRST * 2 ** (this.#losses - 2));
    const limitMs = Math.ceil(backoffMsMax > 0 ? backoffMsMax : ours);
    if (limitMs === 0) return false;
    this.#retryAt = now + prng.below(limitMs + 1);
    return true;
  }

  #read(token: string | null, afterMs: number): void {
    this.#retryAt = undefined;
    this.#ticket = this.#nextTicket();
    this.#emit({ kind: "read-record", ticket: this.#ticket, token, afterMs });
  }
}
