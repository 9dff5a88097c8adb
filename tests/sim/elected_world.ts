/**
 * Whole nodes of a job over etcd-v3, in memory: the real `ElectedNode` and `HostElection` of each, on a model of etcd, with
 * sessions between nodes that break, agents whose workers fail, nodes that die, freeze, come back and lose etcd or each
 * other. One seed is the whole story.
 */

import { assert, unreachable } from "../../lib/core/assert.ts";
import { Prng } from "../../lib/core/prng.ts";
import type { ElectionEffect, ElectionEvent } from "../../lib/etcd/election_event.ts";
import { HostElection } from "../../lib/etcd/host_election.ts";
import { orphanMs } from "../../lib/etcd/host_timing.ts";
import type { V3Request } from "../../lib/etcd/v3_wire.ts";
import type { ElectedEffect, ElectedEvent } from "../../lib/rendezvous/elected_events.ts";
import { ElectedNode } from "../../lib/rendezvous/elected_node.ts";
import type { MeetingNews, Seat } from "../../lib/rendezvous/meeting.ts";
import { decodeRecord, encodeRecord } from "../../lib/rendezvous/message_codec.ts";
import type { NodeInfo } from "../../lib/rendezvous/ranks.ts";
import { EtcdModel } from "./etcd_model.ts";

export interface ElectedFaults {
  readonly nodes: number;
  readonly nodesMin: number;
  readonly maxRestarts: number;
  readonly ttlMs: number;
  /** Of a hundred requests to etcd, so many are lost, or their answers. */
  readonly lostRequests: number;
  readonly lostAnswers: number;
  /** How likely, each half second in thousandths, something happens to some node. */
  readonly freezes: number;
  readonly deaths: number;
  readonly cuts: number;
  readonly etcdCuts: number;
  readonly failures: number;
  /** How long a round's workers take to succeed; null: they run on. */
  readonly workMs: number | null;
  /** How long workers take to end that are stopped, at most. */
  readonly stopMs: number;
}

export function electedFaultsOf(seed: number): ElectedFaults {
  const prng = new Prng(seed);
  const some = (most: number) => (prng.chance(1, 3) ? 0 : prng.below(most + 1));
  const nodes = 2 + prng.below(4);
  return {
    nodes,
    nodesMin: 1 + prng.below(nodes),
    maxRestarts: 1000,
    ttlMs: prng.pick([3_000, 15_000]),
    lostRequests: some(20),
    lostAnswers: some(20),
    freezes: some(60),
    deaths: some(60),
    cuts: some(60),
    etcdCuts: some(60),
    failures: some(60),
    workMs: prng.chance(1, 3) ? 20_000 + prng.below(60_000) : null,
    stopMs: prng.pick([500, 500, 30_000]),
  };
}

interface Session {
  readonly guest: SimNode;
  readonly host: SimNode;
  isOpen: boolean;
  /** Messages arrive in order: not before this. */
  toHostAt: number;
  toGuestAt: number;
}

interface SimNode {
  readonly id: string;
  node: ElectedNode;
  election: HostElection;
  /** A new one for each process: what was meant for an earlier one does not reach it. */
  life: number;
  alive: boolean;
  frozenUntil: number;
  etcdCutUntil: number;
  inbox: (() => void)[];
  port: number;
  serving: string | null;
  session: Session | null;
  /** What its agent's workers are doing. */
  seat: Seat | null;
  /** Who hosted its round. */
  seatHost: string | null;
  /** When its workers, which are being stopped, will have ended; null: they are not. */
  endsAt: number | null;
  /** When it lost its host; null: it has one, or is it. */
  lostAt: number | null;
  /** When its last freeze was over. */
  thawedAt: number;
  told: boolean;
  /** It has been decided that the round is over; the agent hears of it in a moment. */
  ending: boolean;
  outcome: number | null;
  /** Jobs of this id that had ended when this process had its first seat; null: it has had none. */
  jobs: number | null;
  /** It was elected where nothing was saved. */
  isFresh: boolean;
}

