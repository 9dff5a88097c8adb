/** When a host that is started anew begins the job, and what it leaves for one that follows. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Census, type KnownNode, NEVER_BEGUN } from "../../lib/rendezvous/census.ts";
import type { CoordinatorEvent } from "../../lib/rendezvous/coordinator_events.ts";
import { Hosting, type HostingEffect } from "../../lib/rendezvous/hosting.ts";
import { formedNumber } from "../../lib/rendezvous/job_record.ts";
import { NO_PAST } from "../../lib/rendezvous/message_codec.ts";
import type { JobSettings } from "../../lib/rendezvous/settings.ts";
import { node, ScriptedJob, SETTINGS } from "./scripted_job.ts";

const B = { nodeId: "b", address: "10.0.0.2:40000" };
const C = { nodeId: "c", address: "10.0.0.3:40000" };

/** Host a, to which nodes come; what it does is kept. */
function hosting(known: readonly KnownNode[], changes: Partial<JobSettings> = {}) {
  const host = new Hosting({
    ...{ settings: { ...SETTINGS, nodesMax: 3, lastCallMs: 0, failover: true, ...changes }, selfId: "a" },
    ...{ selfAddress: "10.0.0.1", fallbackAddress: "127.0.0.1", epoch: 1, chain: [], deadHost: null },
    ...{ wasHostLost: false, silenceMs: 15_000, stopMs: 30_000 },
    ...{
      census: new Census({ count: known.length === 0 ? 0 : 1, nodes: known, gone: [] }),
      standbys: () => [],
    },
  });
  const effects: HostingEffect[] = [];
  let now = 0;
  const step = (event: CoordinatorEvent) => effects.push(...host.step(event, now));
  const join = (nodeId: string, isFresh = true) =>
    step({
      ...{ kind: "said", nodeId },
      message: { kind: "join", info: node(nodeId, { standbyPort: 40_000 }), ...NO_PAST, isFresh },
    });
  const come = (nodeId: string, isFresh = true) => {
    step({
      kind: "arrived",
      nodeId,
      address: `10.0.0.${nodeId.charCodeAt(0) - 96}`,
      hostAddress: "10.0.0.1",
    });
    join(nodeId, isFresh);
  };
  const later = (ms: number) => {
    const until = now + ms;
    for (let at = host.nextWakeup(); at !== undefined && at <= until; at = host.nextWakeup()) {
      now = Math.max(now, at);
      step({ kind: "wakeup" });
    }
    now = until;
  };
  step({ kind: "start" });
  join("a");
  return {
    ...{ effects, step, come, later },
    /** It has asked for a round at least. */
    hasFormed: () =>
      effects.some((effect) => effect.kind === "tell" && effect.message.kind === "serve-store"),
  };
}

const known = (...nodeIds: string[]): KnownNode[] => nodeIds.map((nodeId) => ({ nodeId, address: null }));

const notes = (effects: readonly HostingEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "census" ? [effect.change] : []));

Deno.test("A host that is started anew waits while enough of the earlier nodes may run the job", () => {
  const { effects, step, come, later, hasFormed } = hosting([B, C]);
  for (const nodeId of ["x", "y"]) come(nodeId);
  later(5_000);
  assert(!hasFormed(), "begun beside b and c");
  const probes = effects.filter(({ kind }) => kind === "probe");
  assert(probes.length >= 8, "they are tried again and again");
  const [waiting] = effects.flatMap((effect) =>
    effect.kind === "tell" && effect.message.kind === "waiting" ? effect.message.waiting?.text ?? [] : []
  );
  assertMatch(waiting!, /3 of .* are here .*; b, c took part before .* may still run the job/);
  step({ kind: "proved-dead", nodeId: "c" });
  assert(hasFormed(), "one alone is not enough to go on");
  assertEquals(notes(effects).filter(({ kind }) => kind === "gone"), [{ kind: "gone", nodeId: "c" }]);
  // It has begun a second time, above all who go on with the first.
  assertEquals(notes(effects).filter(({ kind }) => kind === "begin"), [{ kind: "begin", count: 2 }]);
  const [proposal] = effects.flatMap((effect) =>
    effect.kind === "tell" && effect.message.kind === "propose" ? effect.message.proposal.epoch : []
  );
  assertEquals(proposal, formedNumber(null, 1));
});

Deno.test("A host that is started anew begins at once where too few of the earlier nodes are left", () => {
  for (const known of [[], [B]]) {
    const { come, hasFormed, later } = hosting(known);
    come("x");
    later(1);
    assert(hasFormed());
  }
});

