/**
 * The table of what a job does: event × (MIN, MAX), who restarts, what that costs, and the exit codes. Letters are
 * nodes; "a" hosts the job. README has the same table.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { NO_PAST } from "../../lib/rendezvous/message_codec.ts";
import type { JobSettings } from "../../lib/rendezvous/settings.ts";
import { node, ScriptedJob } from "./scripted_job.ts";

/** A job of nodes a, b, … that run. `size`: MIN:MAX. */
function running(
  size: `${number}:${number}`,
  nodes: string,
  settings: Partial<JobSettings> = {},
): ScriptedJob {
  const [nodesMin, nodesMax] = size.split(":").map(Number) as [number, number];
  const job = new ScriptedJob({ nodesMin, nodesMax, maxRestarts: 3, ...settings });
  job.come(...nodes.slice(1));
  job.later(30_000);
  assertEquals(job.world, nodes.slice(0, nodesMax));
  return job;
}

interface Row {
  readonly name: string;
  readonly size: `${number}:${number}`;
  readonly nodes: string;
  readonly settings?: Partial<JobSettings>;
  readonly event: (job: ScriptedJob) => void;
  /** Who runs afterwards, in the order of the ranks; null: nobody. */
  readonly then: string | null;
  readonly restarts?: number;
  /** Exit code by node; nodes that are not named go on. */
  readonly codes?: Readonly<Record<string, number>>;
}

const lose = (nodeId: string) => (job: ScriptedJob) => job.gone(nodeId);

