/**
 * Hostile bytes for everything that reads from the network: whole, mutated and cut messages, and noise. Each input is
 * read twice, in one piece and in random pieces, and must give the same both times: that is what "never resynchronises
 * wrongly" means. Only `PeerError` may be thrown, and no more may be kept than the limits allow. Shared by the tests
 * and `deno task fuzz`.
 */

import { assert } from "../../lib/core/assert.ts";
import type { Prng } from "../../lib/core/prng.ts";
import { StoreConnection } from "../../lib/store/connection.ts";
import { encodeReply, encodeRequest } from "../../lib/store/encode.ts";
import { DEFAULT_LIMITS, type StoreLimits } from "../../lib/store/limits.ts";
import { OutputQueue } from "../../lib/store/output_queue.ts";
import { type ExpectedReply, ReplyDecoder } from "../../lib/store/reply_decoder.ts";
import { RequestDecoder } from "../../lib/store/request_decoder.ts";
import { Table } from "../../lib/store/table.ts";
import {
  type Dialect,
  HANDSHAKE,
  OPERATIONS,
  PeerError,
  type Reply,
  REPLY_KINDS,
  type Request,
} from "../../lib/store/wire.ts";
import { randomRequest } from "./random_request.ts";
import { written } from "./wire_cases.ts";

/** Low, so that random lengths often come near them. */
const LIMITS: StoreLimits = {
  ...DEFAULT_LIMITS,
  keyBytesMax: 256,
  valueBytesMax: 4096,
  keysPerRequestMax: 64,
  requestBytesMax: 16_384,
  keysMax: 1000,
  storedBytesMax: 1 << 20,
  unreadReplyBytesMax: 4096,
};
/** A message that is not over, at most; a reader's buffer is not larger than twice that. */
const KEPT_BYTES_MAX = LIMITS.requestBytesMax + LIMITS.keyBytesMax + LIMITS.valueBytesMax + 64;

const POOL_SIZE = 1024;
/** Inputs that are put together from one pool of messages. */
const INPUTS_PER_POOL = 20_000;

type Message<T> = { readonly content: T; readonly bytes: Uint8Array };

/** Reads `count` inputs as a server does, in each generation's way. */
export function fuzzRequests(prng: Prng, count: number): void {
  forEachInput(prng, { count, draw: () => requestMessage(prng) }, (input, sent) => {
    const dialect = prng.pick<Dialect | null>([null, null, null, "a", "b", "c"]);
    const isGreeted = (dialect ?? "c") === "c" && prng.chance(9, 10);
    const damagedAt = damage(prng, input.bytes);
    const read = (pieceMax: number) => {
      const decoder = new RequestDecoder(LIMITS, dialect);
      const taken: Request[] = [];
      const take = () => {
        for (let next = decoder.next(); next !== undefined; next = decoder.next()) taken.push(next);
        decoder.settle();
        assert(decoder.keptBytes <= KEPT_BYTES_MAX, `Keeps ${decoder.keptBytes} bytes`);
      };
      const failed = feed(prng, {
        bytes: input.bytes,
        pieceMax,
        push: (piece) => (decoder.push(piece), take()),
        first: isGreeted ? HANDSHAKE : undefined,
      });
      return { taken, failed };
    };
    const whole = read(Infinity);
    assertSame(whole, read(pieceLength(prng, input.bytes)));
    if (!isGreeted) return;
    const intact = input.ends.filter((end) => end <= damagedAt).length;
    // A whole request may be over a limit.
    assert(
      whole.taken.length >= intact || whole.failed,
      `Lost a request: ${whole.taken.length} of ${intact}`,
    );
    for (let index = 0; index < Math.min(intact, whole.taken.length); index++) {
      assert(isEqual(whole.taken[index], sent[index]), "A request changed");
    }
  });
}