Deno.test("A node that was here before counts until it is started again, or while it is not here", () => {
  for (const isFresh of [true, false]) {
    const { step, come, hasFormed, later } = hosting([B, C], { nodesMax: 4, lastCallMs: 1_000 });
    come("b", isFresh);
    step({ kind: "gone", nodeId: "b", inOrder: false, text: "it went", quietMs: 300 });
    for (const nodeId of ["x", "y"]) come(nodeId);
    later(2_000);
    assertEquals(hasFormed(), isFresh);
    come("b", isFresh);
    later(2_000);
    assert(hasFormed());
  }
});

Deno.test("A host that is started anew begins the job with those who took part, if they all come", () => {
  const { effects, step, hasFormed, later } = hosting([B, C, { nodeId: "d", address: "10.0.0.4:40000" }]);
  const latest = { epoch: 8, round: 3, hostId: "a" };
  for (const nodeId of ["b", "c"]) {
    assert(!hasFormed());
    const info = node(nodeId, { standbyPort: 40_000 }), memory = { first: latest, latest };
    step({ kind: "arrived", nodeId, address: "10.0.0.9", hostAddress: "10.0.0.1" });
    step({
      ...{ kind: "said", nodeId },
      message: { kind: "join", info, ...NO_PAST, isFresh: false, memory },
    });
    later(1);
  }
  const asked = effects.flatMap((effect) =>
    effect.kind === "tell" && effect.message.kind === "propose" ? [effect.nodeId] : []
  );
  assertEquals(asked, ["a", "b", "c"]);
  // One is lost before it has accepted, and may live: it is waited for again.
  step({ kind: "gone", nodeId: "c", inOrder: false, text: "it went", quietMs: 300 });
  step({ kind: "gone", nodeId: "b", inOrder: false, text: "it went", quietMs: 300 });
  const before = effects.length;
  for (const nodeId of ["x", "y"]) {
    step({ kind: "arrived", nodeId, address: "10.0.0.9", hostAddress: "10.0.0.1" });
    step({ kind: "said", nodeId, message: { kind: "join", info: node(nodeId), ...NO_PAST } });
  }
  later(1_000);
  assert(
    !effects.slice(before).some((effect) => effect.kind === "tell" && effect.message.kind === "propose"),
  );
});

Deno.test("A node is noted before it is told anything by which it could go on", () => {
  const { effects, come, later } = hosting([]);
  come("b");
  later(1);
  const noted = effects.findIndex((effect) =>
    effect.kind === "census" && effect.change.kind === "add" && effect.change.address === B.address
  );
  const told = effects.findIndex((effect) =>
    effect.kind === "tell" && effect.nodeId === "b" && effect.message.kind !== "waiting"
  );
  assert(noted >= 0 && told > noted, `noted at ${noted}, told at ${told}`);
});

Deno.test("A node that leaves in order is not counted, one that is only lost is", () => {
  for (const inOrder of [true, false]) {
    const { effects, come, step } = hosting([]);
    come("b");
    step({ kind: "gone", nodeId: "b", inOrder, text: "it went", quietMs: 300 });
    assertEquals(
      notes(effects).filter(({ kind }) => kind === "gone"),
      inOrder ? [{ kind: "gone", nodeId: "b" }] : [],
    );
  }
});

Deno.test("Without fail-over those who ran without the host are given the time that they need to end", () => {
  const { come, later, hasFormed } = hosting(
    [{ nodeId: "b", address: null }, { nodeId: "c", address: null }],
    { failover: false },
  );
  come("x");
  later(44_000);
  assert(!hasFormed());
  later(1_000);
  assert(hasFormed());
});

/** A job whose nodes b, c, … can all stand by, and that counts who took part. */
function counted(nodesMin: number, nodesMax: number, others: string): ScriptedJob {
  const settings = { nodesMin, nodesMax, maxRestarts: 3, failover: true };
  const job = new ScriptedJob(settings, { census: new Census(NEVER_BEGUN) });
  job.come(...able(others));
  job.later(30_000);
  assertEquals(job.world, `a${others}`);
  return job;
}

const able = (ids: string) => [...ids].map((id) => node(id, { standbyPort: 40_000 }));

Deno.test("A host that has lost nearly all goes on where those are too few to have gone on without it", () => {
  const job = counted(4, 4, "bcd");
  for (const nodeId of "bcd") job.gone(nodeId);
  job.come(...able("xyz"));
  assertEquals([job.world, job.restarts], ["axyz", 1]);
  // Those who are lost have not voted, and may have the right to go on from the round before: they must yield.
  const epochs = job.told("x", "propose").map(({ proposal }) => proposal.epoch);
  assertEquals(epochs, [formedNumber(null, 1)]);
  const begins = notes(job.effects).flatMap((change) => (change.kind === "begin" ? [change.count] : []));
  assertEquals(begins, [1, 2]);
});