const TABLE: readonly Row[] = [
  {
    name: "worker failure: all start again, for one restart",
    ...{ size: "2:2", nodes: "ab", event: (job) => job.fail("b"), then: "ab", restarts: 1 },
  },
  {
    name: "worker failure in an elastic job: the same",
    ...{ size: "2:4", nodes: "abc", event: (job) => job.fail("c"), then: "abc", restarts: 1 },
  },
  {
    name: "worker failure with the budget spent: everybody ends with 1",
    ...{ size: "2:4", nodes: "abc", settings: { maxRestarts: 0 }, event: (job) => job.fail("c"), then: null },
    codes: { a: 1, b: 1, c: 1 },
  },
  {
    name: "two workers fail in one round: one restart",
    ...{ size: "2:2", nodes: "ab", then: "ab", restarts: 1 },
    event: (job) => {
      job.stuck.add("b");
      job.fail("a");
      job.stuck.delete("b");
      job.fail("b");
      job.clear("b");
    },
  },
  {
    name: "clean departure with enough left: free, the leaver ends with its signal",
    ...{ size: "2:4", nodes: "abc", event: (job) => job.leave("b"), then: "ac", restarts: 0 },
  },
  {
    name: "clean departure with too few left: the others wait, and time out",
    ...{ size: "2:2", nodes: "ab", then: null, codes: { a: 1 } },
    event: (job) => {
      job.leave("b");
      assertEquals(job.code("a"), undefined);
      job.later(600_000);
    },
  },
  {
    name: "clean departure and a newcomer: free",
    ...{ size: "2:2", nodes: "ab", then: "ac", restarts: 0 },
    event: (job) => {
      job.leave("b");
      job.later(60_000);
      job.come("c");
    },
  },
  {
    name: "lost node with enough left: free",
    ...{ size: "2:4", nodes: "abc", event: lose("b"), then: "ac", restarts: 0 },
  },
  {
    name: "lost node whose loss made a worker fail: one restart",
    ...{ size: "2:4", nodes: "abc", then: "ac", restarts: 1 },
    event: (job) => {
      job.stuck.add("a").add("c");
      job.gone("b");
      job.stuck.clear();
      job.fail("c");
      job.clear("c");
      job.clear("a");
    },
  },
  {
    name: "lost node, MIN = MAX, replaced: one restart",
    ...{ size: "2:2", nodes: "ab", then: "ac", restarts: 1 },
    event: (job) => {
      job.gone("b");
      job.come("c");
    },
  },
  {
    name: "lost node, MIN = MAX, the budget spent: all end with 1",
    ...{ size: "2:2", nodes: "ab", settings: { maxRestarts: 0 }, event: lose("b"), then: null },
    codes: { a: 1 },
  },
  {
    name: "two lost nodes in one round: one restart",
    ...{ size: "4:4", nodes: "abcd", then: "aefd", restarts: 1 },
    event: (job) => {
      job.stuck.add("a");
      job.gone("b");
      job.gone("c");
      job.stuck.clear();
      job.clear("a");
      job.come("e", "f");
    },
  },
  {
    name: "lost node, too few left, --on-node-loss fail: all end with 1",
    ...{ size: "2:4", nodes: "ab", settings: { onNodeLoss: "fail" }, event: lose("b"), then: null },
    codes: { a: 1 },
  },
  {
    name: "lost node, MIN = MAX, --on-node-loss fail: all end with 1, whatever the budget",
    ...{ size: "2:2", nodes: "ab", settings: { onNodeLoss: "fail" }, event: lose("b"), then: null },
    codes: { a: 1 },
  },
  {
    name: "lost node, enough left, --on-node-loss fail: goes on",
    ...{ size: "2:4", nodes: "abc", settings: { onNodeLoss: "fail" }, event: lose("b"), then: "ac" },
    restarts: 0,
  },
  {
    name: "lost node, too few left, --on-node-loss wait: the others wait, and time out",
    ...{ size: "2:4", nodes: "ab", then: null, codes: { a: 1 } },
    event: (job) => {
      job.gone("b");
      job.later(599_000);
      assertEquals(job.code("a"), undefined);
      job.later(1_000);
    },
  },
  {
    name: "failed start of a worker on one node: no restart helps, all end with its code",
    ...{ size: "2:4", nodes: "abc", then: null, codes: { a: 71, b: 71, c: 71 } },
    event: (job) => job.fail("b", { kind: "start", exitCode: 71, text: "could not start its workers" }),
  },
  {
    name: "an agent's own fault (a worker that can't be ended): all end with 1",
    ...{ size: "2:2", nodes: "ab", then: null, codes: { a: 1, b: 1 } },
    event: (job) => job.fail("b", { kind: "unrestartable", exitCode: 1, text: "has a worker that stays" }),
  },
  {
    name: "a worker fails, and then one can't be ended: no restart",
    ...{ size: "2:2", nodes: "ab", then: null, codes: { a: 1, b: 1 } },
    event: (job) => {
      job.stuck.add("b");
      job.fail("b");
      job.stuck.delete("b");
      job.fail("b", { kind: "unrestartable", exitCode: 1, text: "has a worker that stays" });
      job.clear("b");
    },
  },
  {
    name: "a spare beyond MAX waits",
    ...{ size: "2:2", nodes: "abc", event: (job) => job.later(900_000), then: "ab", restarts: 0 },
  },
  {
    name: "a spare takes the seat of who leaves, for nothing",
    ...{ size: "2:2", nodes: "abc", event: (job) => job.leave("b"), then: "ac", restarts: 0 },
  },
  {
    name: "a spare takes the seat of a lost node",
    ...{ size: "2:2", nodes: "abc", event: lose("b"), then: "ac", restarts: 1 },
  },
  {
    name: "a spare ends with 0 when the job does",
    ...{ size: "2:2", nodes: "abc", then: null, codes: { a: 0, b: 0, c: 0 } },
    event: (job) => job.succeed("a", "b"),
  },
  {
    name: "a spare ends with the code of a job that fails",
    ...{ size: "2:2", nodes: "abc", settings: { maxRestarts: 0 }, event: (job) => job.fail("b"), then: null },
    codes: { a: 1, b: 1, c: 1 },
  },
  {
    name: "a spare that leaves changes nothing",
    ...{ size: "2:2", nodes: "abc", event: (job) => job.leave("c"), then: "ab", restarts: 0 },
  },
  {
    name: "a newcomer for whom there is a seat: free",
    ...{ size: "2:4", nodes: "ab", event: (job) => job.come("c"), then: "abc", restarts: 0 },
  },
  {
    name: "a newcomer when some are done already: it waits, and ends with 0",
    ...{ size: "2:4", nodes: "ab", then: null, codes: { a: 0, b: 0, c: 0 } },
    event: (job) => {
      job.succeed("a");
      job.come("c");
      assertEquals(job.world, "ab");
      job.succeed("b");
    },
  },
  {
    name: "a node that comes back when the others run again is a newcomer",
    ...{ size: "2:4", nodes: "abc", then: "acb", restarts: 0 },
    event: (job) => {
      job.gone("b");
      job.come("b");
    },
  },
  {
    name: "SIGINT on one node ends the job: all with its code",
    ...{ size: "2:4", nodes: "abc", event: (job) => job.leave("b", "SIGINT", "job"), then: null },
    codes: { a: 130, b: 130, c: 130 },
  },
  {
    name: "SIGTERM with --on-term job: all with its code",
    ...{ size: "2:2", nodes: "ab", event: (job) => job.leave("b", "SIGTERM", "job"), then: null },
    codes: { a: 143, b: 143 },
  },
  {
    name: "everybody succeeds",
    ...{ size: "2:2", nodes: "ab", then: null, codes: { a: 0, b: 0 } },
    event: (job) => job.succeed("a", "b"),
  },
  {
    name: "a failure while others wait to end: they run again",
    ...{ size: "2:2", nodes: "ab", then: "ab", restarts: 1 },
    event: (job) => {
      job.succeed("a");
      job.fail("b");
    },
  },
  {
    name: "exit barrier: who is done leaves with 0, the others go on and end by themselves",
    ...{ size: "2:2", nodes: "ab", then: null, codes: { a: 0, b: 0 } },
    event: (job) => {
      job.succeed("b");
      job.later(300_000);
      assertEquals(job.code("b"), 0);
      assertEquals(job.code("a"), undefined);
      job.succeed("a");
    },
  },
  {
    name: "exit barrier: the host stays for who goes on, and ends with 0",
    ...{ size: "2:2", nodes: "ab", then: null, codes: { a: 0, b: 0 } },
    event: (job) => {
      job.succeed("a");
      job.later(600_000);
      assertEquals([job.code("a"), job.code("b")], [undefined, undefined]);
      job.succeed("b");
    },
  },
  {
    name: "exit barrier that is over: who is done later waits as long again, not for ever",
    ...{ size: "3:3", nodes: "abc", then: null, codes: { b: 0, c: 0 } },
    event: (job) => {
      job.succeed("b");
      job.later(300_000);
      job.succeed("c");
      job.later(300_000);
      assertEquals(job.code("a"), undefined);
    },
  },
  {
    name: "exit barrier: a failure after too many have left for another round ends all with 1 at once",
    ...{ size: "2:2", nodes: "ab", then: null, codes: { a: 1, b: 0 } },
    event: (job) => {
      job.succeed("b");
      job.later(300_000);
      assertEquals(job.code("b"), 0);
      job.fail("a");
    },
  },
  {
    name: "the host's own agent is told to leave, without fail-over: it stays for the others",
    ...{ size: "2:4", nodes: "abc", then: "bc", restarts: 0 },
    event: (job) => {
      job.step({ kind: "said", nodeId: "a", message: { kind: "leave", signal: "SIGTERM", scope: "node" } });
      job.clear("a");
      assert(job.said.some((text) => text.includes("stays for them")));
      job.seats.delete("a");
    },
  },
];

