/** What the fleet simulation found in a node, each by itself. */

import { assert, assertEquals } from "@std/assert";
import { NEVER_BEGUN } from "../../lib/rendezvous/census.ts";
import type { FleetEffect, FleetEvent } from "../../lib/rendezvous/fleet_events.ts";
import { FleetNode } from "../../lib/rendezvous/fleet_node.ts";
import { formedNumber } from "../../lib/rendezvous/job_record.ts";
import type { Seat } from "../../lib/rendezvous/meeting.ts";
import { NO_PAST } from "../../lib/rendezvous/message_codec.ts";
import { node, SETTINGS } from "./scripted_job.ts";

const SETTINGS_HERE = { ...SETTINGS, nodesMin: 2, nodesMax: 3, failover: true };
const STANDBYS = [{ nodeId: "b", address: "10.0.0.2:40000" }];
const RECORD = { epoch: 8, hostId: "a", round: 0, restarts: 0, seats: ["a", "b"] };
const SEAT: Seat = {
  ...{ round: 0, restartCount: 0, groupRank: 1, groupWorldSize: 2, baseRank: 1, worldSize: 2 },
  ...{ baseRoleRank: 1, roleWorldSize: 2, store: { address: "a", port: 1, hostedByLauncher: true } },
};

function fleetNode(nodeId: string) {
  const info = node(nodeId, { standbyPort: 40_000 });
  const machine = new FleetNode({
    ...{ settings: SETTINGS_HERE, info, candidates: ["10.0.0.1:29400"] },
    ...{
      silenceMs: 15_000,
      stopMs: 30_000,
      selfAddress: null,
      fallbackAddress: "127.0.0.1",
      begun: NEVER_BEGUN,
    },
  });
  const step = (...events: FleetEvent[]): FleetEffect[] => events.flatMap((event) => machine.step(event, 0));
  return Object.assign(step, { machine });
}

/** Node b stands by, and has a seat in the first round of host a. */
function standby() {
  const step = fleetNode("b");
  step(
    { kind: "start", role: "guest" },
    { kind: "linked", epoch: 8, hostId: "a" },
    { kind: "request", request: { kind: "join" } },
    { kind: "heard", message: { kind: "record", record: RECORD, standing: "running" } },
    { kind: "heard", message: { kind: "standbys", standbys: STANDBYS } },
    { kind: "heard", message: { kind: "round", seat: SEAT } },
  );
  return step;
}

/** Hosts a, and lets nodes come, with their answers to what a round asks of them. */
function host() {
  const step = fleetNode("a");
  const store = { address: "", port: 5, hostedByLauncher: true };
  const steps = (...events: FleetEvent[]): FleetEffect[] => {
    const effects = step(...events);
    const answers = effects.flatMap((effect): FleetEvent[] => {
      if (effect.kind === "news" && effect.news.kind === "serve-store") {
        return [{ kind: "request", request: { kind: "store-served", round: effect.news.round, store } }];
      }
      if (effect.kind !== "tell" || effect.message.kind !== "propose") return [];
      const { nodeId, message: { proposal } } = effect;
      return [{ kind: "said", nodeId, message: { kind: "accepted", proposal } }];
    });
    return answers.length === 0 ? effects : [...effects, ...steps(...answers)];
  };
  steps({ kind: "start", role: "host" }, { kind: "request", request: { kind: "join" } });
  const come = (nodeId: string) =>
    steps(
      { kind: "arrived", nodeId, address: "10.0.0.9", hostAddress: "10.0.0.1" },
      {
        ...{ kind: "said", nodeId },
        message: { kind: "join", info: node(nodeId, { standbyPort: 4 }), ...NO_PAST },
      },
    );
  return { step: steps, come, machine: step.machine };
}

const kinds = (effects: readonly FleetEffect[]) => effects.map(({ kind }) => kind);

Deno.test("A stand-by takes over when its host is lost", () => {
  const effects = standby()({ kind: "link-ended", end: { kind: "lost", text: "it went" } });
  assert(kinds(effects).includes("serve"));
});

Deno.test("A stand-by of an older round has no right to take over", () => {
  const step = standby();
  step({ kind: "heard", message: { kind: "standbys", standbys: [{ nodeId: "c", address: "10.0.0.3:4" }] } });
  const effects = step({ kind: "link-ended", end: { kind: "dead", text: "it went" } });
  assert(!kinds(effects).includes("serve"));
  const addresses = effects.flatMap((effect) => (effect.kind === "connect" ? [effect.address] : []));
  assertEquals(addresses, ["10.0.0.3:4"]);
});

