/**
 * Who may form a job's next round, so that two sides of a cut never both do. A host proposes a round to its nodes and to
 * those who gave it the right to form it; it begins when all of them have accepted, and each keeps in mind what it
 * accepted last. The right is given by the nodes of the round before, each of which has one vote:
 *
 * - more than half of them are there; or
 * - more than half of all but one that is proved dead: the host of that round, for whoever takes over from it, or one of
 *   the others, for that host itself; or
 * - just half of them with that host itself, once none of the others can have taken it for dead while it was not.
 *
 * A node that has accepted a later round than the host knows of has no vote, nor has one that was started again and has
 * forgotten what it accepted. Any two ways of getting the right for the same next round then share a node that was in
 * both, and it can have voted only once: the argument is that of Paxos (Lamport, "The Part-Time Parliament", 1998), with
 * the nodes of each round as the acceptors of the next.
 *
 * Nobody needs votes where those who are missing are too few for any round (`census.ts`).
 *
 * A host that takes over may know a round that was proposed and perhaps never began. It needs the right of the one before
 * and of that one too: `chain` has both.
 */

import type { InstantMs } from "../core/time.ts";
import { isNotAfter, isSameRound, type JobRecord, numbersBefore, type RoundId } from "./job_record.ts";

/** What a node keeps in mind of the rounds that it accepted, since it was started. */
export interface Memory {
  readonly first: RoundId;
  readonly latest: RoundId;
}

export type Right =
  | { readonly kind: "granted" }
  | { readonly kind: "refused" }
  /** Not before then, unless one of the others proves dead or comes back. */
  | { readonly kind: "later"; readonly at: InstantMs };

export interface BallotOptions {
  readonly selfId: string;
  /** False: somebody else sees to it that there is one host only. */
  readonly isOn: boolean;
  /** Rounds of other hosts that this one goes on from, each proposed on the one before it; empty: it begins the job. */
  readonly chain: readonly JobRecord[];
  /** How often the job was begun before, if it begins it. */
  readonly begun: number;
  /** The last of those hosts, if it is proved dead. */
  readonly deadHost: string | null;
  /** After so long without an answer every node gives its host up. */
  readonly silenceMs: number;
}

/** A round whose nodes' votes are needed. */
interface Base {
  readonly record: JobRecord;
  readonly seats: ReadonlySet<string>;
}

const GRANTED: Right = { kind: "granted" };
const REFUSED: Right = { kind: "refused" };

export class Ballot {
  readonly #options: BallotOptions;
  #chain: readonly Base[];
  /** This host formed the last round of the chain. */
  #isOwn = false;
  readonly #memories = new Map<string, Memory>();
  /** Nodes of the last round that left it in good order, and will never vote for anybody else. */
  readonly #left = new Set<string>();
  readonly #dead = new Set<string>();
  /** Nodes of the last round whose sessions broke, and when they were heard last. */
  readonly #lost = new Map<string, InstantMs>();
  #proposal: JobRecord | null = null;
  /** Who must accept it, and who did. */
  readonly #asked = new Set<string>();
  readonly #accepted = new Set<string>();

  constructor(options: BallotOptions) {
    this.#options = options;
    this.#chain = options.chain.map(baseOf);
    if (options.deadHost !== null) this.#dead.add(options.deadHost);
  }

  /** Rounds whose nodes' votes are needed. */
  get bases(): readonly RoundId[] {
    return this.#chain.map(({ record: { epoch, round, hostId } }) => ({ epoch, round, hostId }));
  }

  /** Nodes of the last round that are proved dead. */
  get dead(): ReadonlySet<string> {
    return this.#dead;
  }