for (const row of TABLE) {
  Deno.test(`Job ${row.size} of ${row.nodes}: ${row.name}`, () => {
    const job = running(row.size, row.nodes, row.settings);
    row.event(job);
    if (row.codes === undefined || row.then === null) assertEquals(job.world, row.then);
    if (row.restarts !== undefined) assertEquals(job.restarts, row.restarts);
    const codes = Object.fromEntries([...job.outcomes].map(([nodeId, { code }]) => [nodeId, code]));
    assertEquals(codes, row.codes ?? {});
  });
}

Deno.test("A job that gets too few nodes ends when the join time is over, and says who came", () => {
  const job = new ScriptedJob({ nodesMin: 3, nodesMax: 3, joinMs: 60_000 });
  job.come("b");
  job.later(60_000);
  assertEquals([job.code("a"), job.code("b")], [1, 1]);
  assertEquals(job.outcomes.get("a")?.text, "Waited 1 min for nodes: 2 of 3 are here (a, b)");
});

Deno.test("Who waits is told who is here and how long it may take", () => {
  const job = new ScriptedJob({ nodesMin: 3, nodesMax: 3, joinMs: 60_000 });
  job.later(1_000);
  job.come("b");
  job.later(1_000);
  const last = job.told("b", "waiting").at(-1)?.waiting;
  assertEquals(last, {
    text: "for nodes: 2 of 3 are here (a, b)",
    present: 2,
    min: 3,
    max: 3,
    leftMs: 58_000,
  });
});

