import { assertEquals, assertNotEquals } from "@std/assert";
import { assertDefined } from "../../lib/core/assert.ts";
import {
  type LegacyState,
  type LegacyStep,
  nextState,
  parseState,
  setupState,
} from "../../lib/rendezvous/legacy_state.ts";

const SIZE = { nodesMin: 2, nodesMax: 3 };

/** What torchrun 2.15 wrote. */
const JOINABLE = '{"status": "joinable", "version": "1", "participants": [0]}';
const FROZEN = '{"status": "frozen", "version": "1", "participants": [0, 1], "keep_alives": []}';
const FINAL = '{"status": "final", "version": "1", "participants": [0, 1], "keep_alives": ' +
  '["/torchelastic/p2p/run_leg1/rdzv/v_1/rank_0", "/torchelastic/p2p/run_leg1/rdzv/v_1/rank_1"], "num_workers_waiting": 0}';

const parsed = (text: string): LegacyState => assertDefined(parseState(text));

function after(text: string, ...steps: LegacyStep[]) {
  let next = { text, ttlSeconds: null as number | null };
  for (const step of steps) next = nextState(parsed(next.text), step, SIZE, 7);
  const { muster, ...fields } = JSON.parse(next.text);
  assertEquals(muster, 7);
  return { fields, ttl: next.ttlSeconds };
}

Deno.test("parseState() reads what torchrun writes", () => {
  assertEquals(parsed(JOINABLE).participants, [0]);
  assertEquals(parsed(FINAL).keepAlives.length, 2);
  assertEquals(parsed('{"status": "setup"}').version, "");
});

Deno.test("parseState() refuses what no agent of torchrun's writes", () => {
  for (
    const text of [
      "",
      "null",
      "[]",
      '{"status": "open"}',
      '{"status": "joinable"}',
      '{"status": "joinable", "version": "../x"}',
      '{"status": "final", "version": "1", "participants": 3}',
      '{"status": "final", "version": "1", "keep_alives": [1]}',
      '{"status": "final", "version": "1", "num_workers_waiting": "1"}',
    ]
  ) assertEquals(parseState(text), null, text);
});

Deno.test("nextState() goes torchrun's way, with its times to live", () => {
  assertEquals(setupState(7).ttlSeconds, 5);
  assertEquals(after(setupState(7).text, { kind: "publish", version: "4" }), {
    fields: { status: "joinable", version: "4", participants: [] },
    ttl: null,
  });
  assertEquals(after(JOINABLE, { kind: "join" }), {
    fields: { status: "joinable", version: "1", participants: [0, 1] },
    ttl: 10,
  });
  assertEquals(after(JOINABLE, { kind: "join" }, { kind: "join" }), {
    fields: { status: "frozen", version: "1", participants: [0, 1, 2], keep_alives: [] },
    ttl: 10,
  });
  assertEquals(after(JOINABLE, { kind: "hold" }).ttl, 10);
  assertEquals(after(JOINABLE, { kind: "freeze" }).fields.status, "frozen");
  const first = after(FROZEN, { kind: "confirm", keepAlive: "/a" });
  assertEquals([first.fields.status, first.ttl], ["frozen", 10]);
  const last = after(FROZEN, { kind: "confirm", keepAlive: "/a" }, { kind: "confirm", keepAlive: "/b" });
  assertEquals([last.fields.status, last.fields.num_workers_waiting, last.ttl], ["final", 0, null]);
  assertEquals(after(FINAL, { kind: "announce" }, { kind: "announce" }).fields.num_workers_waiting, 2);
  assertEquals(after(FINAL, { kind: "close" }).fields.status, "closed");
});

Deno.test("nextState() never gives two nodes the same text, and keeps what it does not know", () => {
  const state = parsed('{"status": "joinable", "version": "1", "participants": [], "later": {"a": 1}}');
  const [a, b] = [1, 2].map((mark) => nextState(state, { kind: "join" }, SIZE, mark).text);
  assertNotEquals(a, b);
  assertEquals(JSON.parse(a!).later, { a: 1 });
});
