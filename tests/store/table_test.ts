import { assertEquals, assertThrows } from "@std/assert";
import { DEFAULT_LIMITS, type StoreLimits } from "../../lib/store/limits.ts";
import { Table } from "../../lib/store/table.ts";
import type { TableClient } from "../../lib/store/waiters.ts";
import { PeerError, type Reply, type Request, type Value } from "../../lib/store/wire.ts";

/** A client that keeps its replies; `take` returns and forgets them. */
class Recorder implements TableClient {
  #replies: Reply[] = [];
  reply(reply: Reply): void {
    this.#replies.push(reply);
  }
  take(): Reply[] {
    return this.#replies.splice(0);
  }
}

const WOKEN: Reply[] = [{ kind: "waitEnded", wasCancelled: false }];
const CANCELLED: Reply[] = [{ kind: "waitEnded", wasCancelled: true }];

/** A table with clients "a", "b" and "c"; `ask` applies a request and returns the client's replies. */
function newTable(limits: Partial<StoreLimits> = {}) {
  const table = new Table({ ...DEFAULT_LIMITS, ...limits });
  const clients = { a: new Recorder(), b: new Recorder(), c: new Recorder() };
  const ask = (client: keyof typeof clients, request: Request): Reply[] => {
    table.apply(clients[client], request);
    return clients[client].take();
  };
  const set = (key: string, value: Value) => ask("a", { kind: "set", key, value });
  const get = (key: string) => {
    const [reply] = ask("a", { kind: "get", key });
    return reply?.kind === "value" ? reply.value : undefined;
  };
  return { table, clients, ask, set, get };
}

Deno.test("Table.apply() stores, counts, lists and deletes", () => {
  const { ask, set, get, table } = newTable();
  assertEquals(set("k", "v"), []);
  assertEquals(get("k"), "v");
  assertEquals(get("absent"), "");
  assertEquals(ask("a", { kind: "multiSet", entries: [["m", "1"], ["k", "2"]] }), []);
  assertEquals(ask("a", { kind: "multiGet", keys: ["k", "absent", "m"] }), [
    { kind: "values", values: ["2", "", "1"] },
  ]);
  assertEquals(ask("a", { kind: "countKeys" }), [{ kind: "integer", value: 2n }]);
  assertEquals(ask("a", { kind: "listKeys" }), [{ kind: "keys", keys: ["k", "m"] }]);
  assertEquals(table.storedBytes, 4);
  assertEquals(ask("a", { kind: "delete", key: "k" }), [{ kind: "integer", value: 1n }]);
  assertEquals(ask("a", { kind: "delete", key: "k" }), [{ kind: "integer", value: 0n }]);
  assertEquals(table.storedBytes, 2);
});

Deno.test("Table.apply() adds as C++ does", () => {
  const { ask, set, get } = newTable();
  const add = (delta: bigint) => ask("a", { kind: "add", key: "n", delta });
  const gives = (value: bigint): Reply[] => [{ kind: "integer", value }];
  assertEquals(add(5n), gives(5n));
  assertEquals(add(-7n), gives(-2n));
  assertEquals(get("n"), "-2");
  for (
    const [text, sum] of [["12abc", 13n], ["  +7", 8n], ["0x10", 1n], ["-7", -6n], ["007", 8n]] as const
  ) {
    set("n", text);
    assertEquals(add(1n), gives(sum), text);
  }
  set("n", "9223372036854775807");
  assertEquals(add(1n), gives(-(2n ** 63n)));
  for (const text of ["abc", "", "+", "9223372036854775808"]) {
    set("n", text);
    assertThrows(() => add(1n), PeerError, 'added to "n"');
    assertEquals(get("n"), text);
  }
  set("n", new Uint8Array(200).fill(0x39));
  assertThrows(() => add(1n), PeerError, 'added to "n"');
});

