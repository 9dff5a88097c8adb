import { assert, assertEquals, assertThrows } from "@std/assert";
import { byteString, concat } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import { StoreConnection } from "../../lib/store/connection.ts";
import { encodeReply, encodeRequest } from "../../lib/store/encode.ts";
import { DEFAULT_LIMITS, type StoreLimits } from "../../lib/store/limits.ts";
import { OutputQueue } from "../../lib/store/output_queue.ts";
import { Table } from "../../lib/store/table.ts";
import {
  type Dialect,
  HANDSHAKE,
  OPERATIONS,
  PeerError,
  type Reply,
  type Request,
  valueOf,
} from "../../lib/store/wire.ts";
import { randomRequest } from "./random_request.ts";
import { transcripts } from "./transcripts.ts";
import { fromHex, HANDSHAKE_HEX, WAYS_TO_CUT, written } from "./wire_cases.ts";

function newConnection(
  table: Table,
  limits: Partial<StoreLimits> = {},
  dialect: Dialect | null = null,
): StoreConnection {
  return new StoreConnection(table, { limits: { ...DEFAULT_LIMITS, ...limits }, dialect }, {
    onOutput: () => {},
  });
}

for (const [name, { dialect, turns }] of transcripts()) {
  for (const [way, cut, pinned] of replays(dialect)) {
    Deno.test(`StoreConnection answers the client of ${name} ${way} as PyTorch's server did`, () => {
      const table = new Table(DEFAULT_LIMITS);
      const connections = new Map<number, StoreConnection>();
      let answered = 0;
      for (const [index, { connection: number, from, bytes }] of turns.entries()) {
        const connection = connections.get(number) ?? newConnection(table, {}, pinned);
        connections.set(number, connection);
        if (from === "client") {
          for (const piece of cut(bytes)) connection.receive(piece);
          // The client says no more before it has its answer.
          if (connection.awaitsSilence) connection.silence();
          continue;
        }
        assertEquals(written(connection.output), bytes, `line ${index} of ${name}`);
        answered++;
      }
      assert(answered > 10, `${name} has ${answered} answers`);
      for (const connection of connections.values()) {
        assertEquals([connection.isInside, connection.output.length], [false, 0]);
      }
    });
  }
}

/** Requests of one byte: with it they are there whole. */
const BARE: readonly (string | undefined)[] = ["countKeys", "listKeys", "cancelWait"];

for (const [name, { dialect, turns }] of transcripts()) {
  Deno.test(`StoreConnection keeps the first byte of a request that comes with the one before, for ${name}`, () => {
    const table = new Table(DEFAULT_LIMITS);
    const connections = new Map<number, StoreConnection>();
    const early = new Set<number>();
    for (const [index, { connection: number, from, bytes }] of turns.entries()) {
      const connection = connections.get(number) ?? newConnection(table, {}, dialect);
      connections.set(number, connection);
      if (from === "server") {
        assertEquals(written(connection.output), bytes, `line ${index} of ${name}`);
        continue;
      }
      const rest = early.delete(number) ? bytes.subarray(1) : bytes;
      const next = turns.slice(index + 1).find((turn) =>
        turn.connection === number && turn.from === "client"
      );
      if (next === undefined || BARE.includes(OPERATIONS[dialect][next.bytes[0]!])) {
        connection.receive(rest);
        continue;
      }
      early.add(number);
      connection.receive(concat([rest, next.bytes.subarray(0, 1)]));
      assertEquals([connection.isInside, connection.keptBytes], [true, 1]);
    }
  });
}

/** Each way to cut, with the dialect found out and with the dialect pinned. */
function replays(dialect: Dialect): [string, (bytes: Uint8Array) => Uint8Array[], Dialect | null][] {
  return Object.entries(WAYS_TO_CUT).flatMap(([way, cut]) => [
    [way, cut, null],
    [`${way}, dialect pinned,`, cut, dialect],
  ]);
}

Deno.test("StoreConnection takes nothing from a peer that does not read its replies, and then goes on", () => {
  const table = new Table(DEFAULT_LIMITS);
  const connection = newConnection(table, { unreadReplyBytesMax: 1000 });
  const value = "v".repeat(100);
  table.apply(connection, { kind: "set", key: "k", value });
  const gets = fromHex("03 0100000000000000 6b".repeat(100));
  connection.receive(concat([fromHex(HANDSHAKE_HEX), gets]));
  assertEquals(connection.isBacklogged, true);
  // Ten replies of 108 bytes: the limit, and the reply that passed it.
  assertEquals([connection.requestCount, connection.output.length], [10, 1080]);
  let read = 0;
  for (let turn = 0; turn < 20; turn++) {
    read += written(connection.output).length;
    connection.resume();
  }
  assertEquals([connection.requestCount, read, connection.isInside], [100, 10_800, false]);
});

Deno.test("StoreConnection applies nothing of a MULTI_SET that does not arrive whole", () => {
  const table = new Table(DEFAULT_LIMITS);
  const connection = newConnection(table);
  const entry = "0100000000000000 6b 0100000000000000 76";
  connection.receive(fromHex(`${HANDSHAKE_HEX} 0b 0300000000000000 ${entry} ${entry}`));
  assertEquals([connection.isInside, table.keyCount], [true, 0]);
  connection.leave();
  assertEquals(table.keyCount, 0);
});