Deno.test("A host that refuses whom it welcomed before is another one: the old one is lost", () => {
  const effects = standby()({ kind: "link-ended", end: { kind: "refused", text: "is host number 1" } });
  assert(kinds(effects).includes("serve"));
  const ends = effects.filter((effect) => effect.kind === "news" && effect.news.kind === "job-over");
  assertEquals(ends, []);
});

Deno.test("A host yields only to a host that it can find", () => {
  const step = fleetNode("a");
  step({ kind: "start", role: "host" });
  assertEquals(step({ kind: "outranked", epoch: 8, hostAddress: "" }), []);
  const effects = step({ kind: "outranked", epoch: 8, hostAddress: "10.0.0.2:40000" });
  assertEquals(kinds(effects), ["say", "step-down", "open-port", "connect"]);
});

Deno.test("A host that yields sends its nodes to the other host, so that none of them takes its job over", () => {
  const { step, come } = host();
  for (const nodeId of ["b", "c"]) come(nodeId);
  const effects = step({ kind: "outranked", epoch: 1000, hostAddress: "10.0.0.2:40000" });
  const sent = effects.flatMap((effect) =>
    effect.kind === "tell" && effect.message.kind === "standbys"
      ? [[effect.nodeId, ...effect.message.standbys.map(({ address }) => address)]]
      : []
  );
  assertEquals(sent.sort(), [["b", "10.0.0.2:40000"], ["c", "10.0.0.2:40000"]]);
  assertEquals(effects.filter(({ kind }) => kind === "dismiss").length, 2);

  const guest = standby();
  guest({
    kind: "heard",
    message: { kind: "standbys", standbys: [{ nodeId: "", address: "10.0.0.2:40000" }] },
  });
  const left = guest({ kind: "link-ended", end: { kind: "lost", text: "it said goodbye" } });
  assert(!kinds(left).includes("serve"));
  const [connect] = left.filter(({ kind }) => kind === "connect");
  assert(connect?.kind === "connect" && connect.address === "10.0.0.2:40000");
});

Deno.test("A host that has yielded stands by at another port, if it gets one: its own shows the way", () => {
  for (const port of [null, 40_001]) {
    const step = fleetNode("a");
    step({ kind: "start", role: "host" }, { kind: "request", request: { kind: "join" } });
    assert(
      kinds(step({ kind: "outranked", epoch: 8, hostAddress: "10.0.0.2:40000" })).includes("open-port"),
    );
    if (port !== null) step({ kind: "port-opened", port });
    const [effect] = step({ kind: "linked", epoch: 8, hostId: "b" });
    assert(effect?.kind === "send" && effect.message.kind === "join");
    assertEquals(effect.message.info.standbyPort, port);
    step(
      { kind: "heard", message: { kind: "record", record: { ...RECORD, hostId: "b" }, standing: "running" } },
      {
        kind: "heard",
        message: { kind: "standbys", standbys: [{ nodeId: "a", address: "10.0.0.1:40001" }] },
      },
    );
    const effects = kinds(step({ kind: "link-ended", end: { kind: "dead", text: "it went" } }));
    assertEquals(effects.filter((kind) => /serv/.test(kind)), port === null ? [] : ["serve"]);
  }
});

Deno.test("A host that hands its job over is not counted any more, one that is only lost is", () => {
  const { restarts: _restarts, seats: _seats, ...proposal } = RECORD;
  for (const standing of ["left", "over", "running"] as const) {
    const step = standby();
    step(
      { kind: "heard", message: { kind: "propose", proposal, bases: [], record: RECORD } },
      { kind: "heard", message: { kind: "record", record: RECORD, standing } },
      { kind: "link-ended", end: { kind: "lost", text: "it said goodbye" } },
      { kind: "request", request: { kind: "cleared", round: 0, report: null } },
      { kind: "request", request: { kind: "join" } },
      { kind: "arrived", nodeId: "c", address: "10.0.0.3", hostAddress: "10.0.0.2" },
    );
    const join = { kind: "join" as const, info: node("c"), ...NO_PAST };
    const effects = [
      ...step({ kind: "said", nodeId: "c", message: join }),
      ...step({ kind: "arrived", nodeId: "d", address: "10.0.0.4", hostAddress: "10.0.0.2" }),
      ...step({ kind: "said", nodeId: "d", message: { ...join, info: node("d") } }),
    ];
    const asked = effects.flatMap((effect) =>
      effect.kind === "tell" && effect.message.kind === "propose" ? [effect.nodeId] : []
    );
    assertEquals(asked, standing === "left" ? ["c"] : []);
  }
});