Deno.test("Table.apply() compares and sets by PyTorch's rules", () => {
  const { ask, get, set } = newTable();
  const compareSet = (key: string, expected: Value, desired: Value) => {
    const [reply] = ask("a", { kind: "compareSet", key, expected, desired });
    return reply?.kind === "value" ? reply.value : undefined;
  };
  assertEquals(compareSet("k", "x", "y"), "x");
  assertEquals(ask("a", { kind: "check", keys: ["k"] }), [{ kind: "checked", areAllPresent: false }]);
  assertEquals(compareSet("k", "", "y"), "y");
  assertEquals(compareSet("k", "", "z"), "y");
  assertEquals(compareSet("k", "y", "z"), "z");
  const long = new Uint8Array(200).fill(1), other = new Uint8Array(200).fill(2);
  set("long", long);
  assertEquals(compareSet("long", other, "z"), long);
  assertEquals(compareSet("long", long.slice(), other), other);
  assertEquals(get("long"), other);
});

Deno.test("Table.apply() appends across the border between short and long values", () => {
  const { ask, get } = newTable();
  let expected = "";
  for (let count = 0; count < 50; count++) {
    ask("a", { kind: "append", key: "k", value: "12345" });
    expected += "12345";
    const value = get("k")!;
    assertEquals(typeof value === "string" ? value : String.fromCharCode(...value), expected);
    // A value has one form for its length, however it came about.
    ask("a", { kind: "set", key: "same", value });
    assertEquals(ask("a", { kind: "compareSet", key: "same", expected: value, desired: "x" }), [
      { kind: "value", value: "x" },
    ]);
  }
});

Deno.test("Table.apply() wakes a waiter when the last of its keys is there, whatever sets it", () => {
  const creations: Request[] = [
    { kind: "set", key: "y", value: "" },
    { kind: "multiSet", entries: [["z", ""], ["y", ""]] },
    { kind: "append", key: "y", value: "" },
    { kind: "add", key: "y", delta: 1n },
    { kind: "compareSet", key: "y", expected: "", desired: "v" },
    { kind: "queuePush", key: "y", value: "" },
  ];
  for (const creation of creations) {
    const { ask, set, clients, table } = newTable();
    assertEquals(ask("b", { kind: "wait", keys: ["x", "y", "y"] }), []);
    assertEquals(ask("c", { kind: "wait", keys: ["y", "w"] }), []);
    set("x", "");
    assertEquals(clients.b.take(), []);
    // A key that came and went counts as seen.
    ask("a", { kind: "delete", key: "x" });
    ask("a", creation);
    assertEquals(clients.b.take(), WOKEN, creation.kind);
    assertEquals(clients.c.take(), []);
    set("w", "");
    assertEquals(clients.c.take(), creation.kind === "queuePush" ? [] : WOKEN);
    assertEquals(table.waitingCount, creation.kind === "queuePush" ? 1 : 0);
  }
});

Deno.test("Table.apply() answers WAIT at once when nothing is missing", () => {
  const { ask, set } = newTable();
  set("k", "v");
  ask("a", { kind: "queuePush", key: "q", value: "v" });
  assertEquals(ask("b", { kind: "wait", keys: ["k", "q"] }), WOKEN);
  assertEquals(ask("b", { kind: "wait", keys: [] }), WOKEN);
  assertEquals(ask("b", { kind: "check", keys: ["k", "q"] }), [{ kind: "checked", areAllPresent: true }]);
});

Deno.test("Table.apply() takes a wait back, also one that is not there", () => {
  const { ask, set, clients } = newTable();
  ask("b", { kind: "wait", keys: ["k"] });
  assertEquals(ask("b", { kind: "cancelWait" }), CANCELLED);
  set("k", "v");
  assertEquals(clients.b.take(), []);
  assertEquals(ask("b", { kind: "cancelWait" }), CANCELLED);
});

Deno.test("Table.apply() lets a second WAIT take the place of the first", () => {
  const { ask, set, clients, table } = newTable();
  ask("b", { kind: "wait", keys: ["x"] });
  ask("b", { kind: "wait", keys: ["y"] });
  set("x", "");
  assertEquals(clients.b.take(), []);
  set("y", "");
  assertEquals(clients.b.take(), WOKEN);
  assertEquals(table.waitingCount, 0);
});

Deno.test("Table.leave() forgets a waiter", () => {
  const { ask, set, clients, table } = newTable();
  ask("b", { kind: "wait", keys: ["x", "y"] });
  table.leave(clients.b);
  set("x", "");
  set("y", "");
  assertEquals(clients.b.take(), []);
  assertEquals(table.waitingCount, 0);
});

