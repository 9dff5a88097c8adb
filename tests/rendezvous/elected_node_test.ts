import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { ElectedEffect, ElectedEvent } from "../../lib/rendezvous/elected_events.ts";
import { ElectedNode } from "../../lib/rendezvous/elected_node.ts";
import type { MeetingNews, MeetingRequest } from "../../lib/rendezvous/meeting.ts";
import { NO_PAST } from "../../lib/rendezvous/message_codec.ts";
import { node as nodeInfo, SETTINGS } from "./scripted_job.ts";

const RECORD = { epoch: 1, round: 4, restarts: 2, seats: ["a", "b"], hostId: "b" };
const STORE = { address: "a", port: 1, hostedByLauncher: true };

/** Node "a" of a job of two, with what it says and does. */
class Trial {
  readonly node = new ElectedNode({
    settings: { ...SETTINGS, maxRestarts: 1, failover: "elected" },
    info: nodeInfo("a"),
    electorate: "etcd at e:2379",
    ...{ silenceMs: 15_000, stopMs: 30_000 },
    selfAddress: "a",
    fallbackAddress: "a",
  });
  now = 0;

  /** Effects, by kind; news by theirs. */
  step(...events: ElectedEvent[]): string[] {
    return events.flatMap((event) => this.effects(event)).map((effect) =>
      effect.kind === "news"
        ? effect.news.kind
        : effect.kind === "tell"
        ? `tell ${effect.message.kind}`
        : effect.kind
    );
  }

  effects(event: ElectedEvent): ElectedEffect[] {
    return this.node.step(event, this.now);
  }

  ask(request: MeetingRequest): string[] {
    return this.step({ kind: "request", request });
  }

  news(event: ElectedEvent): MeetingNews[] {
    return this.effects(event).flatMap((effect) => effect.kind === "news" ? [effect.news] : []);
  }
}

const ARRIVED: ElectedEvent = { kind: "arrived", nodeId: "b", address: "b", hostAddress: "a" };
const JOINED: ElectedEvent = {
  kind: "said",
  nodeId: "b",
  message: { kind: "join", info: nodeInfo("b"), ...NO_PAST },
};

const DEPOSED: ElectedEvent = { kind: "deposed", text: "its lease is over", lifeMs: 3_000 };

function hosting(): Trial {
  const trial = new Trial();
  assertEquals(trial.step({ kind: "start" }), ["stand"]);
  trial.ask({ kind: "join" });
  assertEquals(trial.step({ kind: "appointed", epoch: 1, previous: null }), ["serve"]);
  return trial;
}

Deno.test("ElectedNode says once that the host that etcd names can't be reached, while it has no workers", () => {
  const trial = new Trial();
  trial.step({ kind: "start" });
  trial.ask({ kind: "join" });
  trial.step(named(1, "b:1"));
  const failed: ElectedEvent = { kind: "link-failed", problem: "can't be reached: refused" };
  const [said, ...more] = trial.news(failed);
  assertEquals([said?.kind, more.length], ["waiting", 0]);
  assertEquals(
    said?.kind === "waiting" && said.waiting?.text,
    "for the job's host at b:1, which can't be reached: refused",
  );
  assertEquals(trial.news(failed), []);
  const working = seated();
  assertEquals(working.news(failed), []);
});

/** As guest of the host at b:1, in round 0. */
function seated(): Trial {
  const trial = new Trial();
  trial.step({ kind: "start" });
  trial.ask({ kind: "join" });
  assertEquals(trial.step(named(1, "b:1")), ["connect"]);
  assertEquals(trial.step({ kind: "linked", epoch: 1, hostId: "b" }), ["send"]);
  const seat = {
    ...{
      round: 0,
      restartCount: 0,
      groupRank: 1,
      groupWorldSize: 2,
      baseRank: 1,
      worldSize: 2,
      baseRoleRank: 1,
    },
    ...{ roleWorldSize: 2, store: STORE },
  };
  assertEquals(trial.step({ kind: "heard", message: { kind: "round", seat } }), ["round"]);
  return trial;
}

