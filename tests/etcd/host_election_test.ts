import { assert, assertEquals } from "@std/assert";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import type { ElectionEffect, ElectionEvent } from "../../lib/etcd/election_event.ts";
import { HostElection } from "../../lib/etcd/host_election.ts";
import type { V3Request } from "../../lib/etcd/v3_wire.ts";
import { EtcdModel } from "../sim/etcd_model.ts";

const TTL_MS = 15_000;

/** One election over a model of etcd, whose requests are answered when the test says so. */
class Trial {
  readonly etcd: EtcdModel;
  readonly election: HostElection;
  readonly open: { readonly id: number; readonly request: V3Request }[] = [];
  readonly said: string[] = [];
  now = 0;
  /** Where it would be reached. */
  port = 1;
  /** What it was given when it was deposed last. */
  lifeMs = NaN;
  readonly #nodeId: string;

  constructor(nodeId: string, etcd = new EtcdModel(1)) {
    this.etcd = etcd;
    this.#nodeId = nodeId;
    const settings = { jobId: "j", nodeId, ttlMs: TTL_MS };
    this.election = new HostElection(settings, new Prng(1));
  }

  step(event: ElectionEvent): this {
    if (event.kind === "stand") event = { kind: "stand", address: `${this.#nodeId}:${this.port}` };
    for (const effect of this.election.step(event, this.now)) this.#take(effect);
    return this;
  }

  /** Lets time pass, with a wake-up whenever one is due. */
  pass(ms: number): this {
    const end = this.now + ms;
    for (
      let at = this.election.nextWakeup();
      at !== undefined && at <= end;
      at = this.election.nextWakeup()
    ) {
      this.now = Math.max(this.now, at);
      this.step({ kind: "wakeup" });
      if (this.open.length > 100) throw new Error("It asks without end");
    }
    this.now = end;
    return this;
  }

  /** Answers everything that is asked, and what is asked upon that. */
  answer(): this {
    for (let asked = this.open.shift(); asked !== undefined; asked = this.open.shift()) {
      const { id } = asked, answer = this.etcd.apply(asked.request, this.now);
      this.step(
        typeof answer === "string"
          ? { kind: "unanswered", id, text: answer, refused: true }
          : { kind: "answered", id, answer },
      );
    }
    return this;
  }

  /** Loses what is asked, or only the answers to it. */
  lose(what: "requests" | "answers"): this {
    for (const { id, request } of this.open.splice(0)) {
      if (what === "answers") this.etcd.apply(request, this.now);
      this.step({ kind: "unanswered", id, text: "no answer", refused: false });
    }
    return this;
  }

  /** What was said since the last time. */
  heard(): string[] {
    return this.said.splice(0);
  }

  #take(effect: ElectionEffect): void {
    switch (effect.kind) {
      case "request":
        return void this.open.push(effect);
      case "watch":
        return;
      case "elected":
        return void this.said.push(
          `elected ${effect.epoch} ${effect.job === null ? "-" : fromUtf8(effect.job)}`,
        );
      case "host-is":
        return void this.said.push(`host ${effect.host.nodeId} ${effect.host.epoch}`);
      case "saved":
        return void this.said.push(`saved ${effect.id}`);
      case "deposed":
        this.lifeMs = effect.lifeMs;
        return void this.said.push("deposed");
      case "ended":
        return void this.said.push(`ended ${effect.exitCode}`);
      default:
        this.said.push(effect.kind);
    }
  }
}

function elected(nodeId = "a", etcd = new EtcdModel(1)): Trial {
  const trial = new Trial(nodeId, etcd);
  trial.step({ kind: "stand", address: "" }).answer();
  assert(trial.heard().some((text) => text.startsWith("elected")));
  return trial;
}

Deno.test("HostElection: whoever finds no host becomes it, whoever finds one is told", () => {
  const a = new Trial("a").step({ kind: "stand", address: "" }).answer();
  assertEquals(a.heard(), ["no-host", "elected 1 -"]);
  const b = new Trial("b", a.etcd).step({ kind: "stand", address: "" }).answer();
  assertEquals(b.heard(), ["host a 1"]);
});