const RESUME_MS = 300;
/** How long killed workers take to be gone. */
const KILL_MS = 20;

export class ElectedWorld {
  readonly faults: ElectedFaults;
  readonly etcd = new EtcdModel(1);
  readonly nodes: SimNode[];
  readonly trace: string[] = [];
  readonly counts = { rounds: 0, hosts: 0, depositions: 0, ended: 0 };
  now = 0;
  readonly #prng: Prng;
  readonly #heap: { at: number; order: number; run: () => void }[] = [];
  readonly #cuts = new Map<string, number>();
  readonly #sessions = new Set<Session>();
  /** By round: which nodes have which rank, and where they meet. */
  readonly #memberships = new Map<
    string,
    { readonly size: number; readonly store: string; readonly ranks: Map<number, string> }
  >();
  /** Sessions that have ended, of which their host has not heard yet. */
  readonly #unheard = new Set<Session>();
  #order = 0;
  #ports = 1000;
  #isFaulty = true;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
    this.faults = electedFaultsOf(seed);
    this.nodes = Array.from({ length: this.faults.nodes }, (_, index) => this.#newNode(`n${index}`));
  }

  run(faultyMs: number, quietMs: number): void {
    for (const node of this.nodes) this.#at(this.#prng.below(1000), () => this.#begin(node));
    this.#every(100, () => this.etcd.tick(this.now));
    this.#every(500, () => this.#mischief());
    this.#until(faultyMs);
    this.#isFaulty = false;
    this.#cuts.clear();
    for (const node of this.nodes) {
      node.etcdCutUntil = this.now;
      if (node.frozenUntil > this.now) node.frozenUntil = this.now;
      this.#thaw(node);
      if (!node.alive && node.outcome === null) this.#begin(node);
    }
    this.#until(faultyMs + quietMs);
    this.#checkSettled();
  }

  // The course of events.