/** Reads `count` inputs as a client does that asked for something. */
export function fuzzReplies(prng: Prng, count: number): void {
  forEachInput(prng, { count, draw: () => replyMessage(prng) }, (input, sent) => {
    const damagedAt = damage(prng, input.bytes);
    const read = (pieceMax: number) => {
      const decoder = new ReplyDecoder();
      const taken: Reply[] = [];
      const failed = feed(prng, {
        bytes: input.bytes,
        pieceMax,
        push: (piece) => {
          decoder.push(piece);
          while (taken.length < sent.length) {
            const next = decoder.next(expectedReply(sent[taken.length]!));
            if (next === undefined) break;
            taken.push(next);
          }
          decoder.settle();
        },
      });
      return { taken, failed };
    };
    const whole = read(Infinity);
    assertSame(whole, read(pieceLength(prng, input.bytes)));
    const intact = input.ends.filter((end) => end <= damagedAt).length;
    assert(whole.taken.length >= intact, `Lost a reply: ${whole.taken.length} of ${intact}`);
    for (let index = 0; index < intact; index++) {
      assert(isEqual(whole.taken[index], sent[index]), "A reply changed");
    }
  });
}

/** Feeds `count` inputs to whole connections of two tables, which must stay equal and within their limits. */
export function fuzzConnections(prng: Prng, count: number): void {
  const tables = [new Table(LIMITS), new Table(LIMITS)];
  forEachInput(prng, { count, draw: () => requestMessage(prng) }, (input) => {
    damage(prng, input.bytes);
    const [whole, parted] = tables.map((table, index) => {
      const connection = new StoreConnection(table, { limits: LIMITS, dialect: null }, {
        onOutput: () => {},
      });
      const taken: number[] = [];
      const drain = () => {
        while (connection.output.length > 0) {
          const piece = connection.output.peek();
          for (const byte of piece) taken.push(byte);
          connection.output.advance(piece.length);
          if (!failed) connection.resume();
        }
      };
      let failed = false;
      failed = feed(prng, {
        bytes: input.bytes,
        pieceMax: index === 0 ? Infinity : pieceLength(prng, input.bytes),
        push: (piece) => (connection.receive(piece), drain()),
        first: HANDSHAKE,
      });
      // What was answered before the offence.
      drain();
      assert(connection.keptBytes <= KEPT_BYTES_MAX || failed, `Keeps ${connection.keptBytes} bytes`);
      connection.leave();
      return { taken, failed };
    });
    assertSame(whole!, parted!);
    const [table, other] = tables as [Table, Table];
    assert(table.keyCount === other.keyCount && table.storedBytes === other.storedBytes, "Tables differ");
    assert(table.waitingCount === 0, "A connection that left still waits");
    assert(table.keyCount <= LIMITS.keysMax && table.storedBytes <= LIMITS.storedBytesMax, "Over a limit");
    if (prng.chance(1, 200)) tables.splice(0, 2, new Table(LIMITS), new Table(LIMITS));
  });
}

interface Input {
  readonly bytes: Uint8Array;
  /** Where each message ends. */
  readonly ends: readonly number[];
}

/** Puts inputs of one to three messages together, drawing new messages now and then. */
function forEachInput<T>(
  prng: Prng,
  { count, draw }: { readonly count: number; readonly draw: () => Message<T> },
  use: (input: Input, sent: readonly T[]) => void,
): void {
  let pool: Message<T>[] = [];
  for (let index = 0; index < count; index++) {
    if (index % INPUTS_PER_POOL === 0) pool = Array.from({ length: POOL_SIZE }, draw);
    const messages = Array.from({ length: 1 + prng.below(3) }, () => prng.pick(pool));
    let length = 0;
    const ends = messages.map(({ bytes }) => length += bytes.length);
    const bytes = new Uint8Array(length);
    messages.forEach((message, index) => bytes.set(message.bytes, ends[index]! - message.bytes.length));
    use({ bytes, ends }, messages.map(({ content }) => content));
  }
}

/** Changes a few of `bytes`, or none, or all; returns where the first change is. */
function damage(prng: Prng, bytes: Uint8Array): number {
  if (bytes.length === 0 || prng.chance(1, 4)) return Infinity;
  if (prng.chance(1, 10)) {
    for (let at = 0; at < bytes.length; at++) bytes[at] = prng.chance(1, 3) ? prng.below(20) : prng.next();
    return 0;
  }
  let first = Infinity;
  for (let change = 1 + prng.below(4); change > 0; change--) {
    const at = prng.below(bytes.length);
    bytes[at] = prng.chance(1, 3) ? prng.pick([0, 1, 0x7f, 0x80, 0xff]) : prng.next();
    first = Math.min(first, at);
  }
  return first;
}