Deno.test("A node that goes before its round began leaves the others waiting with a limit", () => {
  const job = new ScriptedJob({ joinMs: 60_000, nodesMin: 2, nodesMax: 2 });
  job.stuck.add("a");
  job.come("b");
  job.gone("b");
  assertEquals(job.told("a", "serve-store").length, 1);
  job.stuck.delete("a");
  job.later(60_000);
  assertEquals(job.code("a"), 1);
});

Deno.test("A node that goes before its round began is replaced", () => {
  const job = new ScriptedJob({ nodesMin: 2, nodesMax: 2 });
  job.stuck.add("a");
  job.come("b", "c");
  job.gone("b");
  job.stuck.delete("a");
  const round = job.told("a", "serve-store").at(-1)!.round;
  const store = { address: "", port: 1, hostedByLauncher: true };
  job.step({ kind: "said", nodeId: "a", message: { kind: "store-served", round: round - 1, store } });
  assertEquals(job.world, null, "an answer to an older question counts");
  job.step({ kind: "said", nodeId: "a", message: { kind: "store-served", round, store } });
  assertEquals(job.world, "ac");
});

Deno.test("The store that can't be opened ends the job", () => {
  const job = new ScriptedJob({});
  job.stuck.add("a");
  job.come("b");
  const failure = { kind: "start" as const, text: "could not start its workers: port in use", exitCode: 71 };
  job.step({ kind: "said", nodeId: "a", message: { kind: "failed", round: 0, failure } });
  assertEquals(job.code("b"), 71);
});

Deno.test("Too many free rounds in too short a time end the job", () => {
  const job = running("2:4", "ab");
  for (let change = 0; change < 10; change++) {
    if (change % 2 === 0) job.come("c");
    else job.gone("c");
    assertEquals(job.code("a"), undefined, `after ${change + 1} changes`);
  }
  job.come("c");
  assertEquals(job.code("a"), 1);
  assertMatch(job.outcomes.get("a")!.text!, /^The membership changed more than 10 times in 10 min/);
});

Deno.test("Free rounds that are spread out never end the job", () => {
  const job = running("2:4", "ab");
  for (let change = 0; change < 30; change++) {
    job.later(61_000);
    if (change % 2 === 0) job.come("c");
    else job.gone("c");
  }
  assertEquals(job.world, "ab");
});