const ORPHAN_MS = 3_750;

const named = (epoch: number, address: string): ElectedEvent => ({
  kind: "host-named",
  epoch,
  address,
  orphanMs: ORPHAN_MS,
});

const lost = (kind: "lost" | "dead"): ElectedEvent => ({
  kind: "link-ended",
  end: { kind, text: "its connection broke" },
});

Deno.test("ElectedNode: nobody hears of a round before it is saved", () => {
  const host = hosting();
  assertEquals(host.step(ARRIVED, JOINED), ["save"]);
  assertEquals(host.step({ kind: "saved", id: 7 }), []);
  assertEquals(host.step({ kind: "saved", id: 1 }), ["serve-store"]);
});

Deno.test("ElectedNode: nobody hears of a round while workers of an earlier one are alive with this host or a guest", () => {
  const heir = seated();
  heir.step(lost("dead"));
  const c = { kind: "arrived", nodeId: "c", address: "c", hostAddress: "a" } as const;
  heir.step(
    { kind: "appointed", epoch: 2, previous: { ...RECORD, restarts: 0, seats: ["a", "b", "c"] } },
    c,
    ARRIVED,
    JOINED,
  );
  heir.ask({ kind: "cleared", round: 0, report: null });
  const joined = (nodeId: string): ElectedEvent => ({
    ...{
      kind: "said",
      nodeId,
      message: { kind: "join", info: nodeInfo(nodeId), ...NO_PAST },
    },
  });
  // Two are enough for a round, and the third has not ended its workers; nor has one that comes while the round is saved.
  assertEquals(heir.ask({ kind: "join" }), []);
  assert(heir.step(joined("c")).includes("save"));
  assertEquals(heir.step({ ...c, nodeId: "d" }, { kind: "saved", id: 1 }), []);
  assert(heir.step(joined("d")).includes("serve-store"));
});

Deno.test("ElectedNode: a host that was lost costs a restart where every node is needed, unless it left or comes back", () => {
  const cases = [
    { end: "lost", comes: "c", restarts: 1 },
    { end: "left", comes: "c", restarts: 0 },
    { end: "lost", comes: "b", restarts: 0 },
  ] as const;
  for (const { end, comes, restarts } of cases) {
    const heir = seated();
    heir.step({ kind: "link-ended", end: { kind: end, text: "it went" } });
    heir.ask({ kind: "cleared", round: 0, report: null });
    const previous = { ...RECORD, hostId: "b", restarts: 0, seats: ["b", "a"] };
    heir.step({ kind: "appointed", epoch: 2, previous });
    heir.ask({ kind: "join" });
    const effects = [
      ...heir.effects({ kind: "arrived", nodeId: comes, address: comes, hostAddress: "a" }),
      ...heir.effects({
        ...{ kind: "said", nodeId: comes },
        message: { kind: "join", info: nodeInfo(comes), ...NO_PAST },
      }),
    ];
    const saved = effects.find((effect) => effect.kind === "save");
    assertEquals(saved?.record.restarts, restarts, `${end}, then ${comes}`);
  }
});

Deno.test("ElectedNode: a host that is deposed drops what was not saved, and stands again", () => {
  const host = hosting();
  host.step(ARRIVED, JOINED);
  assertEquals(host.step(DEPOSED), ["say", "stop-serving", "stand"]);
  assertEquals(host.step({ kind: "saved", id: 1 }), []);
  assertEquals(
    host.step(named(2, "b:1"), { kind: "linked", epoch: 2, hostId: "b" }),
    [
      "connect",
      "send",
    ],
  );
});