Deno.test("Table.apply() hands each pushed value to one waiter, first come first served", () => {
  const { ask, clients } = newTable();
  ask("b", { kind: "wait", keys: ["q"] });
  ask("c", { kind: "wait", keys: ["q"] });
  ask("a", { kind: "queuePush", key: "q", value: "1" });
  assertEquals([clients.b.take(), clients.c.take()], [WOKEN, []]);
  ask("a", { kind: "queuePush", key: "q", value: "2" });
  assertEquals([clients.b.take(), clients.c.take()], [[], WOKEN]);
  assertEquals(ask("a", { kind: "queueLength", key: "q" }), [{ kind: "integer", value: 2n }]);
  assertEquals(ask("b", { kind: "queuePop", key: "q" }), [{ kind: "popped", count: 2, value: "1" }]);
  assertEquals(ask("b", { kind: "queuePop", key: "q" }), [{ kind: "popped", count: 1, value: "2" }]);
  assertEquals(ask("b", { kind: "queuePop", key: "q" }), [{ kind: "popped", count: 0, value: undefined }]);
});

Deno.test("Table.apply() keeps queues in order and apart from keys", () => {
  const { ask, get, table } = newTable();
  for (let n = 0; n < 5_000; n++) ask("a", { kind: "queuePush", key: "q", value: String(n) });
  assertEquals(get("q"), "");
  assertEquals(ask("a", { kind: "countKeys" }), [{ kind: "integer", value: 0n }]);
  for (let n = 0; n < 5_000; n++) {
    assertEquals(ask("a", { kind: "queuePop", key: "q" }), [{
      kind: "popped",
      count: 5_000 - n,
      value: String(n),
    }]);
  }
  assertEquals(table.storedBytes, 0);
});

Deno.test("Table.apply() opens a barrier for all when the last arrives, and leaves it open", () => {
  const { ask, clients, get } = newTable();
  const barrier = (client: "a" | "b" | "c") => ask(client, { kind: "barrier", key: "b", worldSize: 3n });
  assertEquals(barrier("a"), []);
  // Counted, though it leaves: as in PyTorch.
  assertEquals(ask("a", { kind: "cancelWait" }), CANCELLED);
  assertEquals(barrier("b"), []);
  assertEquals(barrier("c"), WOKEN);
  assertEquals([clients.a.take(), clients.b.take()], [[], WOKEN]);
  assertEquals(barrier("a"), WOKEN);
  assertEquals(get("b"), "4");
});

Deno.test("Table.apply() changes nothing when a limit is passed", () => {
  const { ask, set, get, table } = newTable({ keysMax: 3, storedBytesMax: 40, requestBytesMax: 60 });
  set("a", "1");
  set("b", "2");
  const threeMore = [["c", "3"], ["d", "4"], ["a", "x"]] as const;
  assertThrows(
    () => ask("a", { kind: "multiSet", entries: threeMore }),
    PeerError,
    "4 keys, over the limit of 3",
  );
  assertEquals([get("a"), get("c")], ["1", ""]);
  ask("a", { kind: "queuePush", key: "q", value: "v" });
  assertThrows(() => set("c", "3"), PeerError, "4 keys, over the limit of 3");
  assertThrows(() => set("e", "x".repeat(40)), PeerError);
  // What is there may still change.
  set("b", "3");
  assertThrows(() => ask("a", { kind: "queuePush", key: "a", value: "" }), PeerError, "4 keys");
  ask("a", { kind: "queuePop", key: "q" });
  assertThrows(() => set("e", "x".repeat(40)), PeerError, "45 bytes in all, over the limit of 40");
  set("a", "x".repeat(30));
  assertThrows(() => ask("a", { kind: "multiGet", keys: ["a", "a"] }), PeerError, "76 bytes in one reply");
  assertEquals(table.storedBytes, 33);
});

Deno.test("Table.apply() lists no more keys than a reply may have", () => {
  const { ask, set } = newTable({ requestBytesMax: 60 });
  set("k".repeat(20), "v".repeat(30));
  set("l".repeat(20), "");
  assertEquals(ask("a", { kind: "listKeys" })[0]?.kind, "keys");
  set("m", "");
  assertThrows(
    () => ask("a", { kind: "listKeys" }),
    PeerError,
    "asked for 65 bytes in one reply, over the limit of 60",
  );
});