  #at(delayMs: number, run: () => void): void {
    this.#heap.push({ at: this.now + delayMs, order: this.#order++, run });
  }

  #every(ms: number, run: () => void): void {
    this.#at(ms, () => {
      run();
      this.#every(ms, run);
    });
  }

  #until(end: number): void {
    while (true) {
      let first = -1;
      for (let index = 0; index < this.#heap.length; index++) {
        const one = this.#heap[index]!, best = this.#heap[first];
        if (best === undefined || one.at < best.at || (one.at === best.at && one.order < best.order)) {
          first = index;
        }
      }
      const next = this.#heap[first];
      if (next === undefined || next.at > end) break;
      this.#heap.splice(first, 1);
      this.now = Math.max(this.now, next.at);
      next.run();
      this.#checkWorlds();
    }
    this.now = end;
  }

  /** Runs `work` in the node's process: at once, after its freeze, or never. */
  #in(node: SimNode, work: () => void): void {
    const { life } = node;
    const guarded = () => node.life === life && node.alive ? work() : undefined;
    if (node.frozenUntil > this.now) node.inbox.push(guarded);
    else guarded();
  }

  #later(node: SimNode, delayMs: number, work: () => void): void {
    const { life } = node;
    this.#at(delayMs, () => node.life === life ? this.#in(node, work) : undefined);
  }

  // A node.

  #newNode(id: string): SimNode {
    return {
      ...{
        id,
        life: 0,
        alive: false,
        frozenUntil: 0,
        etcdCutUntil: 0,
        inbox: [],
        port: 0,
        serving: null,
        session: null,
      },
      ...{
        ...{
          seat: null,
          seatHost: null,
          endsAt: null,
          lostAt: null,
          thawedAt: 0,
          told: false,
          ending: false,
        },
        ...{ outcome: null, jobs: null, isFresh: false },
        node: this.#machine(id),
        election: this.#candidate(id),
      },
    };
  }

  #machine(id: string): ElectedNode {
    const { nodes, nodesMin, maxRestarts } = this.faults;
    const info: NodeInfo = {
      ...{ nodeId: id, hostName: id, address: null, workerCount: 1, role: "default", nodeRank: null },
      ...{ schedulerRank: null, topologyKey: null, standbyPort: null, interfaces: [] },
    };
    return new ElectedNode({
      settings: {
        ...{ jobId: "job", nodesMin, nodesMax: nodes, nodesStep: 1, maxRestarts, joinMs: 10_000_000 },
        ...{ lastCallMs: 1_000, exitBarrierMs: 300_000, onNodeLoss: "wait", failover: "elected" },
      },
      info,
      electorate: "etcd",
      ...{ silenceMs: this.faults.ttlMs, stopMs: 1_000 },
      selfAddress: id,
      fallbackAddress: id,
    });
  }

  #candidate(id: string): HostElection {
    return new HostElection({ jobId: "job", nodeId: id, ttlMs: this.faults.ttlMs }, this.#prng.split());
  }

  #begin(node: SimNode): void {
    Object.assign(node, {
      alive: true,
      life: node.life + 1,
      frozenUntil: 0,
      inbox: [],
      serving: null,
      session: null,
    });
    Object.assign(node, {
      ...{ seat: null, seatHost: null, endsAt: null, lostAt: null, jobs: null, told: false },
      node: this.#machine(node.id),
      election: this.#candidate(node.id),
    });
    this.#say(node, "starts");
    this.#step(node, { kind: "start" });
    this.#step(node, { kind: "request", request: { kind: "join" } });
  }

  #die(node: SimNode): void {
    this.#say(node, "dies");
    for (const session of this.#sessions) {
      if (session.host === node) this.#break(session, "dead");
      else if (session.guest === node) this.#break(session, "lost");
    }
    for (const old of [...this.#unheard]) if (old.host === node) this.#unheard.delete(old);
    Object.assign(node, { alive: false, life: node.life + 1, serving: null, session: null, seat: null });
  }

  #thaw(node: SimNode): void {
    // Sums of fractions may miss by a little.
    if (node.frozenUntil > this.now + 0.01) return;
    if (node.frozenUntil > 0) node.thawedAt = this.now;
    node.frozenUntil = Math.min(node.frozenUntil, this.now);
    for (const work of node.inbox.splice(0)) work();
    this.#in(node, () => this.#elect(node, { kind: "wakeup" }));
  }

  #step(node: SimNode, event: ElectedEvent): void {
    for (const effect of node.node.step(event, this.now)) this.#perform(node, effect);
    this.#wakeLater(
      node,
      node.node.nextWakeup(),
      () => node.node.nextWakeup(),
      () => this.#step(node, { kind: "wakeup" }),
    );
  }

  #elect(node: SimNode, event: ElectionEvent): void {
    for (const effect of node.election.step(event, this.now)) this.#performElection(node, effect);
    this.#wakeLater(
      node,
      node.election.nextWakeup(),
      () => node.election.nextWakeup(),
      () => this.#elect(node, { kind: "wakeup" }),
    );
  }

  #wakeLater(
    node: SimNode,
    at: number | undefined,
    present: () => number | undefined,
    wake: () => void,
  ): void {
    if (at === undefined || at > this.now + 1_000_000) return;
    this.#later(node, Math.max(0, at - this.now) + 0.01, () => present() === at ? wake() : undefined);
  }

  #perform(node: SimNode, effect: ElectedEffect): void {
    switch (effect.kind) {
      case "news":
        if (effect.news.kind === "round-over" || effect.news.kind === "job-over") node.ending = true;
        return this.#later(node, 1, () => this.#agent(node, effect.news));
      case "stand":
        if (node.port === 0) node.port = ++this.#ports;
        return this.#elect(node, { kind: "stand", address: `${node.id}:${node.port}` });
      case "save":
        return this.#elect(node, { kind: "save", id: effect.id, job: encodeRecord(effect.record) });
      case "host-lost":
        return this.#elect(
          node,
          effect.isDead ? { kind: "host-died", epoch: effect.epoch } : { kind: "look" },
        );
      case "resign":
        return this.#elect(node, {
          kind: "leave",
          over: effect.over,
          exitCode: effect.over && effect.succeeded ? 0 : null,
        });
      case "serve":
        // Others may have begun the job anew; whoever was in the one that has ended does not.
        assert(!node.isFresh || node.jobs === null, `${node.id} begins the job anew that has ended`);
        node.serving = `${node.id}:${node.port}`;
        node.lostAt = null;
        return;
      case "stop-serving":
        // The port refuses from now on, which counts as the host's death.
        for (const session of this.#sessions) if (session.host === node) this.#break(session, "dead");
        Object.assign(node, { serving: null, port: 0 });
        return;
      case "connect":
        this.#hangUp(node);
        return this.#connect(node, effect.address, this.now + effect.connectMs);
      case "hang-up":
      case "drop-link":
        return this.#hangUp(node);
      case "send": {
        const session = node.session;
        if (session === null || !session.isOpen) return;
        session.toHostAt = Math.max(session.toHostAt, this.now + this.#delay());
        const { message } = effect;
        return this.#later(session.host, session.toHostAt - this.now, () => {
          if (session.isOpen) this.#step(session.host, { kind: "said", nodeId: node.id, message });
        });
      }
      case "tell":
      case "dismiss": {
        const session = [...this.#sessions].find(({ host, guest }) =>
          host === node && guest.id === effect.nodeId
        );
        if (session === undefined) return;
        session.toGuestAt = Math.max(session.toGuestAt, this.now + this.#delay());
        return this.#later(session.guest, session.toGuestAt - this.now, () => {
          if (!session.isOpen) return;
          if (effect.kind === "tell") this.#step(session.guest, { kind: "heard", message: effect.message });
          else this.#break(session, "left");
        });
      }
      case "judge-job":
        return this.#later(node, 1, () => this.#step(node, { kind: "judged-job", verdict: null }));
      case "say":
      case "probe":
        return;
      default:
        return unreachable(effect);
    }
  }

  // Its agent: workers run until they are stopped, or fail.

  #agent(node: SimNode, news: MeetingNews): void {
    const request = (value: Extract<ElectedEvent, { kind: "request" }>["request"], delayMs: number) =>
      this.#later(node, delayMs, () => this.#step(node, { kind: "request", request: value }));
    switch (news.kind) {
      case "serve-store": {
        const store = { address: node.id, port: ++this.#ports, hostedByLauncher: true };
        return request({ kind: "store-served", round: news.round, store }, 5);
      }
      case "round":
        this.#seated(node, news.seat);
        return;
      case "round-over":
        if (node.seat?.round !== news.round) return;
        // Where it has failed here the workers are being stopped already.
        if (!node.told) this.#stopWorkers(node, 10 + this.#prng.below(this.faults.stopMs));
        if (news.withinMs !== undefined) this.#stopWorkers(node, news.withinMs);
        return;
      case "go-on":
        return request({ kind: "join" }, 1);
      case "job-over":
        this.#say(node, `over: ${news.outcome.code} ${news.outcome.text}`);
        node.outcome = news.outcome.code;
        node.seat = null;
        // The process ends soon after.
        this.#later(node, 100, () => {
          node.serving = null;
          for (const session of this.#sessions) {
            if (session.host === node || session.guest === node) this.#break(session, "lost");
          }
        });
        return;
      case "waiting":
        return;
      default:
        return unreachable(news);
    }
  }

  /** What is left of its workers after `withinMs` is killed; what was decided before holds if it is sooner. */
  #stopWorkers(node: SimNode, withinMs: number): void {
    const { seat } = node, endsAt = this.now + withinMs + KILL_MS;
    node.told = true;
    if (seat === null || (node.endsAt !== null && node.endsAt <= endsAt)) return;
    node.endsAt = endsAt;
    this.#later(node, withinMs + KILL_MS, () => {
      if (node.seat !== seat || node.endsAt !== endsAt) return;
      node.seat = node.endsAt = null;
      this.#step(node, { kind: "request", request: { kind: "cleared", round: seat.round, report: null } });
    });
  }

  #seated(node: SimNode, seat: Seat): void {
    const { round, groupRank, groupWorldSize: size } = seat,
      store = `${seat.store.address}:${seat.store.port}`;
    this.#say(node, `round ${round}: rank ${groupRank} of ${size} at ${store}`);
    node.seat = seat;
    node.seatHost = node.serving === null ? node.session?.host.id ?? null : node.id;
    node.endsAt = null;
    node.told = node.ending = false;
    for (const other of this.nodes) this.#checkDeposed(other, seat);
    const jobs = this.#jobsEnded();
    node.jobs ??= jobs;
    const { workMs } = this.faults;
    if (workMs !== null) {
      this.#later(node, workMs, () => {
        if (node.seat !== seat || node.told) return;
        this.#step(node, { kind: "request", request: { kind: "succeeded", round } });
      });
    }
    assert(size >= this.faults.nodesMin && size <= this.faults.nodes, `A round of ${size}`);
    const known = this.#memberships.get(this.#key(round));
    if (known === undefined) {
      this.counts.rounds++;
      this.#memberships.set(this.#key(round), { size, store, ranks: new Map([[groupRank, node.id]]) });
      return;
    }
    assert(
      known.size === size && known.store === store,
      `Round ${round} is told as of ${known.size} and of ${size}`,
    );
    const other = known.ranks.get(groupRank);
    assert(other === undefined, `Round ${round} has rank ${groupRank} twice: ${other}, ${node.id}`);
    known.ranks.set(groupRank, node.id);
  }

  /** A job that has ended leaves nothing, so that its id begins with round 0 again. */
  #key(round: number): string {
    return `${this.#jobsEnded()} ${round}`;
  }

  #jobsEnded(): number {
    const { history } = this.etcd;
    return history.filter(({ key, change }) => key.endsWith("/job") && change.value === null).length;
  }

  // Sessions.

  #delay(): number {
    return 0.5 + this.#prng.below(20);
  }

  #isCut(a: SimNode, b: SimNode): boolean {
    return (this.#cuts.get([a.id, b.id].sort().join()) ?? 0) > this.now;
  }

  #connect(node: SimNode, address: string, until: number): void {
    const attempt: Session = { guest: node, host: node, isOpen: false, toHostAt: 0, toGuestAt: 0 };
    node.session = attempt;
    const again = () => {
      if (node.session !== attempt) return;
      const host = this.nodes.find(({ serving }) => serving === address);
      if (host !== undefined && host !== node && !this.#isCut(node, host) && host.frozenUntil <= this.now) {
        const session: Session = { guest: node, host, isOpen: true, toHostAt: 0, toGuestAt: 0 };
        node.session = session;
        for (const old of [...this.#unheard]) if (old.guest === node && old.host === host) this.#hearEnd(old);
        this.#sessions.add(session);
        node.lostAt = null;
        this.#step(host, { kind: "arrived", nodeId: node.id, address: node.id, hostAddress: host.id });
        return this.#step(node, { kind: "linked", epoch: 0, hostId: host.id });
      }
      if (this.now >= until) {
        return this.#step(node, { kind: "link-ended", end: { kind: "unreachable", text: "did not answer" } });
      }
      this.#later(node, 200, again);
    };
    this.#later(node, 2, again);
  }

  #hangUp(node: SimNode): void {
    const { session } = node;
    node.session = null;
    if (session?.isOpen) this.#break(session, "lost");
  }

  /** Both sides hear of it, each in its own time. */
  #break(session: Session, kind: "lost" | "left" | "dead"): void {
    if (!session.isOpen) return;
    session.isOpen = false;
    this.#sessions.delete(session);
    const { guest, host } = session;
    this.#unheard.add(session);
    this.#later(host, this.#delay(), () => this.#hearEnd(session));
    this.#later(guest, this.#delay(), () => {
      if (guest.session !== session) return;
      guest.session = null;
      guest.lostAt = this.now;
      this.#step(guest, { kind: "link-ended", end: { kind, text: "its connection broke" } });
    });
  }

  /** The host hears of a session's end: once, and before the next one of the same node. */
  #hearEnd(session: Session): void {
    if (!this.#unheard.delete(session)) return;
    const { id } = session.guest;
    this.#step(session.host, {
      kind: "gone",
      nodeId: id,
      text: "its connection broke",
      inOrder: false,
      quietMs: RESUME_MS,
    });
  }

  // etcd.

  #performElection(node: SimNode, effect: ElectionEffect): void {
    switch (effect.kind) {
      case "request":
        return this.#request(node, effect.id, effect.request, effect.attemptMs);
      case "watch":
        return this.#watch(node, effect.key, effect.fromRevision, node.election);
      case "elected": {
        this.counts.hosts++;
        this.#say(node, `elected, epoch ${effect.epoch}`);
        node.isFresh = effect.job === null;
        const previous = effect.job === null ? null : decodeRecord(effect.job);
        return this.#step(node, { kind: "appointed", epoch: effect.epoch, previous });
      }
      case "host-is":
        return this.#step(node, {
          kind: "host-named",
          epoch: effect.host.epoch,
          address: effect.host.address,
          orphanMs: orphanMs(this.faults.ttlMs),
        });
      case "ended":
        this.#say(node, "is told that the job has ended");
        return this.#step(node, { kind: "job-ended", exitCode: effect.exitCode, knownMs: 120_000 });
      case "deposed":
        this.counts.depositions++;
        this.#say(node, `deposed: ${effect.text}`);
        return this.#step(node, effect);
      case "saved":
        return this.#step(node, effect);
      case "no-host":
      case "trouble":
      case "recovered":
      case "left":
        return;
      default:
        return unreachable(effect);
    }
  }

  #request(node: SimNode, id: number, request: V3Request, attemptMs: number): void {
    const { lostRequests, lostAnswers } = this.faults;
    const unanswered = { kind: "unanswered", id, text: "no answer", refused: false } as const;
    const answer = (event: ElectionEvent, delayMs: number) =>
      this.#later(node, delayMs, () => this.#elect(node, event));
    if (node.etcdCutUntil > this.now || (this.#isFaulty && this.#prng.chance(lostRequests, 100))) {
      return answer(unanswered, attemptMs);
    }
    this.#at(this.#delay(), () => {
      const result = this.etcd.apply(request, this.now);
      if (this.#isFaulty && this.#prng.chance(lostAnswers, 100)) return answer(unanswered, attemptMs);
      if (typeof result === "string") return answer({ ...unanswered, text: result, refused: true }, 1);
      answer({ kind: "answered", id, answer: result }, this.#delay());
    });
  }

  #watch(node: SimNode, key: string, fromRevision: number, election: HostElection): void {
    let next = fromRevision;
    const { life } = node;
    const look = () => {
      if (node.life !== life || node.election !== election) return;
      const changes = node.etcdCutUntil > this.now ? [] : this.etcd.changesSince(key, next) ?? [];
      if (changes.length > 0) {
        next = changes.at(-1)!.revision + 1;
        this.#in(node, () => this.#elect(node, { kind: "changed", changes }));
      }
      this.#at(30, look);
    };
    look();
  }

  // What goes wrong.

  #mischief(): void {
    this.#looseEnds();
    if (!this.#isFaulty) return;
    const { freezes, deaths, cuts, etcdCuts, failures, ttlMs } = this.faults;
    const happens = (thousandths: number) => this.#prng.chance(thousandths, 1000);
    const node = this.#prng.pick(this.nodes), other = this.#prng.pick(this.nodes);
    const aWhile = () => this.#prng.below(3 * ttlMs);
    if (happens(freezes) && node.alive && node.frozenUntil <= this.now) {
      node.frozenUntil = this.now + aWhile();
      this.#say(node, "frozen");
      this.#at(node.frozenUntil - this.now, () => this.#thaw(node));
    }
    if (happens(deaths) && node.alive) {
      this.#die(node);
      this.#at(aWhile(), () => !node.alive ? this.#begin(node) : undefined);
    }
    if (happens(cuts) && node !== other) {
      this.#cuts.set([node.id, other.id].sort().join(), this.now + aWhile());
    }
    if (happens(etcdCuts)) {
      node.etcdCutUntil = this.now + aWhile();
      this.#say(node, "loses etcd");
    }
    const { seat } = node;
    if (happens(failures) && seat !== null && !node.told) {
      this.#in(node, () => {
        if (node.seat !== seat || node.told) return;
        const { round } = seat;
        const failure = { kind: "worker", text: "lost a worker", exitCode: 1 } as const;
        this.#stopWorkers(node, this.#prng.below(this.faults.stopMs));
        this.#step(node, { kind: "request", request: { kind: "failed", round, failure } });
      });
    }
  }

  /** Sessions across a cut end after their time to resume; those with a frozen side after its silence. */
  #looseEnds(): void {
    for (const session of this.#sessions) {
      const { guest, host } = session;
      const isSilent = [guest, host].some(({ frozenUntil }) => frozenUntil - this.now > this.faults.ttlMs);
      if (this.#isCut(guest, host) || isSilent) this.#break(session, "lost");
    }
  }

  // What must hold.

  /** Whether it has workers that run; those of a node that was frozen until now have a moment to be ended. */
  #hasWorkers({ seat, alive, frozenUntil, thawedAt }: SimNode): boolean {
    return seat !== null && alive && frozenUntil <= this.now && this.now - thawedAt > 2 * KILL_MS;
  }

  /** A round begins only when nothing is alive on the node that hosted an earlier one. */
  #checkDeposed(node: SimNode, { round }: Seat): void {
    if (!this.#hasWorkers(node) || node.seatHost !== node.id || node.seat!.round >= round) return;
    throw new Error(`Round ${round} begins while ${node.id}, host once, has workers of ${node.seat!.round}`);
  }

  /** Never two whole worlds of workers that run, nor workers for long of which no host knows. */
  #checkWorlds(): void {
    const worlds = new Map<string, { count: number; size: number }>();
    for (const node of this.nodes) {
      if (!this.#hasWorkers(node)) continue;
      const seat = node.seat!;
      const orphanedMs = this.now - Math.max(node.lostAt ?? this.now, node.thawedAt);
      assert(
        orphanedMs <= orphanMs(this.faults.ttlMs) + 2 * KILL_MS,
        `${node.id} has workers of round ${seat.round}, and has lost its host for ${orphanedMs} ms`,
      );
      const key = `${seat.round} at ${seat.store.address}:${seat.store.port}`;
      worlds.set(key, { count: (worlds.get(key)?.count ?? 0) + 1, size: seat.groupWorldSize });
    }
    const whole = [...worlds].filter(([, { count, size }]) => count === size);
    assert(whole.length <= 1, `Two worlds at once: rounds ${whole.map(([key]) => key).join(" and ")}`);
  }

  /** All run together; or the job has ended, and who came after its end waits or has begun it anew with the others. */
  #checkSettled(): void {
    const left = this.nodes.filter(({ outcome }) => outcome === null);
    const rounds = new Set(left.map(({ seat, told }) => seat === null || told ? null : seat.round));
    const states = this.nodes.map(({ id, seat, told, outcome }) =>
      `${id}: ${seat?.round} ${told} ${outcome}`
    );
    const hasEnded = left.length < this.nodes.length;
    const areTooFew = hasEnded && left.length < this.faults.nodesMin &&
      left.every(({ seat }) => seat === null);
    assert(left.length === 0 || areTooFew || (rounds.size === 1 && !rounds.has(null)), states.join(", "));
    if (hasEnded) this.counts.ended++;
  }

  #say(node: SimNode, text: string): void {
    this.trace.push(`${(this.now / 1000).toFixed(3)} ${node.id}: ${text}`);
  }
}