Deno.test("ElectedNode: a deposed host with workers stands again only when they are gone", () => {
  const host = hosting();
  host.step(ARRIVED, JOINED, { kind: "saved", id: 1 });
  assert(host.ask({ kind: "store-served", round: 0, store: STORE }).includes("round"));
  const told = host.effects(DEPOSED);
  // Its port stays open: one that is closed would prove to the others that nothing is alive here.
  assertEquals(told.map(({ kind }) => kind), ["say", "tell", "news"]);
  const over = told.find((effect) => effect.kind === "news")?.news;
  assert(over?.kind === "round-over");
  assertEquals(over.withinMs, 3_000, "nothing is left of them when its lease ends");
  assertEquals(host.ask({ kind: "cleared", round: 0, report: null }), ["stop-serving", "stand", "go-on"]);
});

Deno.test("ElectedNode: a guest that loses its host ends its part, tells of it, and looks for the host again", () => {
  for (const kind of ["lost", "dead"] as const) {
    const guest = seated();
    const effects = guest.effects(lost(kind));
    assertEquals(effects.map((effect) => effect.kind), ["news", "host-lost", "connect"]);
    const told = effects.find((effect) => effect.kind === "host-lost");
    assertEquals(told, { kind: "host-lost", epoch: 1, isDead: kind === "dead" });
    assertEquals(guest.step(named(2, "c:1")), ["connect"]);
    assertEquals(guest.step(named(1, "b:1")), [], "of the past");
    assertEquals(guest.ask({ kind: "cleared", round: 0, report: null }), ["stand", "go-on"]);
  }
});

Deno.test("ElectedNode: an agent that waits to hear what comes next is taken up by whoever hosts then", () => {
  for (const next of ["appointed", "lost"] as const) {
    const guest = seated();
    guest.step({
      kind: "heard",
      message: { kind: "round-over", round: 0, text: "b leaves", needsReport: false },
    });
    assertEquals(guest.ask({ kind: "cleared", round: 0, report: null }), ["send"]);
    const told = guest.step(
      next === "lost" ? lost("lost") : { kind: "appointed", epoch: 2, previous: RECORD },
    );
    assertEquals(told.filter((kind) => kind === "go-on"), ["go-on"], next);
  }
});

Deno.test("ElectedNode: a new host goes on with what was saved; without it the job is over", () => {
  const heir = seated();
  assert(heir.step({ kind: "appointed", epoch: 2, previous: RECORD }).includes("serve"));
  const cutOff = seated();
  const [news] = cutOff.news({ kind: "appointed", epoch: 2, previous: null });
  assert(news?.kind === "job-over");
  assertEquals(news.outcome.code, 1);
  assertStringIncludes(news.outcome.text!, "has ended while this node was cut off");
});

Deno.test("ElectedNode: a wait without a host has its end, and says what was wrong", () => {
  const node = new Trial();
  node.step({ kind: "start" }, {
    kind: "election-trouble",
    text: "etcd can't be reached: http://e:2379 (refused)",
  });
  node.now = SETTINGS.joinMs;
  const [news] = node.news({ kind: "wakeup" });
  assert(news?.kind === "job-over");
  assertEquals(
    news.outcome.text,
    "Waited 10 min for a host of the job by etcd at e:2379: etcd can't be reached: http://e:2379 (refused)",
  );
});

Deno.test("ElectedNode: with --no-failover the loss of the host ends the job", () => {
  const node = new ElectedNode({
    settings: { ...SETTINGS, failover: false },
    ...{ info: nodeInfo("a"), electorate: "etcd", selfAddress: "a", fallbackAddress: "a" },
    ...{ silenceMs: 15_000, stopMs: 30_000 },
  });
  const seat = {
    ...{
      round: 0,
      restartCount: 0,
      groupRank: 1,
      groupWorldSize: 2,
      baseRank: 1,
      worldSize: 2,
      baseRoleRank: 1,
    },
    ...{ roleWorldSize: 2, store: STORE },
  };
  for (
    const event of [
      { kind: "start" },
      named(1, "b:1"),
      { kind: "linked", epoch: 1, hostId: "b" },
      { kind: "heard", message: { kind: "round", seat } },
      lost("dead"),
    ] as ElectedEvent[]
  ) node.step(event, 0);
  const request: MeetingRequest = { kind: "cleared", round: 0, report: null };
  const kinds = node.step({ kind: "request", request }, 0).map((effect) =>
    effect.kind === "news" ? effect.news.kind : effect.kind
  );
  assertEquals(kinds, ["drop-link", "resign", "job-over"]);
});

