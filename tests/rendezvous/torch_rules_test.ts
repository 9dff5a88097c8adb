import { assertEquals } from "@std/assert";
import {
  emptyRecord,
  FORM_OF_2_2,
  FORM_OF_2_6,
  type TorchRecord,
} from "../../lib/rendezvous/torch_record.ts";
import {
  apply,
  decide,
  removeNodes,
  type TorchDecision,
  type TorchRules,
  type TorchView,
} from "../../lib/rendezvous/torch_rules.ts";
import { after, joined, name, node, rules, WALL } from "./torch_samples.ts";

function decided(
  record: TorchRecord,
  letter: string,
  limits: TorchRules,
  view: Partial<TorchView> = {},
  wall = WALL,
): TorchDecision {
  const defaults = {
    me: node(letter),
    wish: "join",
    lastRound: null,
    isHeartbeatDue: false,
    host: null,
  } as const;
  return decide(record, limits, { ...defaults, ...view }, wall);
}

Deno.test("decide() joins an open round, and waits in it for nodes", () => {
  const limits = rules(3);
  assertEquals(decided(emptyRecord(FORM_OF_2_6), "a", limits), { kind: "add-participant" });
  assertEquals(decided(joined("ab", limits), "a", limits), { kind: "wait", for: "nodes" });
  assertEquals(decided(joined("ab", limits), "a", limits, { isHeartbeatDue: true }), { kind: "keep-alive" });
});

Deno.test("apply() completes a round when it is full, ranks in the order of Python's tuples", () => {
  const record = joined("cab", rules(3));
  assertEquals(record.isComplete, true);
  assertEquals([...record.participants], [[name("a"), 0], [name("b"), 1], [name("c"), 2]]);
  assertEquals(decided(record, "b", rules(3)), { kind: "done" });
});

Deno.test("decide() lets a participant complete the round when the last call is over", () => {
  const limits = rules(2, 3);
  const record = joined("ab", limits);
  assertEquals(record.deadline, WALL + 30_000_000);
  assertEquals(decided(record, "a", limits), { kind: "wait", for: "last-call" });
  assertEquals(decided(record, "a", limits, { host: name("b") }, WALL + 30_000_001), {
    kind: "complete",
    host: name("b"),
  });
});

Deno.test("apply() gives rank 0 to who serves the workers' store, and torchrun's order to all others", () => {
  const context = { me: node("a"), host: name("c"), wall: WALL };
  const record = apply(
    joined("abc", rules(2, 4)),
    { kind: "complete", host: name("c") },
    rules(2, 4),
    context,
  );
  assertEquals([...record.participants], [[name("c"), 0], [name("a"), 1], [name("b"), 2]]);
});

Deno.test("decide() gives up the seat of a round that is over, its own or one that somebody has left", () => {
  const record = joined("ab", rules(2));
  assertEquals(decided(record, "a", rules(2), { lastRound: 0 }), { kind: "remove" });
  const left = removeNodes(record, [name("a")], rules(2));
  assertEquals(left.participants.get(name("b")), 1);
  assertEquals(decided(left, "b", rules(2)), { kind: "remove" });
});

Deno.test("removeNodes() begins the next round when the last participant of a complete one has left", () => {
  const record = removeNodes(joined("ab", rules(2)), [name("a"), name("b")], rules(2));
  assertEquals([record.round, record.isComplete, record.nodes.size, record.heartbeats.size], [
    1,
    false,
    0,
    0,
  ]);
});

Deno.test("removeNodes() takes the last call back when too few are left", () => {
  const limits = rules(2, 3);
  assertEquals(removeNodes(joined("ab", limits), [name("a")], limits).deadline, null);
  assertEquals(removeNodes(joined("ab", rules(1, 3)), [name("a")], rules(1, 3)).deadline, WALL + 30_000_000);
});

Deno.test("decide() puts who comes late on the wait list, and beyond MAX among the spares", () => {
  const small = { ...joined("a", rules(1, 2)), isComplete: true };
  assertEquals(decided(small, "b", rules(1, 2)), { kind: "add-waiting" });
  assertEquals(decided(after(small, "add-waiting", "b", rules(1, 2)), "b", rules(1, 2)), {
    kind: "wait",
    for: "next-round",
  });
  const full = joined("ab", rules(2));
  assertEquals(decided(full, "c", rules(2)), { kind: "add-spare" });
  const spare = after(full, "add-spare", "c", rules(2));
  assertEquals(decided(spare, "c", rules(2)), { kind: "wait", for: "free-seat" });
  assertEquals(decided(removeNodes(spare, [name("a")], rules(2)), "c", rules(2)), { kind: "remove" });
});

Deno.test("decide() does not wait for the next round where there is no seat, as torchrun's agents do for ever", () => {
  const full = after(joined("ab", rules(2)), "add-waiting", "c", rules(2));
  assertEquals(decided(full, "c", rules(2)), { kind: "add-spare" });
  const spare = after(full, "add-spare", "c", rules(2));
  assertEquals([[...spare.waiting], [...spare.spares]], [[], [name("c")]]);
});

Deno.test("decide() only waits where a release has no list of spares", () => {
  assertEquals(decided(joined("ab", rules(2), FORM_OF_2_2), "c", rules(2)), {
    kind: "wait",
    for: "free-seat",
  });
});

Deno.test("decide() closes once, and joins nothing that is closed", () => {
  const record = joined("ab", rules(2));
  assertEquals(decided(record, "a", rules(2), { wish: "close" }), { kind: "close", isAlarm: false });
  assertEquals(decided(record, "a", rules(2), { wish: "break-up" }), { kind: "close", isAlarm: true });
  const closed = after(record, "close", "a", rules(2));
  assertEquals(decided(closed, "a", rules(2), { wish: "close" }), { kind: "done" });
  assertEquals(decided(closed, "a", rules(2)), { kind: "closed" });
});

Deno.test("apply() has the others look at a job that is closed all of a sudden", () => {
  const context = { me: node("a"), host: null, wall: WALL };
  const broken = apply(joined("ab", rules(2)), { kind: "close", isAlarm: true }, rules(2), context);
  assertEquals([broken.isClosed, [...broken.waiting]], [true, [name("a")]]);
});

Deno.test("decide() hands over by way of the wait list, and leaves once the round has gone on", () => {
  const limits = rules(1, 2), view = { wish: "hand-over", lastRound: 0 } as const;
  const record = joined("ab", limits);
  assertEquals(decided(record, "b", limits, view), { kind: "remove" });
  const out = after(record, "remove", "b", limits);
  assertEquals(decided(out, "b", limits, view), { kind: "add-waiting" });
  const waiting = after(out, "add-waiting", "b", limits);
  assertEquals(decided(waiting, "b", limits, view), { kind: "done" });
  assertEquals(decided(after(waiting, "remove", "b", limits), "b", limits, { ...view, wish: "leave" }), {
    kind: "done",
  });
});

Deno.test("decide() keeps a node known, wherever it stands, and no other", () => {
  const view = { wish: "stay", isHeartbeatDue: true } as const;
  assertEquals(decided(joined("a", rules(2)), "a", rules(2), view), { kind: "keep-alive" });
  assertEquals(decided(joined("a", rules(2)), "b", rules(2), view), { kind: "done" });
});
