/**
 * One connection to a store server, without its socket: bytes in, requests applied to the table, replies into `output`.
 * Replies come in the order of the requests; a WAIT alone is answered later than what follows it (as by PyTorch's
 * server, which is how CANCEL_WAIT can work).
 */

import { assert, unreachable } from "../core/assert.ts";
import { encodeChecked, encodeReply } from "./encode.ts";
import { readInt64At } from "./int64.ts";
import type { StoreLimits } from "./limits.ts";
import { OutputQueue } from "./output_queue.ts";
import { RequestDecoder, type SpokenDialect } from "./request_decoder.ts";
import type { Table } from "./table.ts";
import type { TableClient } from "./waiters.ts";
import type { Dialect, Reply, Request } from "./wire.ts";

/** One for all connections of a server: thousands of idle ones must cost little. */
export interface ConnectionOptions {
  readonly limits: StoreLimits;
  /** What every client speaks; null: find out for each. */
  readonly dialect: Dialect | null;
}

/** Who writes what is answered. */
export interface OutputSink {
  /** The connection's `output`, empty until then, has something to write once this call is over. */
  onOutput(): void;
}

export class StoreConnection implements TableClient {
  readonly output = new OutputQueue();
  readonly #table: Table;
  readonly #decoder: RequestDecoder;
  #sink: OutputSink;
  readonly #limits: StoreLimits;
  #requestCount = 0;
  #isStopped = false;

  constructor(table: Table, { limits, dialect }: ConnectionOptions, sink: OutputSink) {
    this.#table = table;
    this.#decoder = new RequestDecoder(limits, dialect);
    this.#sink = sink;
    this.#limits = limits;
  }

  /** Nothing is kept but the generation that the peer speaks: `reuse` can have this for another. */
  get isAtRest(): boolean {
    return this.output.length === 0 && !this.isInside && !this.#isStopped && !this.#table.isWaiting(this);
  }

  /** What the peer speaks, as far as it is known; to be given back to `reuse`. */
  get spoken(): SpokenDialect {
    return this.#decoder.spoken;
  }

  /** Serves another peer from now on, which speaks `spoken`; undefined: a new one. Only while at rest. */
  reuse(sink: OutputSink, spoken?: SpokenDialect): void {
    assert(this.isAtRest, "A connection in use is not free for another");
    this.#sink = sink;
    this.#requestCount = 0;
    this.#decoder.restart(spoken);
  }

  /** Requests answered so far. */
  get requestCount(): number {
    return this.#requestCount;
  }

  /** The peer does not read its replies: nothing more is taken from it before `resume`. */
  get isBacklogged(): boolean {
    return this.output.length > this.#limits.unreadReplyBytesMax;
  }

  /** Bytes that were received wait for `resume`, which is to be called when the peer is no longer backlogged. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** A handshake or request has begun and must be finished in time. */
  get isInside(): boolean {
    return this.#decoder.isInside;
  }

  /** Bytes kept of what has begun. */
  get keptBytes(): number {
    return this.#decoder.keptBytes;
  }

  /** Whether only a moment of silence tells what the last request was: `silence` is to be called after it. */
  get awaitsSilence(): boolean {
    return this.#decoder.awaitsSilence;
  }

  /**
   * Takes the first `length` bytes of `chunk` as they were read and answers what is complete. `chunk` is free for other
   * use afterwards.
   * @throws {PeerError} The peer broke a rule; its connection must be closed. What was earned before is in `output`.
   */
  receive(chunk: Uint8Array, length = chunk.length): void {
    this.#decoder.push(chunk, length);
    this.resume();
  }

  /** Goes on with bytes left over, once the peer has read its replies. Throws as `receive` does. */
  resume(): void {
    for (this.#isStopped = this.isBacklogged; !this.#isStopped; this.#isStopped = this.isBacklogged) {
      if (this.#answerPlain()) continue;
      const request = this.#decoder.next();
      if (request === undefined) break;
      this.#apply(request);
    }
    this.#decoder.settle();
  }

  /** Nothing came for a moment while `awaitsSilence`. Throws as `receive` does. */
  silence(): void {
    const request = this.#decoder.silence();
    if (request !== undefined) this.#apply(request);
  }

  reply(reply: Reply): void {
    // A MULTI_GET of no keys is answered by no bytes.
    if (reply.kind !== "values" || reply.values.length > 0) this.#tellOutput();
    encodeReply(this.output, reply);
  }

  /** The connection is gone. */
  leave(): void {
    this.#table.leave(this);
  }

  /** Answers the next request without making an object of it, if it is one of those that nearly all are. */
  #answerPlain(): boolean {
    const request = this.#decoder.nextPlain();
    if (request === undefined) return false;
    this.#requestCount++;
    const { kind, keys, keyCount, value, expected } = request;
    const table = this.#table, output = this.output;
    switch (kind) {
      case "set":
        table.set(keys[0]!, value);
        return true;
      // What these two change may end a wait of this connection: that is told first.
      case "add": {
        const sum = table.add(keys[0]!, readInt64At(value.bytes, value.start));
        this.#tellOutput();
        output.int64(sum);
        return true;
      }
      case "compareSet": {
        const isThere = table.compareSet(keys[0]!, expected, value);
        this.#tellOutput();
        if (isThere) {
          table.get(keys[0]!, output);
        } else {
          output.uint53(expected.end - expected.start);
          output.copy(expected);
        }
        return true;
      }
      case "get":
        this.#tellOutput();
        table.get(keys[0]!, output);
        return true;
      case "multiGet":
        this.#tellOutput();
        table.multiGet(keys, keyCount, output);
        return true;
      case "check":
        this.#tellOutput();
        encodeChecked(output, table.areAllPresent(keys, keyCount));
        return true;
      default:
        return unreachable(kind);
    }
  }

  /** Before something is written. */
  #tellOutput(): void {
    if (this.output.length === 0) this.#sink.onOutput();
  }

  #apply(request: Request): void {
    this.#requestCount++;
    if (request.kind === "listKeys") {
      this.#tellOutput();
      this.#table.listKeys(this.output);
    } else {
      this.#table.apply(this, request);
    }
  }
}