Deno.test("ElectedNode: a deposed host ends sooner what it was ending already", () => {
  const host = hosting();
  host.step(ARRIVED, JOINED, { kind: "saved", id: 1 });
  host.ask({ kind: "store-served", round: 0, store: STORE });
  host.step({ kind: "gone", nodeId: "b", text: "its connection broke", inOrder: false, quietMs: 300 });
  const [over] = host.news(DEPOSED);
  assert(over?.kind === "round-over" && over.withinMs === 3_000);
});

Deno.test("ElectedNode: workers of a guest that no host has taken up are killed before another host can begin", () => {
  const guest = seated();
  guest.now = 1_000;
  guest.step(lost("lost"));
  assertEquals(guest.node.nextWakeup(), 1_000 + ORPHAN_MS);
  guest.now = 1_000 + ORPHAN_MS;
  const [over] = guest.news({ kind: "wakeup" });
  assert(over?.kind === "round-over" && over.withinMs === 0);
  assertEquals(guest.ask({ kind: "cleared", round: 0, report: null }), ["stand", "go-on"]);
});

Deno.test("ElectedNode: a guest's workers have their time where a host waits for them, or the guest itself is it", () => {
  for (const next of [{ kind: "linked", epoch: 2, hostId: "c" }, "appointed"] as const) {
    const guest = seated();
    guest.step(lost("dead"), named(2, "c:1"));
    guest.step(next === "appointed" ? { kind: "appointed", epoch: 3, previous: RECORD } : next);
    guest.now = SETTINGS.joinMs - 1;
    assertEquals(guest.news({ kind: "wakeup" }).filter(({ kind }) => kind === "round-over"), []);
  }
});

Deno.test("ElectedNode: a node that comes late ends as the job did, and says so", () => {
  const late = new Trial();
  late.step({ kind: "start" });
  late.ask({ kind: "join" });
  const effects = late.effects({ kind: "job-ended", exitCode: 0, knownMs: 120_000 });
  assertEquals(effects.map(({ kind }) => kind), ["drop-link", "resign", "news"]);
  const over = effects.find((effect) => effect.kind === "news")?.news;
  assert(over?.kind === "job-over");
  assertEquals(over.outcome.code, 0);
  assertStringIncludes(over.outcome.text!, "ended already, with exit code 0");

  const cutOff = seated();
  cutOff.step(lost("lost"));
  const [missed] = cutOff.news({ kind: "job-ended", exitCode: 0, knownMs: 120_000 });
  assert(missed?.kind === "job-over" && missed.outcome.code === 0);
  assertStringIncludes(missed.outcome.text!, "while this node was cut off");
});

Deno.test("ElectedNode: only a job that ended well is remembered", () => {
  const host = hosting();
  host.step(ARRIVED, JOINED, { kind: "saved", id: 1 });
  host.ask({ kind: "store-served", round: 0, store: STORE });
  host.step({ kind: "said", nodeId: "b", message: { kind: "succeeded", round: 0 } });
  const ended = [
    ...host.effects({ kind: "request", request: { kind: "succeeded", round: 0 } }),
    ...host.effects({ kind: "gone", nodeId: "b", text: "it said goodbye", inOrder: true, quietMs: 0 }),
  ];
  assertEquals(ended.find(({ kind }) => kind === "resign"), { kind: "resign", over: true, succeeded: true });

  const stopped = hosting();
  const effects = stopped.effects({
    kind: "request",
    request: { kind: "leave", signal: "SIGINT", scope: "job" },
  });
  assertEquals(effects.find(({ kind }) => kind === "resign"), {
    kind: "resign",
    over: true,
    succeeded: false,
  });
});
