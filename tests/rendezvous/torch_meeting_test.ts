import { assertEquals, assertStringIncludes } from "@std/assert";
import type { MeetingNews, MeetingRequest, Seat } from "../../lib/rendezvous/meeting.ts";
import { TorchMeeting } from "../../lib/rendezvous/torch_meeting.ts";
import type { TorchMeetingOptions } from "../../lib/rendezvous/torch_meeting_events.ts";
import type { StoreAnswer, StoreOperation } from "../../lib/rendezvous/torch_operations.ts";
import { emptyRecord, FORM_OF_2_6 } from "../../lib/rendezvous/torch_record.ts";
import { StoreDouble } from "./store_double.ts";
import { after, joined, name, node, rules, WALL } from "./torch_samples.ts";

/** One meeting on a store in memory; time passes when it is told to. */
class Stage {
  readonly news: MeetingNews[] = [];
  readonly said: string[] = [];
  readonly store: StoreDouble;
  readonly #meeting: TorchMeeting;
  #delayed: { readonly operation: StoreOperation; readonly at: number }[] = [];
  #now = 0;

  constructor(letter: string, store: StoreDouble, options: Partial<TorchMeetingOptions> = {}) {
    this.store = store;
    this.#meeting = new TorchMeeting({
      ...{ jobId: "job", me: node(letter), rules: rules(2), role: "default", workerCount: 2, maxRestarts: 1 },
      ...{ keepAliveMs: 5000, keepAliveAttempts: 3, backoffMsMax: 0, claimMs: 1000, joinMs: 600_000 },
      ...{ closeMs: 30_000, readMs: 60_000, exitBarrierMs: 300_000, isIdentical: false, sharesStore: true },
      ...{ version: "1", seed: 1 },
      ...options,
    });
  }

  get last(): MeetingNews | undefined {
    return this.news.at(-1);
  }

  get seat(): Seat {
    const { last } = this;
    if (last?.kind !== "round") throw new Error(`The last news is ${JSON.stringify(last)}`);
    return last.seat;
  }

  post(event: MeetingRequest | StoreAnswer | { readonly kind: "wakeup" }): void {
    for (const effect of this.#meeting.step(event, this.#now)) {
      if (effect.kind === "news") this.news.push(effect.news);
      if (effect.kind === "say") this.said.push(effect.text);
      if (effect.kind !== "ask") continue;
      const { operation } = effect;
      if (operation.kind === "read-record" && operation.afterMs > 0) {
        this.#delayed.push({ operation, at: this.#now + operation.afterMs });
      } else {
        this.store.perform(operation, this.#wall, (answer) => this.post(answer));
      }
      if (operation.kind === "get-keys") this.#delayed.push({ operation, at: this.#now + operation.limitMs });
    }
  }

  /** Lets time pass in small steps. */
  pass(ms: number): void {
    for (const end = this.#now + ms; this.#now < end;) {
      this.#now = Math.min(end, this.#now + 50);
      const due = this.#delayed.filter(({ at }) => at <= this.#now);
      this.#delayed = this.#delayed.filter(({ at }) => at > this.#now);
      for (const { operation } of due) {
        if (operation.kind === "get-keys") this.store.expire(operation.ticket);
        else this.store.perform(operation, this.#wall, (answer) => this.post(answer));
      }
      if ((this.#meeting.nextWakeup() ?? Infinity) <= this.#now) this.post({ kind: "wakeup" });
    }
  }

  get #wall(): number {
    return WALL + 1000 * this.#now;
  }
}

const JOB = "torch.rendezvous.job";
const ROLE = (rank: number) => JSON.stringify({ role: "default", rank, local_world_size: 3 });
const served = (round: number): MeetingRequest => ({
  kind: "store-served",
  round,
  store: { address: "b", port: 4000, hostedByLauncher: true },
});

/** A stage whose node b has a seat with a torchrun node, whose letter decides on the ranks. */
function seated(torchrun: "a" | "c", options: Partial<TorchMeetingOptions> = {}): Stage {
  const store = new StoreDouble();
  store.record = joined(torchrun, rules(2));
  const stage = new Stage("b", store, options);
  stage.post({ kind: "join" });
  seat(stage, torchrun, 0);
  return stage;
}

/** What the torchrun node does for a round. */
function seat({ store, post }: Stage, torchrun: "a" | "c", round: number, namesStore = true): void {
  void post;
  if (torchrun === "a") {
    if (namesStore) {
      store.set(`${JOB}.${round}/MASTER_ADDR`, "a");
      store.set(`${JOB}.${round}/MASTER_PORT`, "5000");
    }
    store.set(`${JOB}.${round}/torchelastic/role_info/0`, ROLE(0));
    store.set(`${JOB}.${round}/torchelastic/assigned_ranks/1`, "[3, 5, 3, 5]");
  } else {
    store.set(`${JOB}.${round}/torchelastic/role_info/1`, ROLE(1));
  }
}

const failure = { kind: "worker", text: "lost rank 3 (exit code 1)", exitCode: 1 } as const;

Deno.test("TorchMeeting follows a torchrun node of group rank 0: its ranks, its store", () => {
  const stage = seated("a");
  assertEquals(stage.seat, {
    ...{ round: 0, restartCount: 0, groupRank: 1, groupWorldSize: 2 },
    ...{ baseRank: 3, worldSize: 5, baseRoleRank: 3, roleWorldSize: 5 },
    store: { address: "a", port: 5000, hostedByLauncher: true },
  });
  assertEquals(stage.store.keys.get(`${JOB}.0/torchelastic/role_info/1`), ROLE(1).replace("3", "2"));
});

Deno.test("TorchMeeting as group rank 0 serves the store, names it, and gives out the ranks", () => {
  const stage = seated("c");
  assertEquals(stage.last, { kind: "serve-store", round: 0, peers: [] });
  assertEquals(stage.store.keys.has(`${JOB}.0/torchelastic/assigned_ranks/1`), false);
  stage.post(served(0));
  assertEquals([stage.seat.groupRank, stage.seat.baseRank, stage.seat.worldSize], [0, 0, 5]);
  assertEquals(stage.store.keys.get(`${JOB}.0/MASTER_PORT`), "4000");
  assertEquals(stage.store.keys.get(`${JOB}.0/torchelastic/assigned_ranks/1`), "[2,5,2,5]");
});

Deno.test("TorchMeeting leaves a record that is not there to torchrun for a while, then writes it as 2.6 does", () => {
  const stage = new Stage("b", new StoreDouble());
  stage.post({ kind: "join" });
  stage.pass(900);
  assertEquals(stage.store.keys.size, 1);
  stage.pass(500);
  assertEquals(stage.store.record.form, FORM_OF_2_6);
  assertEquals(stage.last?.kind === "waiting" && stage.last.waiting?.text, "for nodes: 1 of 2 is here (b)");
});

Deno.test("TorchMeeting ends a round when a torchrun node waits for the next, without a restart of its own", () => {
  const stage = seated("a");
  const { store } = stage;
  store.record = after(after(store.record, "remove", "a", rules(2)), "add-waiting", "a", rules(2));
  stage.pass(1100);
  assertEquals(stage.last, {
    kind: "round-over",
    round: 0,
    text: "a_100_0 starts again",
    needsReport: false,
  });
  stage.post({ kind: "cleared", round: 0, report: null });
  assertEquals(stage.last, { kind: "go-on", text: null, verdict: null });
  stage.post({ kind: "join" });
  assertEquals([store.record.round, store.record.isComplete], [1, false]);
  store.record = after(store.record, "add-participant", "a", rules(2));
  // torchrun names its store once only.
  seat(stage, "a", 1, false);
  stage.pass(300);
  assertEquals([stage.seat.round, stage.seat.restartCount, stage.seat.store.port], [1, 0, 5000]);
});

Deno.test("TorchMeeting ends a round when the heartbeat of another node does not change any more", () => {
  const stage = seated("a");
  stage.pass(15_000);
  assertEquals(stage.last?.kind, "round");
  stage.pass(2_000);
  assertEquals(stage.last, { kind: "round-over", round: 0, text: "a_100_0 is gone", needsReport: false });
  stage.post({ kind: "cleared", round: 0, report: null });
  stage.post({ kind: "join" });
  assertEquals([...stage.store.record.participants.keys()], [name("b")]);
  assertEquals(stage.store.record.round, 1);
});

Deno.test("TorchMeeting begins again when group rank 0 has seen other members than this node", () => {
  const store = new StoreDouble();
  store.record = joined("a", rules(2));
  const stage = new Stage("b", store);
  stage.post({ kind: "join" });
  store.set(`${JOB}.0/MASTER_ADDR`, "a");
  store.set(`${JOB}.0/MASTER_PORT`, "5000");
  store.set(`${JOB}.0/torchelastic/role_info/0`, ROLE(0));
  // Of three nodes.
  store.set(`${JOB}.0/torchelastic/assigned_ranks/1`, "[3, 8, 3, 8]");
  assertEquals(stage.news.some(({ kind }) => kind === "round"), false);
  assertEquals([...store.record.waiting], [name("b")]);
});

Deno.test("TorchMeeting begins again when a member leaves before the workers are started", () => {
  const store = new StoreDouble();
  store.record = joined("a", rules(2));
  const stage = new Stage("b", store);
  stage.post({ kind: "join" });
  store.record = after(store.record, "remove", "a", rules(2));
  stage.pass(1000);
  assertEquals([store.record.round, [...store.record.participants.keys()]], [1, [name("b")]]);
});

Deno.test("TorchMeeting counts its own failures only, and closes the job when they are too many", () => {
  const stage = seated("a");
  const { store } = stage;
  const fail = (round: number) => {
    stage.post({ kind: "failed", round, failure });
    stage.post({ kind: "cleared", round, report: null });
  };
  fail(0);
  stage.post({ kind: "join" });
  store.record = after(store.record, "remove", "a", rules(2));
  store.record = after(store.record, "add-participant", "a", rules(2));
  seat(stage, "a", 1);
  stage.pass(300);
  assertEquals(stage.seat.restartCount, 1);
  fail(1);
  assertEquals(stage.last, {
    kind: "job-over",
    outcome: { code: 1, level: "error", text: null, verdict: null },
  });
  assertEquals(store.record.isClosed, true);
});

Deno.test("TorchMeeting ends the workers of a job that failed for good elsewhere", () => {
  const stage = seated("a");
  stage.store.record = after(stage.store.record, "close", "a", rules(2));
  stage.pass(1100);
  assertEquals(stage.last?.kind === "job-over" && stage.last.outcome.code, 1);
});

Deno.test("TorchMeeting lets its workers go on when the others have succeeded and closed the job", () => {
  const stage = seated("a");
  stage.store.set(`${JOB}.0/torchelastic/agent/terminal_state/num_members`, "1");
  stage.store.record = after(stage.store.record, "close", "a", rules(2));
  stage.pass(5000);
  assertEquals(stage.last?.kind, "round");
  assertEquals(stage.said.length, 1);
});

Deno.test("TorchMeeting ends with all others, and closes the job", () => {
  const stage = seated("a");
  stage.post({ kind: "succeeded", round: 0 });
  stage.pass(2000);
  assertEquals(stage.last?.kind, "round");
  stage.store.set(`${JOB}.0/torchelastic/agent/terminal_state/last_member`, "<val_ignored>");
  assertEquals(stage.last, {
    kind: "job-over",
    outcome: { code: 0, level: "notice", text: null, verdict: null },
  });
  assertEquals(stage.store.record.isClosed, true);
});

Deno.test("TorchMeeting gives up waiting for the others' end after the time for it, without a failure", () => {
  const stage = seated("a");
  stage.post({ kind: "succeeded", round: 0 });
  for (let beats = 0; beats < 31; beats++) {
    stage.pass(10_000);
    if (!stage.store.record.isClosed) {
      stage.store.record = after(stage.store.record, "keep-alive", "a", rules(2), beats);
    }
  }
  assertEquals(stage.last?.kind === "job-over" && stage.last.outcome.code, 0);
});

Deno.test("TorchMeeting ends the job rather than let torchrun's agents form a second world", () => {
  // A torchrun follower remembers the store of round 0, whose host is gone; this node comes instead.
  const store = new StoreDouble();
  store.record = { ...joined("c", rules(2)), round: 1 };
  store.set(`${JOB}.0/MASTER_ADDR`, "a");
  store.set(`${JOB}.0/MASTER_PORT`, "5000");
  const stage = new Stage("b", store);
  stage.post({ kind: "join" });
  store.set(`${JOB}.1/torchelastic/role_info/1`, ROLE(1));
  const { last } = stage;
  assertEquals(last?.kind === "job-over" && last.outcome.code, 1);
  assertStringIncludes(last?.kind === "job-over" ? last.outcome.text! : "", "second world");
  assertEquals(stage.news.some(({ kind }) => kind === "serve-store" || kind === "round"), false);
});

Deno.test("TorchMeeting that comes late leaves rank 0 to who serves the workers' store", () => {
  const store = new StoreDouble();
  store.record = { ...joined("c", rules(2)), round: 1 };
  store.set(`${JOB}.0/MASTER_ADDR`, "c");
  store.set(`${JOB}.0/MASTER_PORT`, "5000");
  const stage = new Stage("b", store);
  stage.post({ kind: "join" });
  assertEquals(store.record.participants.get(name("c")), 0);
  store.set(`${JOB}.1/torchelastic/role_info/0`, ROLE(0));
  store.set(`${JOB}.1/torchelastic/assigned_ranks/1`, "[3, 5, 3, 5]");
  assertEquals([stage.seat.groupRank, stage.seat.store.address], [1, "c"]);
});

Deno.test("TorchMeeting refuses the releases whose agents are not known, by name", () => {
  const store = new StoreDouble();
  store.record = joined("a", rules(2), { hasZones: false, hasSpares: true });
  const stage = new Stage("b", store);
  stage.post({ kind: "join" });
  assertStringIncludes(JSON.stringify(stage.last), "PyTorch 2.3 to 2.5");
  assertEquals(store.record.participants.size, 1);
});

Deno.test("TorchMeeting says of a hostile record one line, and gives up when the join time is over", () => {
  const store = new StoreDouble();
  store.put(Uint8Array.fromHex("80048c056e74706f7378948c0673797374656d93948c026964859452942e"));
  const stage = new Stage("b", store, { joinMs: 20_000 });
  stage.post({ kind: "join" });
  stage.pass(26_000);
  assertEquals(stage.said.length, 1);
  assertEquals(stage.last?.kind === "job-over" && stage.last.outcome.code, 1);
});

Deno.test("TorchMeeting runs on while the record can't be read", () => {
  const stage = seated("a");
  stage.store.put(new Uint8Array([1, 2, 3]));
  stage.pass(60_000);
  assertEquals([stage.last?.kind, stage.said.length], ["round", 1]);
});

Deno.test("TorchMeeting takes itself out when the join time is over", () => {
  const store = new StoreDouble();
  store.record = joined("a", rules(3));
  const stage = new Stage("b", store, { joinMs: 10_000, rules: rules(3) });
  stage.post({ kind: "join" });
  stage.pass(11_000);
  assertEquals(stage.last, {
    kind: "job-over",
    outcome: {
      code: 1,
      level: "error",
      text: "Waited 10 s for nodes: 2 of 3 are here (a, b), in vain",
      verdict: null,
    },
  });
  assertEquals([...store.record.participants.keys()], [name("a")]);
});

Deno.test("TorchMeeting waits as a spare without end, and ends with 0", () => {
  const store = new StoreDouble();
  store.record = joined("ac", rules(2));
  const stage = new Stage("b", store, { joinMs: 10_000 });
  stage.post({ kind: "join" });
  for (let beats = 0; beats < 10; beats++) {
    stage.pass(4000);
    store.record = after(store.record, "keep-alive", "ac", rules(2), WALL + beats);
  }
  assertEquals([...store.record.spares], [name("b")]);
  store.record = after(store.record, "close", "a", rules(2));
  stage.pass(1000);
  assertEquals(stage.last?.kind === "job-over" && stage.last.outcome.code, 0);
});

Deno.test("TorchMeeting as a spare hears of a good end though the store is gone at once, and not of an earlier round's", () => {
  const store = new StoreDouble();
  store.record = joined("ac", rules(2));
  const stage = new Stage("b", store);
  stage.post({ kind: "join" });
  stage.pass(1000);
  assertEquals([...store.record.spares], [name("b")]);
  store.set(`${JOB}.1/torchelastic/agent/terminal_state/last_member`, "<val_ignored>");
  assertEquals(stage.last?.kind, "waiting");
  store.set(`${JOB}.0/torchelastic/agent/terminal_state/last_member`, "<val_ignored>");
  stage.post({ kind: "store-lost", text: "gone" });
  assertEquals(stage.last?.kind === "job-over" && stage.last.outcome.code, 0);
});

Deno.test("TorchMeeting that is to stop the job closes it for all, and ends with the signal's code", () => {
  const stage = seated("a");
  stage.post({ kind: "leave", signal: "SIGINT", scope: "job" });
  stage.post({ kind: "cleared", round: 0, report: null });
  stage.pass(1000);
  assertEquals(stage.store.record.isClosed, true);
  assertEquals(stage.last?.kind === "job-over" && stage.last.outcome.code, 130);
});

Deno.test("TorchMeeting that is told to leave has the others begin another round", () => {
  const store = new StoreDouble();
  store.record = joined("a", rules(1, 2));
  const stage = new Stage("b", store, { rules: rules(1, 2) });
  stage.post({ kind: "join" });
  seat(stage, "a", 0);
  stage.post({ kind: "leave", signal: "SIGTERM", scope: "node" });
  stage.post({ kind: "cleared", round: 0, report: null });
  assertEquals([...store.record.waiting], [name("b")]);
  store.record = after(store.record, "remove", "a", rules(1, 2));
  stage.pass(1100);
  assertEquals(stage.last?.kind === "job-over" && stage.last.outcome.code, 143);
  assertEquals([store.record.waiting.size, store.record.isClosed], [0, false]);
});

Deno.test("TorchMeeting ends with the reason when the store is lost, and with success when its workers had succeeded", () => {
  const running = seated("a"), done = seated("a");
  running.post({ kind: "store-lost", text: "The connection is lost" });
  assertEquals(running.last?.kind === "job-over" && [running.last.outcome.code, running.last.outcome.text], [
    1,
    "The connection is lost",
  ]);
  done.post({ kind: "succeeded", round: 0 });
  done.post({ kind: "store-lost", text: "The connection is lost" });
  assertEquals(done.last?.kind === "job-over" && done.last.outcome.code, 0);
});

Deno.test("TorchMeeting takes over the form of a record that nobody is in", () => {
  const store = new StoreDouble();
  store.record = emptyRecord({ hasZones: false, hasSpares: false });
  const stage = new Stage("b", store);
  stage.post({ kind: "join" });
  assertEquals(store.record.form, { hasZones: false, hasSpares: false });
});
