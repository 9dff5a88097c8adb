/**
 * Agents that stand for host over a model of etcd: requests and answers that are lost, late or arrive long after they were
 * given up, partitions, agents that freeze, die and come back, clocks that run apart. Each agent completes rounds the
 * way a coordinator does: a round counts once it is saved. One seed is the whole story.
 */

import { assert, unreachable } from "../../lib/core/assert.ts";
import { fromUtf8, utf8 } from "../../lib/core/bytes.ts";
import { Prng } from "../../lib/core/prng.ts";
import type { ElectionEffect, ElectionEvent } from "../../lib/etcd/election_event.ts";
import { HostElection } from "../../lib/etcd/host_election.ts";
import type { V3Request } from "../../lib/etcd/v3_wire.ts";
import { EtcdModel } from "./etcd_model.ts";

export interface ElectionFaults {
  readonly agents: number;
  readonly ttlMs: number;
  /** Of a hundred requests, so many get lost on the way there, and on the way back. */
  readonly lostRequests: number;
  readonly lostAnswers: number;
  /** Of a hundred lost requests, so many arrive all the same, up to a minute later. */
  readonly late: number;
  readonly delayMsMax: number;
  /** How often, in a hundred seconds, something happens to some agent. */
  readonly freezes: number;
  readonly partitions: number;
  readonly deaths: number;
  readonly compactions: number;
  /** Whether others report a dead host at once, and now and then, wrongly, a living one. */
  readonly proofs: boolean;
  /** In thousandths: how much clocks run apart. */
  readonly drift: number;
}

export function electionFaultsOf(seed: number): ElectionFaults {
  const prng = new Prng(seed);
  const some = (most: number) => (prng.chance(1, 3) ? 0 : prng.below(most + 1));
  return {
    agents: 1 + prng.below(5),
    ttlMs: prng.pick([3_000, 6_000, 15_000]),
    lostRequests: some(30),
    lostAnswers: some(30),
    late: some(100),
    delayMsMax: prng.pick([2, 50, 1_000]),
    freezes: some(20),
    partitions: some(20),
    deaths: some(10),
    compactions: some(10),
    proofs: prng.chance(1, 2),
    drift: some(20),
  };
}

interface Agent {
  readonly name: string;
  election: HostElection;
  /** Its own clock: world time × rate + offset. */
  readonly rate: number;
  readonly offset: number;
  alive: boolean;
  incarnation: number;
  frozenUntil: number;
  cutUntil: number;
  /** What arrived while it was frozen. */
  readonly inbox: ElectionEvent[];
  /** After it was deposed: when nothing of its world is alive any more. */
  worldUntil: number;
  /** As its owner knows it. */
  reign: { epoch: number; round: number } | null;
  savingRound: number | null;
  watch: { key: string; next: number } | null;
  knows: { epoch: number; node: string } | null;
}

interface Happening {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class ElectionWorld {
  readonly faults: ElectionFaults;
  readonly model: EtcdModel;
  readonly agents: Agent[] = [];
  /** By round, who completed it. */
  readonly completed = new Map<number, { readonly epoch: number; readonly agent: string }>();
  readonly trace: string[] = [];
  /** For what was found: how much happened. */
  readonly counts = { elections: 0, depositions: 0, rounds: 0, removals: 0 };
  now = 0;
  #order = 0;
  #saves = 0;
  readonly #heap: Happening[] = [];
  readonly #prng: Prng;
  #faulty = true;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
    this.faults = electionFaultsOf(seed);
    const drift = () => 1 + (this.#prng.below(2 * this.faults.drift + 1) - this.faults.drift) / 1000;
    this.model = new EtcdModel(drift());
    for (let index = 0; index < this.faults.agents; index++) {
      const name = `node-${index}`;
      this.agents.push({
        name,
        election: this.#newElection(name),
        rate: drift(),
        offset: this.#prng.below(1_000_000),
        alive: true,
        incarnation: 0,
        frozenUntil: 0,
        cutUntil: 0,
        inbox: [],
        worldUntil: 0,
        reign: null,
        savingRound: null,
        watch: null,
        knows: null,
      });
    }
  }