Deno.test("HostElection: a lost answer to the decisive request is settled by looking", () => {
  const a = new Trial("a").step({ kind: "stand", address: "" });
  while (a.open[0]?.request.kind !== "transaction" || a.open[0].request.compare.length === 0) {
    const { id, request } = a.open.shift()!;
    const answer = a.etcd.apply(request, a.now);
    assert(typeof answer !== "string");
    a.step({ kind: "answered", id, answer });
  }
  a.lose("answers");
  assertEquals(a.heard(), ["no-host", "trouble"]);
  a.pass(3000).answer();
  assertEquals(a.heard(), ["recovered", "elected 1 -"]);
});

Deno.test("HostElection: a host renews its lease, and is deposed two thirds into one that it can't renew", () => {
  const a = elected();
  for (let minute = 0; minute < 10; minute++) a.pass(3000).answer();
  assertEquals(a.heard(), []);
  a.pass(TTL_MS * 2 / 3 - 3100).lose("requests");
  assert(!a.heard().includes("deposed"));
  for (let second = 0; second < 5; second++) a.pass(1000).lose("requests");
  assertEquals(a.heard(), ["deposed"]);
  assertEquals(a.election.epoch, null);
  assertEquals(a.lifeMs, TTL_MS / 4, "most of the third that is left; the rest is for killing");
});

Deno.test("HostElection: nobody follows a deposed host before it stands again, or its lease has ended", () => {
  const a = elected();
  // It has renewed nothing, but etcd is there again in the moment in which it is deposed.
  for (let second = 0; second < 10; second++) a.pass(1000).lose("requests");
  a.pass(1).answer();
  assertEquals(a.heard().filter((text) => text === "deposed"), ["deposed"]);
  a.pass(1000).answer();
  const b = new Trial("b", a.etcd);
  b.now = a.now;
  b.step({ kind: "stand", address: "" }).answer();
  assertEquals(b.heard(), ["host a 1"], "its workers may still be ending");
  // Its own key is removed, not taken for another node's, though it has another port by now.
  a.port = 2;
  a.step({ kind: "stand", address: "" }).answer();
  assertEquals(a.heard().at(-1), "elected 2 -");
});

Deno.test("HostElection: whose key was taken away has no time left, nor who was frozen for longer than its lease", () => {
  const a = elected();
  a.etcd.apply({
    kind: "transaction",
    compare: [],
    success: [{ kind: "delete", key: "/muster/j/host" }],
    failure: [],
  }, a.now);
  a.step({ kind: "look" }).answer();
  assertEquals(a.heard(), ["deposed", "no-host"]);
  assertEquals(a.lifeMs, 0);
  const frozen = elected("b");
  frozen.now += 60_000;
  frozen.step({ kind: "wakeup" });
  assertEquals(frozen.lifeMs, 0);
});

Deno.test("HostElection: after a freeze the first thing that the owner hears is that it is deposed", () => {
  const a = elected();
  a.step({ kind: "save", id: 1, job: utf8("late") });
  const { id, request } = a.open.shift()!;
  const answer = a.etcd.apply(request, a.now);
  assert(typeof answer !== "string");
  a.now += 60_000;
  a.step({ kind: "answered", id, answer });
  assertEquals(a.heard(), ["deposed"], "not that the record is saved, which another may have replaced since");
});

Deno.test("HostElection: a deposed host stands again only when it is told to", () => {
  const a = elected();
  a.now += 60_000;
  a.step({ kind: "wakeup" }).answer().pass(30_000).answer();
  assertEquals(a.heard().filter((text) => text.startsWith("elected")), []);
  a.step({ kind: "stand", address: "" }).answer();
  assertEquals(a.heard().at(-1), "elected 2 -");
});

Deno.test("HostElection: the record goes on to the next host", () => {
  const a = elected();
  a.step({ kind: "save", id: 1, job: utf8("one") }).step({ kind: "save", id: 2, job: utf8("two") }).answer();
  assertEquals(a.heard(), ["saved 1", "saved 2"]);
  const b = new Trial("b", a.etcd);
  b.now = 2 * TTL_MS;
  b.step({ kind: "stand", address: "" }).answer();
  assertEquals(b.heard().at(-1), "elected 2 two");
});