/** Long inputs are not read byte by byte: it would be all that there is time for. */
function pieceLength(prng: Prng, bytes: Uint8Array): number {
  return prng.pick(bytes.length < 400 ? [1, 7, 64] : [64, 500, 5000]);
}

interface Feed {
  readonly bytes: Uint8Array;
  /** Longest piece; Infinity: all in one. */
  readonly pieceMax: number;
  readonly push: (piece: Uint8Array) => void;
  /** Pushed before the rest, whole. */
  readonly first?: Uint8Array | undefined;
}

/** Pushes `bytes` in pieces, each wiped afterwards as a host's buffer is; true: the reader refused them. */
function feed(prng: Prng, { bytes, pieceMax, push, first }: Feed): boolean {
  let scratch: Uint8Array | undefined;
  try {
    if (first !== undefined) push(first.slice());
    for (let offset = 0; offset < bytes.length;) {
      const end = pieceMax === Infinity
        ? bytes.length
        : Math.min(bytes.length, offset + 1 + prng.below(pieceMax));
      scratch ??= new Uint8Array(bytes.length);
      const piece = scratch.subarray(0, end - offset);
      piece.set(bytes.subarray(offset, end));
      push(piece);
      piece.fill(0xee);
      offset = end;
    }
    return false;
  } catch (error) {
    if (error instanceof PeerError) return true;
    throw error;
  }
}

interface Outcome {
  readonly taken: readonly unknown[];
  readonly failed: boolean;
}

function assertSame(whole: Outcome, parted: Outcome): void {
  assert(whole.failed === parted.failed, "Where bytes are cut decides whether they are refused");
  assert(whole.taken.length === parted.taken.length, "Where bytes are cut decides how much is read");
  for (let index = 0; index < whole.taken.length; index++) {
    assert(isEqual(whole.taken[index], parted.taken[index]), "Where bytes are cut decides what is read");
  }
}

function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return a.length === b.length && a.every((byte, index) => byte === b[index]);
  }
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length &&
    keys.every((key) => isEqual(a[key as keyof typeof a], b[key as keyof typeof b]));
}

function requestMessage(prng: Prng): Message<Request> {
  const content = randomRequest(prng);
  return { content, bytes: encodedBy((output) => encodeRequest(output, content)) };
}

function replyMessage(prng: Prng): Message<Reply> {
  const content = randomReply(prng);
  return { content, bytes: encodedBy((output) => encodeReply(output, content)) };
}

function encodedBy(encode: (output: OutputQueue) => void): Uint8Array {
  const output = new OutputQueue();
  encode(output);
  return written(output);
}

const KINDS = [...new Set(Object.values(REPLY_KINDS))].filter((kind) => kind !== null);

/** A reply of any kind, with values as requests have them. */
function randomReply(prng: Prng): Reply {
  const kind = prng.pick(KINDS);
  const value = () => {
    while (true) {
      const request = randomRequest(prng);
      if (request.kind === "set" || request.kind === "append") return request.value;
    }
  };
  switch (kind) {
    case "value":
      return { kind, value: value() };
    case "values":
      return { kind, values: Array.from({ length: 1 + prng.below(4) }, value) };
    case "integer":
      return { kind, value: BigInt(prng.next()) - (prng.chance(1, 2) ? 0n : 2n ** 63n) };
    case "checked":
      return { kind, areAllPresent: prng.chance(1, 2) };
    case "waitEnded":
      return { kind, wasCancelled: prng.chance(1, 2) };
    case "pong":
      return { kind, nonce: prng.next() };
    case "popped": {
      const count = prng.below(3);
      return { kind, count, value: count === 0 ? undefined : value() };
    }
    case "keys":
      return {
        kind,
        keys: Array.from({ length: prng.below(5) }, (_, n) => `/${"k".repeat(prng.below(40))}${n}`),
      };
  }
}

function expectedReply(reply: Reply): ExpectedReply {
  return { kind: reply.kind, count: reply.kind === "values" ? reply.values.length : 0 };
}

/** One of each, so that a new operation is not forgotten here. */
assert(OPERATIONS.c.length === 19, "A new operation: let randomRequest draw it");