  /** A node has come, with what it keeps in mind; null: nothing. */
  hear(nodeId: string, memory: Memory | null): void {
    if (memory === null) {
      // It was started again: whoever had its name is no more. Of a lost host that means nothing to those who follow
      // it: it may have formed another round with half of its nodes, long after they lost it.
      if (this.#lost.has(nodeId)) this.#dead.add(nodeId);
      return void this.#memories.delete(nodeId);
    }
    this.#memories.set(nodeId, memory);
    if (!this.wasThere(nodeId)) return;
    this.#lost.delete(nodeId);
    this.#dead.delete(nodeId);
  }

  /** Its session is over; `inOrder`: it meant to go. */
  lose(nodeId: string, inOrder: boolean, lastHeard: InstantMs): void {
    const memory = this.#memories.get(nodeId);
    this.#memories.delete(nodeId);
    // Of one that was started since, the loss says nothing of the one that had its name.
    if (memory === undefined) return;
    if (!this.#chain.some(({ record, seats }) => seats.has(nodeId) && wasThere(memory, record))) return;
    if (inOrder && this.#isKnown(memory.latest)) this.#left.add(nodeId);
    else this.#lost.set(nodeId, lastHeard);
  }

  proveDead(nodeId: string): void {
    if (this.#lost.has(nodeId)) this.#dead.add(nodeId);
  }

  /** Whether a node may have a seat: what it accepted last must not be a later round than those known here. */
  isEligible(nodeId: string): boolean {
    const memory = this.#memories.get(nodeId);
    return !this.#options.isOn || memory === undefined || this.#isKnown(memory.latest);
  }

  /** Whether a node that is here has not been started again, as far as is known. */
  isSame(nodeId: string): boolean {
    return !this.#options.isOn || this.#memories.has(nodeId);
  }

  /** Whether a node that is here runs since before the last round, or has accepted it. */
  wasThere(nodeId: string): boolean {
    const memory = this.#memories.get(nodeId);
    return memory !== undefined && this.#chain.some(({ record }) => wasThere(memory, record));
  }

  /** Whether those who are ready give the right to form the next round; of those who are `pending` nothing is known. */
  right(ready: readonly string[], pending: readonly string[], now: InstantMs): Right {
    let right = GRANTED;
    if (!this.#options.isOn) return right;
    for (const base of this.#chain) {
      const one = this.#rightOf(base, ready, pending, now);
      if (one.kind === "refused") return one;
      if (one.kind === "later") right = one;
    }
    return right;
  }

  /**
   * Proposes a round to its nodes and to whoever of those who are `ready` has a vote: they are to accept it. `bindsAll`: so
   * are all others who are ready, since the right comes from their being here.
   */
  propose(proposal: JobRecord, ready: readonly string[], bindsAll: boolean): readonly string[] {
    this.#proposal = proposal;
    this.#asked.clear();
    this.#accepted.clear();
    for (const nodeId of proposal.seats) this.#asked.add(nodeId);
    if (!this.#options.isOn) return [];
    const voters = bindsAll
      ? ready
      : ready.filter((nodeId) => this.#chain.some((base) => this.#hasVote(nodeId, base)));
    for (const nodeId of voters) this.#asked.add(nodeId);
    return [...this.#asked];
  }

  accept(nodeId: string, round: RoundId): void {
    if (this.#proposal === null || !isSameRound(round, this.#proposal)) return;
    this.#memories.set(nodeId, { first: this.#memories.get(nodeId)?.first ?? round, latest: round });
    this.#accepted.add(nodeId);
  }

  /** Whether a node must accept the proposed round, or did. */
  isAsked(nodeId: string): boolean {
    return this.#asked.has(nodeId);
  }

  get isAccepted(): boolean {
    return !this.#options.isOn || this.#asked.size === this.#accepted.size;
  }

  /** Once all have accepted, the next round needs this one's nodes' votes. Null: not yet, or it was settled before. */
  settle(): JobRecord | null {
    const proposal = this.#proposal;
    if (proposal === null || !this.isAccepted || this.#chain.at(-1)?.record === proposal) return null;
    this.#chain = [baseOf(proposal)];
    this.#isOwn = true;
    for (const nodes of [this.#left, this.#dead, this.#lost]) nodes.clear();
    return proposal;
  }

  #rightOf(
    base: Base,
    ready: readonly string[],
    pending: readonly string[],
    now: InstantMs,
  ): Right {
    const { hostId } = base.record;
    const seats = [...base.seats].filter((nodeId) => !this.#left.has(nodeId));
    const voters = new Set(ready.filter((nodeId) => this.#hasVote(nodeId, base)));
    if (seats.length === 0 || 2 * voters.size > seats.length) return GRANTED;
    const isOwn = this.#isOwn && hostId === this.#options.selfId;
    const mayLeaveOut = seats.some((nodeId) => this.#dead.has(nodeId) && (isOwn || nodeId === hostId));
    if (mayLeaveOut && 2 * voters.size > seats.length - 1) return GRANTED;
    if (!isOwn || 2 * voters.size < seats.length) return REFUSED;
    // Who has a session can find this host dead when it is: only of those who lost it long ago none can.
    const others = seats.filter((nodeId) => !voters.has(nodeId));
    if (!others.every((nodeId) => this.#lost.has(nodeId) && !pending.includes(nodeId))) return REFUSED;
    const at = Math.max(...others.map((nodeId) => this.#lost.get(nodeId)!)) + this.#options.silenceMs;
    return at <= now ? GRANTED : { kind: "later", at };
  }

  #hasVote(nodeId: string, { record, seats }: Base): boolean {
    const memory = this.#memories.get(nodeId);
    return memory !== undefined && seats.has(nodeId) && wasThere(memory, record) &&
      this.#isKnown(memory.latest);
  }

  /**
   * Whether a node that accepted this last is bound by nothing but what is known here: what is older than the round that
   * began last can't begin any more, nor can what its own host has proposed another round after.
   */
  #isKnown(round: RoundId): boolean {
    const [first] = this.#chain;
    if (first === undefined && round.epoch < numbersBefore(this.#options.begun)) return true;
    if (first !== undefined && isNotAfter(round, first.record)) return true;
    const known = [
      ...this.#chain.map(({ record }) => record),
      ...(this.#proposal === null ? [] : [this.#proposal]),
    ];
    return known.some((one) => one.hostId === round.hostId && isNotAfter(round, one));
  }
}

function baseOf(record: JobRecord): Base {
  return { record, seats: new Set(record.seats) };
}

/** Whether a node with this memory runs since before `base` was proposed, or accepted it first of all. */
function wasThere({ first }: Memory, base: RoundId): boolean {
  return isSameRound(first, base) || !isNotAfter(base, first);
}