Deno.test("HostElection: a host whose key is gone can save nothing", () => {
  const a = elected();
  const b = new Trial("b", a.etcd);
  b.step({ kind: "stand", address: "" }).answer().step({ kind: "host-died", epoch: 1 }).answer();
  assertEquals(b.heard(), ["host a 1", "no-host", "elected 2 -"]);
  a.step({ kind: "save", id: 1, job: utf8("too late") }).answer();
  assertEquals(a.heard(), ["deposed", "host b 2"]);
  assertEquals(a.etcd.keys.get("/muster/j/job"), undefined);
});

Deno.test("HostElection: a saved record whose answer was lost is not written twice", () => {
  const a = elected();
  a.step({ kind: "save", id: 1, job: utf8("one") }).lose("answers");
  const before = a.etcd.keys.get("/muster/j/job")!.modRevision;
  a.pass(2000).answer();
  assertEquals(a.heard(), ["trouble", "recovered", "saved 1"]);
  assertEquals(a.etcd.keys.get("/muster/j/job")!.modRevision, before);
});

Deno.test("HostElection: only the host that was meant is taken for dead", () => {
  const a = elected();
  const b = new Trial("b", a.etcd);
  b.step({ kind: "stand", address: "" }).answer().step({ kind: "host-died", epoch: 7 }).answer();
  assertEquals(b.heard(), ["host a 1"]);
  assert(a.etcd.keys.has("/muster/j/host"));
});

Deno.test("HostElection: what a node's own past left is taken away at once", () => {
  const a = elected();
  const again = new Trial("a", a.etcd);
  again.step({ kind: "stand", address: "" }).answer();
  assertEquals(again.heard(), ["no-host", "elected 2 -"]);
});

Deno.test("HostElection: a host that leaves makes room, and with the job's end leaves only its number", () => {
  for (const over of [false, true]) {
    const a = elected();
    a.step({ kind: "save", id: 1, job: utf8("one") }).answer();
    a.step({ kind: "leave", over, exitCode: null }).answer();
    assertEquals(a.heard(), ["saved 1", "left"]);
    assertEquals([...a.etcd.keys.keys()], over ? ["/muster/j/epoch"] : ["/muster/j/epoch", "/muster/j/job"]);
    assertEquals(a.election.nextWakeup(), undefined);
  }
});

Deno.test("HostElection: who leaves while etcd is silent waits for it only a moment", () => {
  const a = elected();
  a.step({ kind: "leave", over: true, exitCode: 0 }).pass(5000);
  assertEquals(a.heard(), ["left"]);
});

Deno.test("HostElection: who comes after the end of a job is told of it for two minutes, and then is its host anew", () => {
  const a = elected();
  a.step({ kind: "save", id: 1, job: utf8("one") }).answer();
  a.step({ kind: "leave", over: true, exitCode: 0 }).answer();
  assertEquals([...a.etcd.keys.keys()], ["/muster/j/epoch", "/muster/j/ended"]);
  const late = new Trial("late", a.etcd);
  late.now = a.now + 119_000;
  late.step({ kind: "stand", address: "" }).answer();
  assertEquals(late.heard(), ["ended 0"]);
  assertEquals(late.open, []);
  const later = new Trial("later", a.etcd);
  later.now = a.now + 121_000;
  later.step({ kind: "stand", address: "" }).answer();
  assertEquals(later.heard(), ["no-host", "elected 2 -"]);
});

Deno.test("HostElection: who was waiting for the host when the job ended is told of its end, too", () => {
  const a = elected();
  const b = new Trial("b", a.etcd).step({ kind: "stand", address: "" }).answer();
  a.step({ kind: "leave", over: true, exitCode: 0 }).answer();
  b.step({ kind: "changed", changes: a.etcd.changesSince("/muster/j/host", 0)!.slice(1) }).answer();
  assertEquals(b.heard(), ["host a 1", "no-host", "ended 0"]);
});

Deno.test("HostElection: a host that leaves tries again while there is time, and has left once at most", () => {
  for (const what of ["requests", "answers"] as const) {
    const a = elected();
    a.step({ kind: "save", id: 1, job: utf8("one") }).answer();
    a.step({ kind: "leave", over: true, exitCode: 0 }).lose(what).pass(1000).lose(what).pass(1500).answer();
    assertEquals(a.heard().filter((text) => text === "left"), ["left"]);
    assertEquals([...a.etcd.keys.keys()], ["/muster/j/epoch", "/muster/j/ended"], what);
    assertEquals(a.election.nextWakeup(), undefined);
  }
});