Deno.test("StoreConnection.leave() takes back what the connection waits for", () => {
  const table = new Table(DEFAULT_LIMITS);
  const connection = newConnection(table);
  connection.receive(fromHex(`${HANDSHAKE_HEX} 06 0100000000000000 0100000000000000 6b`));
  assertEquals(table.waitingCount, 1);
  connection.leave();
  assertEquals(table.waitingCount, 0);
});

Deno.test("StoreConnection.receive() throws at the first broken rule and has applied what came before", () => {
  const table = new Table(DEFAULT_LIMITS);
  const connection = newConnection(table);
  const set = "01 0100000000000000 6b 0100000000000000 76";
  assertThrows(() => connection.receive(fromHex(`${HANDSHAKE_HEX} ${set} ff ${set}`)), PeerError, "sent 255");
  assertEquals(table.keyCount, 1);
});

Deno.test("StoreConnection.reuse() serves another peer, in what that one speaks, and not while something is open", () => {
  const table = new Table(DEFAULT_LIMITS);
  const connection = newConnection(table);
  const sink = { onOutput: () => {} };
  connection.receive(fromHex(`${HANDSHAKE_HEX} 0d 01000000`));
  assertThrows(() => connection.reuse(sink), Error);
  written(connection.output);
  const { spoken } = connection;
  connection.reuse(sink);
  connection.receive(fromHex("00 0100000000000000 6b 0100000000000000 76 06"));
  assertEquals(written(connection.output), fromHex("0100000000000000"));
  connection.reuse(sink, spoken);
  connection.receive(fromHex("07"));
  assertEquals([written(connection.output), connection.requestCount], [fromHex("0100000000000000"), 1]);
  connection.receive(fromHex("06 0100000000000000 0100000000000000 77"));
  assertEquals(connection.isAtRest, false);
});

Deno.test("StoreConnection answers what is decoded where it lies as what is decoded into a request", () => {
  for (const seed of [1, 2, 3]) {
    const prng = new Prng(seed);
    const tables = [new Table(DEFAULT_LIMITS), new Table(DEFAULT_LIMITS, { hashSeed: seed })] as const;
    const connection = newConnection(tables[0]);
    const output = new OutputQueue();
    const client = { reply: (reply: Reply) => encodeReply(output, reply) };
    connection.receive(HANDSHAKE);
    for (let step = 0; step < 3000; step++) {
      const requests = Array.from({ length: 1 + prng.below(20) }, () => randomRequest(prng));
      const failed = requests.findIndex((request) => refusal(() => tables[1].apply(client, request)));
      const sent = new OutputQueue();
      for (const request of failed < 0 ? requests : requests.slice(0, failed + 1)) {
        encodeRequest(sent, request);
      }
      assertEquals(
        refusal(() => connection.receive(written(sent))),
        failed >= 0,
        `seed ${seed}, step ${step}`,
      );
      assertEquals(written(connection.output), written(output), `seed ${seed}, step ${step}`);
      assertEquals(tables[0].storedBytes, tables[1].storedBytes);
    }
  }
});

/** Whether `act` ends with a broken rule. */
function refusal(act: () => void): boolean {
  try {
    act();
    return false;
  } catch (error) {
    if (error instanceof PeerError) return true;
    throw error;
  }
}

Deno.test("StoreConnection answers with what was there, also if it is replaced before the answer is sent", () => {
  const many = Array.from({ length: 9 }, () => "k");
  for (
    const request of [
      { kind: "get", key: "k" },
      { kind: "multiGet", keys: ["k", "k"] },
      // Of which an object is made.
      { kind: "multiGet", keys: many },
      { kind: "compareSet", key: "k", expected: "x", desired: "y" },
    ] as const
  ) {
    for (const length of [40, 400, 5000]) {
      const table = new Table(DEFAULT_LIMITS);
      const [reader, writer] = [newConnection(table), newConnection(table)];
      const say = (connection: StoreConnection, said: Request) => {
        const sent = new OutputQueue();
        sent.raw(HANDSHAKE);
        encodeRequest(sent, said);
        connection.receive(written(sent).subarray(connection.requestCount > 0 ? HANDSHAKE.length : 0));
      };
      const value = (byte: number) => valueOf(new Uint8Array(length).fill(byte));
      say(writer, { kind: "set", key: "k", value: value(1) });
      say(reader, request);
      say(writer, { kind: "set", key: "k", value: value(2) });
      const count = request.kind === "multiGet" ? request.keys.length : 1;
      const reply = { kind: "values", values: Array.from({ length: count }, () => value(1)) } as const;
      const expected = new OutputQueue();
      encodeReply(expected, reply);
      // Without the difference, which would take minutes to be drawn.
      const isSame = byteString(written(reader.output)) === byteString(written(expected));
      assert(isSame, `${request.kind} of ${length} bytes`);
    }
  }
});