  /** Runs with faults, then without, and throws what does not hold. */
  run(faultyMs: number, quietMs: number): void {
    for (const agent of this.agents) {
      this.#at(this.#prng.below(500), () => this.#step(agent, { kind: "stand", address: `${agent.name}:1` }));
    }
    this.#every(100, () => this.model.tick(this.now));
    this.#every(250, () => this.#work());
    this.#every(500, () => this.#mischief());
    this.#until(faultyMs);
    this.#faulty = false;
    for (const agent of this.agents) {
      agent.cutUntil = this.now;
      if (!agent.alive) this.#restart(agent);
      this.#thaw(agent);
    }
    this.#until(faultyMs + quietMs);
    this.#checkSettled();
  }

  #until(end: number): void {
    while (this.#heap.length > 0) {
      this.#heap.sort((a, b) => a.at - b.at || a.order - b.order);
      if (this.#heap[0]!.at > end) break;
      const next = this.#heap.shift()!;
      this.now = Math.max(this.now, next.at);
      next.run();
      this.#check();
    }
    this.now = end;
  }

  #at(delayMs: number, run: () => void): void {
    this.#heap.push({ at: this.now + delayMs, order: this.#order++, run });
  }

  #every(ms: number, run: () => void): void {
    this.#at(ms, () => {
      run();
      this.#every(ms, run);
    });
  }

  #newElection(name: string): HostElection {
    return new HostElection(
      { jobId: "job", nodeId: name, ttlMs: this.faults.ttlMs },
      this.#prng.split(),
    );
  }

  #clock(agent: Agent): number {
    return this.now * agent.rate + agent.offset;
  }

  #isRunning(agent: Agent): boolean {
    return agent.alive && agent.frozenUntil <= this.now;
  }

  #step(agent: Agent, event: ElectionEvent): void {
    if (!agent.alive) return;
    if (!this.#isRunning(agent)) {
      agent.inbox.push(event);
      return;
    }
    const effects = agent.election.step(event, this.#clock(agent));
    for (const effect of effects) this.#perform(agent, effect);
    this.#armWakeup(agent);
  }

  #armWakeup(agent: Agent): void {
    const at = agent.election.nextWakeup();
    if (at === undefined) return;
    const { election } = agent;
    const worldAt = (at - agent.offset) / agent.rate;
    this.#at(Math.max(0, worldAt - this.now) + 0.001, () => {
      if (agent.election === election && election.nextWakeup() === at) this.#step(agent, { kind: "wakeup" });
    });
  }

  #perform(agent: Agent, effect: ElectionEffect): void {
    switch (effect.kind) {
      case "request":
        return this.#request(agent, effect.id, effect.request, effect.attemptMs);
      case "watch":
        agent.watch = { key: effect.key, next: effect.fromRevision };
        return this.#pollWatch(agent, agent.watch);
      case "elected": {
        this.#say(agent, `elected, epoch ${effect.epoch}`);
        this.counts.elections++;
        const round = effect.job === null ? 0 : Number.parseInt(fromUtf8(effect.job));
        agent.reign = { epoch: effect.epoch, round };
        agent.savingRound = null;
        agent.knows = { epoch: effect.epoch, node: agent.name };
        return;
      }
      case "deposed": {
        this.#say(agent, `deposed: ${effect.text}`);
        this.counts.depositions++;
        agent.reign = null;
        const { incarnation } = agent;
        // What is left of its world is killed in time; then it stands again.
        const lifeMs = this.#prng.below(Math.floor(effect.lifeMs) + 1);
        agent.worldUntil = this.now + lifeMs / agent.rate;
        this.#at(lifeMs / agent.rate, () => {
          if (agent.incarnation === incarnation) {
            this.#step(agent, { kind: "stand", address: `${agent.name}:1` });
          }
        });
        return;
      }
      case "saved": {
        if (agent.reign === null || agent.savingRound === null) return;
        const round = agent.savingRound;
        agent.savingRound = null;
        agent.reign.round = round;
        const other = this.completed.get(round);
        assert(other === undefined, `Round ${round} was completed by ${other?.agent} and by ${agent.name}`);
        // A host that was wrongly taken for dead may hear late that it has saved a round; no other has that round.
        for (const [earlier, by] of this.faults.proofs ? [] : this.completed) {
          assert(
            earlier < round && by.epoch <= agent.reign.epoch,
            `Round ${round} of epoch ${agent.reign.epoch} was completed after round ${earlier} of epoch ${by.epoch}`,
          );
        }
        this.counts.rounds++;
        this.completed.set(round, { epoch: agent.reign.epoch, agent: agent.name });
        return this.#say(agent, `completed round ${round} in epoch ${agent.reign.epoch}`);
      }
      case "host-is":
        assert(
          effect.host.nodeId !== agent.name,
          `${agent.name} was told that it is the host, which it is not`,
        );
        agent.knows = { epoch: effect.host.epoch, node: effect.host.nodeId };
        return this.#say(agent, `host is ${effect.host.nodeId}, epoch ${effect.host.epoch}`);
      case "no-host":
        agent.knows = null;
        return this.#say(agent, "no host");
      case "trouble":
      case "recovered":
        return this.#say(agent, effect.kind);
      case "ended":
        throw new Error(`${agent.name} was told that the job has ended`);
      case "left":
        return;
      default:
        return unreachable(effect);
    }
  }

  #request(agent: Agent, id: number, request: V3Request, attemptMs: number): void {
    const { incarnation } = agent, { lostRequests, lostAnswers, late, delayMsMax } = this.faults;
    const delay = () => 0.1 + this.#prng.below(this.#faulty ? delayMsMax : 2);
    const answer = (event: ElectionEvent, delayMs: number) =>
      this.#at(delayMs, () => {
        if (agent.incarnation === incarnation) this.#step(agent, event);
      });
    const unanswered = { kind: "unanswered", id, text: "no answer", refused: false } as const;
    const isCut = () => agent.cutUntil > this.now;
    if (isCut() || (this.#faulty && this.#prng.chance(lostRequests, 100))) {
      answer(unanswered, attemptMs);
      if (this.#prng.chance(late, 100)) {
        this.#at(this.#prng.below(60_000), () => this.model.apply(request, this.now));
      }
      return;
    }
    this.#at(delay(), () => {
      const result = this.model.apply(request, this.now);
      if (isCut() || (this.#faulty && this.#prng.chance(lostAnswers, 100))) {
        return answer(unanswered, attemptMs);
      }
      if (typeof result === "string") return answer({ ...unanswered, text: result, refused: true }, delay());
      answer({ kind: "answered", id, answer: result }, delay());
    });
  }

  #pollWatch(agent: Agent, watch: { key: string; next: number }): void {
    this.#at(20 + this.#prng.below(20), () => {
      if (agent.watch !== watch || !agent.alive) return;
      if (agent.cutUntil <= this.now) {
        const changes = this.model.changesSince(watch.key, watch.next);
        if (changes === null) {
          agent.watch = null;
          return this.#step(agent, { kind: "watch-broken" });
        }
        if (changes.length > 0) {
          watch.next = changes.at(-1)!.revision + 1;
          this.#step(agent, { kind: "changed", changes });
        }
      }
      this.#pollWatch(agent, watch);
    });
  }

  /** Hosts complete rounds now and then; others report a dead host. */
  #work(): void {
    const isQuiet = !this.#faulty;
    for (const agent of this.agents) {
      if (!this.#isRunning(agent)) continue;
      if (agent.reign !== null && agent.savingRound === null && this.#prng.chance(1, 4)) {
        agent.savingRound = agent.reign.round + 1;
        this.#step(agent, {
          kind: "save",
          id: ++this.#saves,
          job: utf8(`${agent.savingRound} by ${agent.name}`),
        });
      } else if (this.faults.proofs && agent.knows !== null && agent.knows.node !== agent.name) {
        const host = this.agents.find(({ name }) => name === agent.knows?.node);
        if (host?.alive === false || (!isQuiet && this.#prng.chance(1, 50))) {
          this.counts.removals++;
          this.#step(agent, { kind: "host-died", epoch: agent.knows.epoch });
        }
      }
    }
  }

  #mischief(): void {
    if (!this.#faulty) return;
    const agent = this.#prng.pick(this.agents);
    const happens = (per100Seconds: number) => this.#prng.chance(per100Seconds, 200);
    if (happens(this.faults.freezes * 3) && this.#isRunning(agent)) {
      agent.frozenUntil = this.now + this.#prng.below(3 * this.faults.ttlMs);
      this.#say(agent, `frozen for ${Math.round(agent.frozenUntil - this.now)} ms`);
      this.#at(agent.frozenUntil - this.now, () => this.#thaw(agent));
    }
    if (happens(this.faults.partitions * 3)) {
      agent.cutUntil = this.now + this.#prng.below(3 * this.faults.ttlMs);
      this.#say(agent, `cut off for ${Math.round(agent.cutUntil - this.now)} ms`);
    }
    if (happens(this.faults.deaths * 3) && agent.alive) {
      agent.alive = false;
      agent.incarnation++;
      agent.worldUntil = 0;
      agent.reign = null;
      agent.watch = null;
      this.#say(agent, "dead");
      this.#at(this.#prng.below(2 * this.faults.ttlMs), () => this.#restart(agent));
    }
    if (happens(this.faults.compactions)) this.model.compactedBefore = this.model.revision;
  }

  #restart(agent: Agent): void {
    if (agent.alive) return;
    agent.alive = true;
    agent.incarnation++;
    agent.frozenUntil = this.now;
    agent.inbox.length = 0;
    agent.knows = null;
    agent.election = this.#newElection(agent.name);
    this.#say(agent, "back");
    this.#step(agent, { kind: "stand", address: `${agent.name}:1` });
  }

  #thaw(agent: Agent): void {
    if (!agent.alive || agent.frozenUntil > this.now) {
      if (this.#faulty || !agent.alive) return;
      agent.frozenUntil = this.now;
    }
    const inbox = agent.inbox.splice(0);
    this.#step(agent, { kind: "wakeup" });
    for (const event of inbox) this.#step(agent, event);
  }

  /** At any instant, of the agents that run, at most one takes itself for the host, or has what is left of its world. */
  #check(): void {
    const hosts = this.agents.filter((agent) => {
      if (!this.#isRunning(agent)) return false;
      if (agent.worldUntil > this.now) return true;
      if (agent.election.epoch === null) return false;
      // A wake-up that is due is about to depose it, before it does anything else.
      const due = agent.election.nextWakeup();
      return due === undefined || due > this.#clock(agent);
    });
    if (this.faults.proofs) return;
    assert(hosts.length <= 1, `Hosts at the same time: ${hosts.map(({ name }) => name).join(", ")}`);
  }

  #checkSettled(): void {
    const hosts = this.agents.filter(({ reign }) => reign !== null);
    assert(hosts.length === 1, `Long after the faults there are ${hosts.length} hosts`);
    const [host] = hosts;
    for (const { name, knows } of this.agents) {
      assert(
        knows?.node === host!.name && knows.epoch === host!.reign!.epoch,
        `${name} takes ${JSON.stringify(knows)} for the host, which is ${host!.name}, epoch ${
          host!.reign!.epoch
        }`,
      );
    }
  }

  #say(agent: Agent, text: string): void {
    this.trace.push(`${(this.now / 1000).toFixed(3)} ${agent.name}: ${text}`);
  }
}