Deno.test("Nodes without a seat learn where the stand-bys are, and so do those who come later", () => {
  const { come } = host();
  const told = (nodeId: string) =>
    come(nodeId).flatMap((effect) =>
      effect.kind === "tell" && effect.message.kind === "standbys" ? [effect.nodeId] : []
    );
  assertEquals([...told("b"), ...told("c")], ["b", "c"]);
  assertEquals(told("d"), ["d"]);
});

Deno.test("A node says with its every join which rounds it has accepted, and forgets none when its host is lost", () => {
  const step = fleetNode("b");
  const first = { epoch: 8, round: 0, hostId: "a" }, latest = { ...first, round: 1 };
  step(
    { kind: "start", role: "guest" },
    { kind: "linked", epoch: 8, hostId: "a" },
    { kind: "request", request: { kind: "join" } },
  );
  const [answer] = step({
    kind: "heard",
    message: { kind: "propose", proposal: first, bases: [], record: null },
  });
  assertEquals(answer, { kind: "send", message: { kind: "accepted", proposal: first } });
  step({ kind: "heard", message: { kind: "propose", proposal: latest, bases: [first], record: null } });
  step({ kind: "link-ended", end: { kind: "lost", text: "it went" } });
  const [join] = step({ kind: "linked", epoch: 6, hostId: "c" });
  assert(join?.kind === "send" && join.message.kind === "join");
  assertEquals(join.message.memory, { first, latest });
});

Deno.test("A stand-by that accepted a round which perhaps never began takes over with both, if it knows both", () => {
  const next = { epoch: 8, hostId: "a", round: 1, restarts: 0, seats: ["a", "b"] };
  const { restarts: _restarts, seats: _seats, ...proposal } = next;
  const { restarts: _count, seats: _nodes, ...base } = RECORD;
  for (const record of [next, null]) {
    const step = standby();
    step({ kind: "heard", message: { kind: "propose", proposal, bases: [base], record } });
    const effects = step({ kind: "link-ended", end: { kind: "dead", text: "it went" } });
    assertEquals(kinds(effects).includes("serve"), record !== null);
  }
});

Deno.test("A guest that finds no host says what it met at each of the places", () => {
  for (const count of [1, 2]) {
    const places = ["10.0.0.1:29400", "10.0.0.2:29400"].slice(0, count);
    const settings = { ...SETTINGS_HERE, joinMs: 30_000 };
    const machine = new FleetNode({
      ...{ settings, info: node("g"), candidates: places, silenceMs: 15_000, stopMs: 30_000 },
      ...{ selfAddress: null, fallbackAddress: "127.0.0.1", begun: NEVER_BEGUN },
    });
    machine.step({ kind: "start", role: "guest" }, 0);
    machine.step({ kind: "link-failed", problem: "can't be reached: no route to host" }, 0);
    if (count === 2) {
      machine.step({ kind: "link-ended", end: { kind: "unreachable", text: "does not answer" } }, 3_000);
    }
    if (count === 2) {
      machine.step({ kind: "link-failed", problem: "can't be reached: connection refused" }, 4_000);
    }
    const [last] = machine.step({ kind: "wakeup" }, 30_000).flatMap((effect) =>
      effect.kind === "news" && effect.news.kind === "job-over" ? [effect.news.outcome.text] : []
    );
    const hint = "the node with that address hosts it; where no node has it, rdzv-conf is_host=1 names one";
    assertEquals(
      last,
      count === 1
        ? `Waited 30 s for the job's host at 10.0.0.1:29400: it can't be reached: no route to host (${hint})`
        : "Waited 30 s for the job's host: 10.0.0.1:29400 does not answer; " +
          `10.0.0.2:29400 can't be reached: connection refused (${hint})`,
    );
  }
});

Deno.test("A host that hands its job over is nobody to whom its heir would yield", () => {
  const { step, come, machine } = host();
  for (const nodeId of ["b", "c"]) come(nodeId);
  assertEquals(machine.epoch, 8);
  step(
    { kind: "request", request: { kind: "leave", signal: "SIGTERM", scope: "node" } },
    { kind: "request", request: { kind: "cleared", round: 0, report: null } },
  );
  for (const nodeId of ["b", "c"]) {
    step({ kind: "said", nodeId, message: { kind: "cleared", round: 0, report: null } });
  }
  assertEquals(machine.epoch, 0);
  // Nor does it yield, in the moment that it still has.
  for (const epoch of [6, 16]) {
    assertEquals(step({ kind: "outranked", epoch, hostAddress: "10.0.0.2:40000" }), []);
  }
});

