/**
 * One connection of a store client, without its socket: requests in, bytes out; bytes in, answers out. Requests may be
 * sent without waiting for the replies of earlier ones, but for one rule that PyTorch's servers impose: while a WAIT or
 * BARRIER is open, nothing may follow it but the CANCEL_WAIT that its time-out sends. Generation A has none: there a
 * time-out is the connection's end.
 */

import { assert } from "../core/assert.ts";
import type { InstantMs } from "../core/time.ts";
import { encodeRequest } from "./encode.ts";
import { OutputQueue } from "./output_queue.ts";
import { ReplyDecoder } from "./reply_decoder.ts";
import {
  type Dialect,
  HANDSHAKE,
  OPERATIONS,
  PeerError,
  type Reply,
  REPLY_KINDS,
  type ReplyKind,
  type Request,
} from "./wire.ts";

/** What became of a request: its reply, or that its time was over (a WAIT or BARRIER that was taken back). */
export type Outcome = Reply | { readonly kind: "timedOut" };

export interface Answer {
  /** What `request` returned. */
  readonly ticket: number;
  readonly outcome: Outcome;
}

/** How long a server may take to answer a CANCEL_WAIT. */
const CANCEL_ANSWER_MS = 10_000;

interface OpenRequest {
  readonly ticket: number;
  readonly expected: { readonly kind: ReplyKind; readonly count: number };
  readonly isWait: boolean;
  deadline: InstantMs;
  /** "asked": CANCEL_WAIT is sent. "answered": the wait's own reply came first, the cancellation's is still due. */
  cancel: "no" | "asked" | "answered";
}

export class ClientMachine {
  /** What is to be written to the socket; starts with the handshake, if the generation has one. */
  readonly output = new OutputQueue();
  readonly #dialect: Dialect;
  readonly #decoder = new ReplyDecoder();
  readonly #open: OpenRequest[] = [];
  #openHead = 0;
  #lastTicket = 0;
  #isSpent = false;

  /** `dialect`: what the server speaks. */
  constructor(dialect: Dialect = "c") {
    this.#dialect = dialect;
    if (dialect === "c") this.output.raw(HANDSHAKE);
  }

  /** A reply may come that nobody expects any more: the connection must be closed. */
  get isSpent(): boolean {
    return this.#isSpent;
  }

  /** Requests whose replies are due. */
  get openCount(): number {
    return this.#open.length - this.#openHead;
  }

  /** A WAIT or BARRIER is open: `request` must not be called. */
  get isWaiting(): boolean {
    return this.#open[this.#openHead]?.isWait ?? false;
  }

  /** Sends a request and returns the ticket under which its answer will come; null: it has no reply. */
  request(request: Request, deadline: InstantMs): number | null {
    assert(!this.isWaiting && !this.#isSpent, "Nothing may follow an open WAIT");
    encodeRequest(this.output, request, this.#dialect);
    const kind = REPLY_KINDS[request.kind];
    if (kind === null) return null;
    const ticket = ++this.#lastTicket;
    const isWait = request.kind === "wait" || request.kind === "barrier";
    assert(!isWait || this.openCount === 0, "A WAIT needs a connection of its own while it lasts");
    const count = request.kind === "multiGet" ? request.keys.length : 0;
    assert(request.kind !== "multiGet" || count > 0, "A MULTI_GET of no keys is answered by no bytes");
    this.#open.push({ ticket, expected: { kind, count }, isWait, deadline, cancel: "no" });
    return ticket;
  }

  /**
   * Takes bytes from the server and returns what they answer.
   * @throws {PeerError} They are no replies; the connection is of no more use.
   */
  receive(chunk: Uint8Array): Answer[] {
    this.#decoder.push(chunk);
    const answers: Answer[] = [];
    while (this.openCount > 0) {
      const reply = this.#decoder.next(this.#open[this.#openHead]!.expected);
      if (reply === undefined) break;
      const answer = this.#settle(this.#open[this.#openHead]!, reply);
      if (answer !== undefined) answers.push(answer);
    }
    this.#decoder.settle();
    if (this.openCount === 0 && this.#decoder.isInside) throw new PeerError("sent a reply to nothing");
    return answers;
  }

  /** When `wake` is to be called at the latest; undefined: nothing is open. */
  nextWakeup(): InstantMs | undefined {
    // Replies come in order, so the oldest request is the one that is late; a later one's shorter time waits for it.
    return this.#open[this.#openHead]?.deadline;
  }

  /**
   * Time has passed. A WAIT whose time is over is taken back, by a CANCEL_WAIT in `output`; where there is none it is
   * answered here.
   * @throws {PeerError} A reply is overdue: what comes after it can't be told apart any more.
   */
  wake(now: InstantMs): Answer[] {
    const oldest = this.#open[this.#openHead];
    if (oldest === undefined || oldest.deadline > now) return [];
    if (!oldest.isWait || oldest.cancel !== "no") throw new PeerError("did not answer in time");
    if (!OPERATIONS[this.#dialect].includes("cancelWait")) {
      this.#isSpent = true;
      this.#open.length = this.#openHead = 0;
      return [{ ticket: oldest.ticket, outcome: { kind: "timedOut" } }];
    }
    encodeRequest(this.output, { kind: "cancelWait" }, this.#dialect);
    oldest.cancel = "asked";
    oldest.deadline = now + CANCEL_ANSWER_MS;
    return [];
  }

  #settle(open: OpenRequest, reply: Reply): Answer | undefined {
    let outcome: Outcome = reply;
    if (reply.kind === "waitEnded") {
      if (open.cancel === "asked" && !reply.wasCancelled) {
        // The keys came while CANCEL_WAIT was under way: its own answer follows.
        open.cancel = "answered";
        return undefined;
      }
      if (reply.wasCancelled !== (open.cancel !== "no")) {
        throw new PeerError("ended a wait that was not taken back");
      }
      outcome = open.cancel === "asked" ? { kind: "timedOut" } : { kind: "waitEnded", wasCancelled: false };
    }
    this.#openHead++;
    if (this.#openHead === this.#open.length) {
      this.#open.length = 0;
      this.#openHead = 0;
    } else if (this.#openHead > TAKEN_KEPT_MAX) {
      this.#open.splice(0, this.#openHead);
      this.#openHead = 0;
    }
    return { ticket: open.ticket, outcome };
  }
}

/** Answered requests that stay in the list before it is cut: cutting costs as much as what remains. */
const TAKEN_KEPT_MAX = 4096;