Deno.test("A round begins only when everybody has cleared the one before", () => {
  const job = running("2:3", "abc");
  job.stuck.add("c");
  job.fail("a");
  assertEquals(job.told("a", "round").length, 1);
  job.stuck.delete("c");
  job.clear("c");
  assertEquals(job.told("a", "round").length, 2);
});

Deno.test("All get the verdict of a failed round, which all reports are asked for", () => {
  const job = new ScriptedJob({ maxRestarts: 1 }, { reports: true });
  job.come("b");
  job.fail("b");
  assertEquals(job.overs.map(({ nodeId, needsReport }) => [nodeId, needsReport]), [["a", true], ["b", true]]);
  const judged = job.effects.find((effect) => effect.kind === "judge-job");
  assertEquals(judged?.reports.map(({ nodeId }) => nodeId).sort(), ["a", "b"]);
  assertEquals(job.told("a", "go-on")[0]?.verdict, new Uint8Array([7]));
});

Deno.test("The host leaves last, but not later than five seconds after the job's end", () => {
  const job = running("2:2", "ab");
  job.stuck.add("b");
  job.succeed("a", "b");
  assertEquals(job.code("a"), undefined);
  job.later(5_000);
  assertEquals(job.code("a"), 0);
});

Deno.test("A node that comes while a round's store is being opened gets its seat in the next one", () => {
  const job = new ScriptedJob({ nodesMin: 2, nodesMax: 3, lastCallMs: 1000 });
  job.stuck.add("a");
  job.come("b");
  job.later(1000);
  job.come("c");
  job.stuck.delete("a");
  const store = { address: "", port: 29_500, hostedByLauncher: true };
  job.step({ kind: "said", nodeId: "a", message: { kind: "store-served", round: 0, store } });
  assertEquals(job.world, "abc");
  assertEquals(job.restarts, 0);
});

Deno.test("A node that comes when the job is over is told so", () => {
  const job = running("2:2", "ab");
  job.stuck.add("b");
  job.succeed("a", "b");
  job.arrive(node("c"));
  assertEquals(job.code("c"), 0);
});

Deno.test("The host hands the job over when it is told to leave and fail-over is on", () => {
  const job = running("2:3", "abc", { failover: true });
  job.step({ kind: "said", nodeId: "a", message: { kind: "leave", signal: "SIGTERM", scope: "node" } });
  job.clear("a");
  assert(job.effects.some(({ kind }) => kind === "retire"));
  assertEquals([job.code("a"), job.code("b")], [143, undefined]);
});

Deno.test("Sizes go in steps", () => {
  const job = new ScriptedJob({ nodesMin: 2, nodesMax: 8, nodesStep: 2 });
  job.come("b", "c");
  job.later(30_000);
  assertEquals(job.world, "ab");
  job.come("d");
  assertEquals(job.world, "abcd");
  job.gone("b");
  assertEquals(job.world, "ac");
});

Deno.test("MAX starts at once, less only after the last call", () => {
  const job = new ScriptedJob({ nodesMin: 1, nodesMax: 3 });
  job.come("b");
  job.later(29_999);
  assertEquals(job.world, null);
  job.come("c");
  assertEquals(job.world, "abc");
});

Deno.test("The restart count is the job's: who comes back does not set it back", () => {
  const job = running("2:4", "abc");
  job.fail("b");
  job.gone("c");
  job.come("c");
  assertEquals([job.world, job.restarts], ["abc", 1]);
});

Deno.test("What is said of a round that is over means nothing", () => {
  const job = running("2:2", "ab");
  job.fail("a");
  const failure = { kind: "worker" as const, text: "lost rank 1", exitCode: 1 };
  job.step({ kind: "said", nodeId: "b", message: { kind: "failed", round: 0, failure } });
  job.step({ kind: "said", nodeId: "b", message: { kind: "succeeded", round: 0 } });
  assertEquals([job.world, job.restarts], ["ab", 1]);
});

