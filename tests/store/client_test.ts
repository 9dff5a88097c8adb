import { assertEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../lib/core/assert.ts";
import { ClientMachine, type Outcome } from "../../lib/store/client.ts";
import { encodeReply } from "../../lib/store/encode.ts";
import { DEFAULT_LIMITS } from "../../lib/store/limits.ts";
import { OutputQueue } from "../../lib/store/output_queue.ts";
import { RequestDecoder } from "../../lib/store/request_decoder.ts";
import { HANDSHAKE, PeerError, REPLY_KINDS } from "../../lib/store/wire.ts";
import { transcripts } from "./transcripts.ts";
import { fromHex, WAYS_TO_CUT, written } from "./wire_cases.ts";

/** Takes everything that is to be sent. */
function sent(machine: ClientMachine): number[] {
  return [...written(machine.output)];
}

/** A machine whose handshake is sent. */
function greeted(): ClientMachine {
  const machine = new ClientMachine();
  assertEquals(sent(machine), [...HANDSHAKE]);
  return machine;
}

Deno.test("ClientMachine pairs replies with the requests they answer, in order", () => {
  const machine = greeted();
  assertEquals(machine.request({ kind: "set", key: "k", value: "v" }, 10), null);
  const get = machine.request({ kind: "get", key: "k" }, 10)!;
  const ping = machine.request({ kind: "ping", nonce: 3 }, 10)!;
  assertEquals(machine.openCount, 2);
  assertEquals(machine.receive(fromHex("0100000000000000 76 0300")), [
    { ticket: get, outcome: { kind: "value", value: "v" } },
  ]);
  assertEquals(machine.receive(fromHex("0000")), [{ ticket: ping, outcome: { kind: "pong", nonce: 3 } }]);
  assertEquals(machine.openCount, 0);
  assertEquals(machine.nextWakeup(), undefined);
});

Deno.test("ClientMachine takes a wait back when its time is over", () => {
  const machine = greeted();
  const ticket = machine.request({ kind: "wait", keys: ["k"] }, 100)!;
  sent(machine);
  assertEquals(machine.isWaiting, true);
  machine.wake(99);
  assertEquals(sent(machine), []);
  assertEquals(machine.nextWakeup(), 100);
  machine.wake(100);
  assertEquals(sent(machine), [0x0c]);
  assertEquals(machine.receive(fromHex("01")), [{ ticket, outcome: { kind: "timedOut" } }]);
  assertEquals(machine.isWaiting, false);
});

Deno.test("ClientMachine understands a wait that ended while its CANCEL_WAIT was under way", () => {
  const machine = greeted();
  const ticket = machine.request({ kind: "wait", keys: ["k"] }, 100)!;
  machine.wake(100);
  assertEquals(machine.receive(fromHex("00")), []);
  assertEquals(machine.receive(fromHex("01")), [
    { ticket, outcome: { kind: "waitEnded", wasCancelled: false } },
  ]);
  const ping = machine.request({ kind: "ping", nonce: 1 }, 200)!;
  assertEquals(machine.receive(fromHex("01000000"))[0]?.ticket, ping);
});

Deno.test("ClientMachine lets nothing follow an open wait", () => {
  const machine = greeted();
  machine.request({ kind: "barrier", key: "b", worldSize: 2n }, 100);
  assertThrows(() => machine.request({ kind: "ping", nonce: 1 }, 100), AssertionError);
});

Deno.test("ClientMachine gives a server up that does not answer, or answers what nobody asked", () => {
  const late = greeted();
  late.request({ kind: "get", key: "k" }, 100);
  assertThrows(() => late.wake(100), PeerError, "did not answer in time");
  const lateCancel = greeted();
  lateCancel.request({ kind: "wait", keys: ["k"] }, 100);
  lateCancel.wake(100);
  assertThrows(() => lateCancel.wake(lateCancel.nextWakeup()!), PeerError, "did not answer in time");
  assertThrows(() => greeted().receive(fromHex("00")), PeerError, "sent a reply to nothing");
  const notCancelled = greeted();
  notCancelled.request({ kind: "wait", keys: ["k"] }, 100);
  assertThrows(() => notCancelled.receive(fromHex("01")), PeerError, "a wait that was not taken back");
});

Deno.test("ClientMachine pairs tens of thousands of pipelined replies", () => {
  const machine = greeted();
  const count = 30_000;
  for (let nonce = 0; nonce < count; nonce++) machine.request({ kind: "ping", nonce }, 100);
  const replies = new Uint8Array(new Uint32Array(Array.from({ length: count }, (_, nonce) => nonce)).buffer);
  const tickets: number[] = [];
  for (let offset = 0; offset < replies.length; offset += 1001) {
    for (const { ticket } of machine.receive(replies.subarray(offset, offset + 1001))) tickets.push(ticket);
  }
  assertEquals(tickets, Array.from({ length: count }, (_, index) => index + 1));
});

Deno.test("ClientMachine is spent by a wait whose time is over where there is no CANCEL_WAIT", () => {
  const machine = new ClientMachine("a");
  assertEquals(sent(machine), []);
  const ticket = machine.request({ kind: "wait", keys: ["k"] }, 100)!;
  assertEquals(sent(machine), [...fromHex("05 0100000000000000 0100000000000000 6b")]);
  assertEquals([machine.wake(99), machine.isSpent], [[], false]);
  assertEquals(machine.wake(100), [{ ticket, outcome: { kind: "timedOut" } }]);
  assertEquals([machine.isSpent, machine.openCount, machine.nextWakeup()], [true, 0, undefined]);
  assertEquals(sent(machine), []);
  assertThrows(() => machine.request({ kind: "get", key: "k" }, 200), AssertionError);
});

Deno.test("ClientMachine sends no operation that the server's generation lacks", () => {
  const early = new ClientMachine("b");
  assertThrows(
    () => early.request({ kind: "listKeys" }, 100),
    AssertionError,
    "Generation b has no listKeys",
  );
  early.request({ kind: "append", key: "k", value: "v" }, 100);
  assertEquals(sent(early), [...fromHex("08 0100000000000000 6b 0100000000000000 76")]);
});

for (const [name, { dialect, turns }] of transcripts()) {
  for (const [way, cut] of Object.entries(WAYS_TO_CUT)) {
    Deno.test(`ClientMachine speaks as PyTorch's client of ${name} and understands its server ${way}`, () => {
      const machine = new ClientMachine(dialect);
      const decoder = new RequestDecoder(DEFAULT_LIMITS, dialect);
      const heard: Outcome["kind"][] = [];
      const expected: Outcome["kind"][] = [];
      for (const { from, bytes } of turns.filter(({ connection }) => connection === 1)) {
        if (from === "server") {
          const understood = new OutputQueue();
          for (const piece of cut(bytes)) {
            for (const { outcome } of machine.receive(piece)) {
              heard.push(outcome.kind);
              const wasCancelled = outcome.kind === "timedOut";
              encodeReply(understood, wasCancelled ? { kind: "waitEnded", wasCancelled } : outcome);
            }
          }
          assertEquals(understood.peek(), bytes);
          continue;
        }
        decoder.push(bytes);
        for (let request = decoder.next(); request !== undefined; request = decoder.next()) {
          if (request.kind === "cancelWait") {
            machine.wake(100);
            expected[expected.length - 1] = "timedOut";
            continue;
          }
          machine.request(request, 100);
          const kind = REPLY_KINDS[request.kind];
          if (kind !== null) expected.push(kind);
        }
        decoder.settle();
        assertEquals(sent(machine), [...bytes]);
      }
      if (dialect === "a") {
        // The last is a wait that these clients just give up.
        for (const { outcome } of machine.wake(100)) heard.push(outcome.kind);
        assertEquals(expected.splice(-1, 1, "timedOut"), ["waitEnded"]);
      }
      assertEquals(heard, expected);
      assertEquals([machine.openCount, machine.isSpent], [0, dialect === "a"]);
    });
  }
}