Deno.test("Who comes where the job was hosted is sent to where it is, also by a node that has become its guest", () => {
  const step = fleetNode("a");
  step({ kind: "start", role: "host" });
  step({ kind: "outranked", epoch: 8, hostAddress: "10.0.0.2:40000" });
  const redirects = (now: number) =>
    [
      ...step.machine.step({ kind: "strayed", nodeId: "c", address: null, isFresh: false }, now),
      ...step.machine.step({ kind: "wakeup" }, now + 200),
    ]
      .flatMap((effect) => (effect.kind === "redirect" ? [effect.address] : []));
  // It has not found the host yet itself.
  assertEquals(redirects(0), [null]);
  step({ kind: "linked", epoch: 8, hostId: "b" });
  assertEquals(redirects(1_000), ["10.0.0.2:40000"]);
  // The job is begun again: whoever goes on with what was before is to get nobody.
  const proposal = { epoch: formedNumber(null, 3), round: 9, hostId: "b" };
  step({ kind: "heard", message: { kind: "propose", proposal, bases: [], record: null } });
  assertEquals(redirects(2_000), ["10.0.0.2:40000"]);
  step({ kind: "link-ended", end: { kind: "lost", text: "it went" } }, {
    kind: "linked",
    epoch: 8,
    hostId: "c",
  });
  assertEquals(redirects(3_000), [null]);
});

Deno.test("A node that is sent on goes there, joins nobody on the way, and gives up when its time is over", () => {
  const step = fleetNode("c");
  const addresses = (effects: readonly FleetEffect[]) =>
    effects.flatMap((effect) => (effect.kind === "connect" ? [effect.address] : []));
  step({ kind: "request", request: { kind: "join" } });
  assertEquals(addresses(step({ kind: "start", role: "guest" })), ["10.0.0.1:29400"]);
  const standbys = [{ nodeId: "", address: "10.0.0.2:40000" }];
  const left = { kind: "left" as const, text: "it said goodbye" };
  for (let count = 0; count < 3; count++) {
    // It says where it could host, for those who must know of it.
    assertEquals(kinds(step({ kind: "linked", epoch: 0, hostId: "a" })), ["send"]);
    step({ kind: "heard", message: { kind: "standbys", standbys } });
    assertEquals(addresses(step({ kind: "link-ended", end: left })), ["10.0.0.2:40000"]);
    // The host is not there either: back to the place that is named.
    const gone = { kind: "unreachable" as const, text: "can't be reached" };
    assertEquals(addresses(step({ kind: "link-ended", end: gone })), ["10.0.0.1:29400"]);
  }
  // Sent away without a word it asks again.
  step({ kind: "linked", epoch: 0, hostId: "a" });
  assertEquals(addresses(step({ kind: "link-ended", end: left })), ["10.0.0.2:40000"]);
  const [last] = step.machine.step({ kind: "wakeup" }, SETTINGS.joinMs).flatMap((effect) =>
    effect.kind === "news" && effect.news.kind === "job-over" ? [effect.news.outcome.code] : []
  );
  assertEquals(last, 1);
});

Deno.test("A host that was told to leave and yields says so to the other host, and goes", () => {
  const { step, come } = host();
  for (const nodeId of ["b", "c"]) come(nodeId);
  step(
    { kind: "request", request: { kind: "leave", signal: "SIGTERM", scope: "node" } },
    { kind: "request", request: { kind: "cleared", round: 0, report: null } },
    { kind: "outranked", epoch: 1000, hostAddress: "10.0.0.2:40000" },
  );
  assertEquals(kinds(step({ kind: "linked", epoch: 1000, hostId: "d" })), ["send", "hang-up"]);
  const effects = step({ kind: "link-ended", end: { kind: "left", text: "it said goodbye" } });
  const codes = effects.flatMap((effect) =>
    effect.kind === "news" && effect.news.kind === "job-over" ? [effect.news.outcome.code] : []
  );
  assertEquals(codes, [143]);
});

Deno.test("Nobody goes on with a job that was stopped, if its host is lost before the end", () => {
  const step = standby();
  step({ kind: "heard", message: { kind: "stopping", signal: "SIGINT" } });
  step({
    kind: "heard",
    message: { kind: "round-over", round: 0, text: "a stopped it", needsReport: false },
  });
  const effects = step(
    { kind: "link-ended", end: { kind: "dead", text: "it went" } },
    { kind: "request", request: { kind: "cleared", round: 0, report: null } },
  );
  const codes = effects.flatMap((effect) =>
    effect.kind === "news" && effect.news.kind === "job-over" ? [effect.news.outcome.code] : []
  );
  assertEquals(codes, [130]);
});