Deno.test("Node ranks that were given twice are warned about and decide nothing", () => {
  const job = new ScriptedJob({ maxRestarts: 1 }, { host: node("a", { nodeRank: 1 }) });
  job.come(node("b", { nodeRank: 1 }));
  const warnings = () => job.said.filter((text) => text.includes("decides nothing"));
  assertEquals(warnings(), ["--node-rank=1 was given to more than one node, so it decides nothing"]);
  // Once for all rounds of those nodes.
  job.fail("b");
  assertEquals([job.restarts, warnings().length], [1, 1]);
  assertEquals(job.world, "ab");
});

const LAST_ROUND = { epoch: 1, hostId: "a", round: 4, restarts: 2, seats: ["a", "b", "c"] };

/** Node b, which has taken over from a. `size`: MIN:MAX. */
function takenOver(size: `${number}:${number}`, options: { wasHostLost: boolean; maxRestarts?: number }) {
  const [nodesMin, nodesMax] = size.split(":").map(Number) as [number, number];
  const { wasHostLost, maxRestarts = 3 } = options;
  return new ScriptedJob({ nodesMin, nodesMax, maxRestarts, failover: true }, {
    ...{ host: node("b"), epoch: 2, chain: [LAST_ROUND], deadHost: "a", wasHostLost },
  });
}

Deno.test("Who takes over goes on with rounds and restarts, and waits for those who follow", () => {
  const job = takenOver("2:3", { wasHostLost: true });
  job.later(10_000);
  assertEquals(job.world, null, "one of three is no majority");
  job.come("c");
  assertEquals([job.world, job.restarts], ["bc", 2]);
  assertEquals(job.seats.get("b")?.round, 5);
});

Deno.test("A lost host costs a restart where every node is needed, one that handed over does not", () => {
  for (const wasHostLost of [true, false]) {
    const job = takenOver("3:3", { wasHostLost });
    job.come("c", "x");
    assertEquals([job.world, job.restarts], ["xbc", wasHostLost ? 3 : 2]);
  }
});

Deno.test("The loss of the host before costs nothing any more once a round was formed with it", () => {
  const job = takenOver("3:3", { wasHostLost: true });
  job.come("a", "c");
  assertEquals([job.world, job.restarts], ["abc", 2]);
  job.gone("a");
  job.come("x");
  assertEquals([job.world, job.restarts], ["xbc", 3]);
});

Deno.test("A lost host ends the job for everybody when no restart is left", () => {
  const job = takenOver("3:3", { wasHostLost: true, maxRestarts: 2 });
  job.come("c", "x");
  assertEquals([job.code("b"), job.code("c"), job.code("x")], [1, 1, 1]);
  assertMatch(job.outcomes.get("c")?.text ?? "", /host was lost, and the job was restarted 2 times before/);
});

Deno.test("Whoever stands by hears of a restart before the next round, and of a job that is handed over", () => {
  const job = running("2:3", "abc", { failover: true });
  const recorded = () =>
    job.effects.flatMap((effect) =>
      effect.kind === "recorded" ? [[effect.record.restarts, effect.standing]] : []
    );
  job.stuck.add("b");
  job.fail("c");
  assertEquals(recorded(), []);
  job.stuck.delete("b");
  job.clear("b");
  assertEquals(recorded(), [[1, "over"]]);
  job.leave("a");
  job.clear("a");
  assertEquals(recorded().at(-1), [1, "left"]);
});

Deno.test("Who takes over never forms a round with newcomers alone", () => {
  const job = takenOver("2:3", { wasHostLost: true });
  job.come("x", "y");
  job.later(10_000);
  assertEquals(job.world, null);
  job.later(600_000);
  assertMatch(
    job.outcomes.get("x")?.text ?? "",
    /3 of 2 to 3 are here \(b, x, y\); of the last round a, c are missing, and more than half of it is needed/,
  );
});