Deno.test("Who goes on without votes binds all who are there, also those who get no seat", () => {
  const job = counted(3, 3, "bc");
  job.come(...able("xyz"));
  job.stuck.add("a");
  for (const nodeId of "bc") job.gone(nodeId);
  job.stuck.delete("a");
  job.clear("a");
  assertEquals(job.world, "axy");
  const asked = job.effects.flatMap((effect) =>
    effect.kind === "tell" && effect.message.kind === "propose" && effect.message.proposal.round === 1
      ? [effect.nodeId]
      : []
  );
  // With b and c, from which it would hear of another host, z would be enough.
  assertEquals(asked.sort(), ["a", "x", "y", "z"]);
});

Deno.test("A host that has lost enough to go on without it waits, also if they are gone by now", () => {
  const job = counted(3, 5, "bcde");
  job.stuck.add("a");
  for (const nodeId of "cde") job.gone(nodeId);
  job.stuck.delete("a");
  job.clear("a");
  job.come(...able("xyz"));
  for (const nodeId of "cde") job.step({ kind: "proved-dead", nodeId });
  job.later(60_000);
  assertEquals(job.seats.size, 0, "they may have brought the job to its end");
});

Deno.test("Who takes over goes on where the machine at which the job was begun knows that too few are elsewhere", () => {
  for (const names of [["b"], ["b", "a (gone)"], ["b", "a (gone)", "c"]]) {
    const settings = { nodesMin: 2, nodesMax: 2, maxRestarts: 3, failover: true };
    const chain = [{ epoch: 8, round: 4, hostId: "a", restarts: 1, seats: ["a", "b"] }];
    const job = new ScriptedJob(settings, { host: node("b"), epoch: 6, chain, wasHostLost: true });
    // The host's machine is back, with another agent.
    job.arrive(node("a2"));
    job.join("a2", { others: known(...names) });
    job.later(60_000);
    assertEquals(job.world, names.length < 3 ? "a2b" : null);
    if (names.length < 3) assertEquals(job.restarts, 2);
  }
});

Deno.test("Who came to the heir since counts too where it is known that few took part before", () => {
  const settings = { nodesMin: 2, nodesMax: 2, maxRestarts: 3, failover: true };
  const chain = [{ epoch: 8, round: 4, hostId: "a", restarts: 0, seats: ["a", "b"] }];
  const job = new ScriptedJob(settings, { host: node("b"), epoch: 6, chain, wasHostLost: true });
  for (const nodeId of ["x", "y"]) {
    job.come(nodeId);
    job.gone(nodeId);
  }
  job.arrive(node("a2"));
  job.join("a2", { others: known("b") });
  job.later(60_000);
  assertEquals(job.seats.size, 0);
});

Deno.test("Who was started again under its name since does not stand for the one that took part", () => {
  const settings = { nodesMin: 2, nodesMax: 3, maxRestarts: 3, failover: true };
  const chain = [{ epoch: 8, round: 4, hostId: "a", restarts: 0, seats: ["a", "b", "c"] }];
  for (const isSame of [true, false]) {
    const job = new ScriptedJob(settings, { host: node("b"), epoch: 6, chain, wasHostLost: true });
    job.arrive(node("a2"));
    const place = { nodeId: "c", address: `10.0.9.9:${isSame ? 40_000 : 40_001}` };
    job.join("a2", { others: [...known("b", "a (gone)"), place] });
    job.arrive(node("c", { standbyPort: 40_000 }));
    // It has forgotten what it accepted, or was never here before.
    job.join("c", { memory: null });
    job.later(60_000);
    // The other c may have formed a round with a, of which nobody here knows.
    assertEquals(job.world, isSame ? "a2bc" : null);
  }
});

Deno.test("What is known elsewhere of others counts no more when its node is gone", () => {
  const settings = { nodesMin: 2, nodesMax: 3, maxRestarts: 3, failover: true };
  const chain = [{ epoch: 8, round: 4, hostId: "a", restarts: 0, seats: ["a", "b"] }];
  const job = new ScriptedJob(settings, { host: node("b"), epoch: 6, chain, wasHostLost: true });
  job.arrive(node("a2"));
  job.join("a2", { others: known("b") });
  job.gone("a2");
  job.come("x");
  job.later(60_000);
  assertEquals(job.seats.size, 0);
});