Deno.test("A round whose nodes are all lost is not followed before they must have ended it", () => {
  for (const wasLeaving of [false, true]) {
    const job = new ScriptedJob({ nodesMin: 1, nodesMax: 2, lastCallMs: 0 });
    const tell = (nodeId: string) =>
      job.step({ kind: "said", nodeId, message: { kind: "leave", signal: "SIGTERM", scope: "node" } });
    job.stuck.add("a");
    job.come("b", "c");
    tell("a");
    job.clear("a");
    assertEquals([...job.seats.keys()].sort(), ["b", "c"]);
    job.come("d");
    for (const nodeId of ["b", "c"]) job.stuck.add(nodeId);
    // Who is to leave has workers until it has ended them, too.
    if (wasLeaving) tell("b");
    for (const nodeId of ["b", "c"]) job.gone(nodeId, "nothing was heard of it any more");
    job.later(44_000);
    assertEquals(job.seats.size, 0);
    job.later(1_000);
    assertEquals([job.world, job.restarts], ["d", 0]);
  }
});

Deno.test("A node that is lost after its workers ended well costs nothing, also while the round ends for another cause", () => {
  const job = running("3:3", "abc");
  job.stuck.add("b");
  job.leave("c");
  job.succeed("b");
  job.gone("b");
  job.come("d", "e");
  assertEquals([job.world, job.restarts], ["ade", 0]);
});

Deno.test("Who takes over waits for those who are here and have not ended their workers, however long that takes", () => {
  const chain = [{ epoch: 8, hostId: "a", round: 4, restarts: 0, seats: ["a", "b", "c", "d", "e"] }];
  const job = new ScriptedJob({ nodesMin: 3, nodesMax: 5, failover: true }, { host: node("b"), chain });
  job.come("c", "d");
  job.arrive(node("e"));
  job.later(20_000);
  assertEquals(job.world, null, "workers of e are alive");
  job.join("e");
  assertEquals(job.world, "bcde");
});

Deno.test("Who comes to leave is waited for: it still ends the workers of an earlier round", () => {
  const job = running("2:3", "abc");
  job.stuck.add("c");
  job.gone("c");
  job.arrive(node("c"));
  job.step({ kind: "said", nodeId: "c", message: { kind: "leave", signal: "SIGTERM", scope: "node" } });
  job.fail("b");
  job.later(5_000);
  assertEquals(job.seats.size, 0);
  job.gone("c", "it said goodbye");
  assertEquals(job.world, "ab");
});

Deno.test("A host that begins anew does not take up who ran under another, and says so", () => {
  const job = new ScriptedJob({ nodesMin: 2, nodesMax: 2, failover: true, joinMs: 10_000 });
  job.arrive(node("z"));
  const latest = { epoch: 8, round: 3, hostId: "y" };
  const join = { kind: "join" as const, info: node("z"), ...NO_PAST, memory: { first: latest, latest } };
  job.step({ kind: "said", nodeId: "z", message: join });
  job.later(10_000);
  assertMatch(
    job.outcomes.get("a")?.text ?? "",
    /1 of 2 is here \(a\); z ran under another host, which is not found/,
  );
});

Deno.test("A job that is stopped while a round's store is being opened ends for all", () => {
  const job = new ScriptedJob({ nodesMin: 2, nodesMax: 2 });
  job.stuck.add("a");
  job.come("b");
  job.step({ kind: "said", nodeId: "b", message: { kind: "leave", signal: "SIGINT", scope: "job" } });
  assertEquals(job.code("b"), 130);
});

Deno.test("A host that was frozen until its join time was over begins with those who are there", () => {
  const job = new ScriptedJob({ nodesMin: 2, nodesMax: 3, joinMs: 10_000, lastCallMs: 5_000 });
  job.now = 5_000;
  job.come("b");
  job.now = 60_000;
  job.step({ kind: "wakeup" });
  assertEquals([job.world, job.code("a"), job.code("b")], ["ab", undefined, undefined]);
});
