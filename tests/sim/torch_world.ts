/**
 * A job that our agents and torchrun's share, on a virtual clock and a store whose answers take their time. Nodes come
 * late, are killed, freeze and leave, workers fail; all of it follows from a seed. What must hold is checked at every
 * start of workers; when the faults are over, everybody must come to an end.
 */

import { assert } from "../../lib/core/assert.ts";
import { Prng } from "../../lib/core/prng.ts";
import type { MeetingNews, Seat } from "../../lib/rendezvous/meeting.ts";
import { TorchMeeting } from "../../lib/rendezvous/torch_meeting.ts";
import type { TorchMeetingEvent } from "../../lib/rendezvous/torch_meeting_events.ts";
import type { StoreAnswer, StoreOperation } from "../../lib/rendezvous/torch_operations.ts";
import type { TorchRules } from "../../lib/rendezvous/torch_rules.ts";
import { StoreDouble } from "../rendezvous/store_double.ts";
import { type Agent, torchrunAgent } from "./torchrun_model.ts";

export interface TorchSimResult {
  readonly rounds: number;
  readonly restarts: number;
  readonly faults: number;
  readonly virtualMs: number;
  readonly codes: readonly number[];
}

interface Workers {
  readonly round: number;
  readonly size: number;
  readonly groupRank: number;
  readonly place: string;
  state: "running" | "succeeded" | "failed";
}

const WALL_US = 1.7e15;
const FAULTS_END_MS = 120_000;
/** After the faults: join time and exit barrier of torchrun's, and some more. */
const END_MS = FAULTS_END_MS + 1_800_000;

abstract class SimNode {
  workers: Workers | null = null;
  isOver = false;
  isDead = false;
  frozenUntil = 0;
  thawedAt = 0;
  code: number | null = null;
  readonly held: (() => void)[] = [];

  constructor(readonly world: TorchWorld, readonly index: number, readonly kind: "muster" | "torchrun") {}

  get name(): string {
    return `${this.kind}${this.index}`;
  }

  get isActive(): boolean {
    return !this.isDead && !this.isOver;
  }

  abstract start(): void;
  abstract onWorkersEnded(): void;

  /** Runs `body` as this node: not when it is gone, and later while it is frozen. */
  act(body: () => void): void {
    if (!this.isActive) return;
    if (this.world.now < this.frozenUntil) this.held.push(body);
    else body();
  }

  end(code: number): void {
    this.code = code;
    this.isOver = true;
    this.workers = null;
    this.world.note(`${this.name} ends with ${code}`);
  }
}

class MusterNode extends SimNode {
  readonly #meeting: TorchMeeting;
  readonly #maxRestarts: number;
  readonly #port: number;
  #round: number | null = null;
  #restarts = 0;
  /** How the last round ended on this node, first cause first. */
  #ended: "failed" | "over" | null = null;
  #wakeAt = Infinity;

  constructor(
    world: TorchWorld,
    index: number,
    { rules, maxRestarts, skewUs }: { rules: TorchRules; maxRestarts: number; skewUs: number },
  ) {
    super(world, index, "muster");
    this.#maxRestarts = maxRestarts;
    this.#port = world.newPort();
    this.skewUs = skewUs;
    this.#meeting = new TorchMeeting({
      ...{ jobId: "job", me: world.nodeOf(index), rules, role: "default", workerCount: 1, maxRestarts },
      ...{ keepAliveMs: 5000, keepAliveAttempts: 3, backoffMsMax: 0, claimMs: 2000, joinMs: 600_000 },
      ...{ closeMs: 30_000, readMs: 60_000, exitBarrierMs: 300_000, isIdentical: false, sharesStore: true },
      ...{ version: "0", seed: index },
    });
  }

  readonly skewUs: number;

  start(): void {
    this.post({ kind: "join" });
  }

  leave(): void {
    this.post({ kind: "leave", signal: "SIGTERM", scope: "node" });
    if (this.#round !== null) this.#clear(this.#round);
  }

  post(event: TorchMeetingEvent): void {
    this.act(() => {
      for (const effect of this.#meeting.step(event, this.world.now)) {
        if (effect.kind === "ask") this.world.ask(this, effect.operation, (answer) => this.post(answer));
        if (effect.kind === "news") this.#onNews(effect.news);
      }
      this.#arm();
    });
  }

  #arm(): void {
    const at = this.#meeting.nextWakeup() ?? Infinity;
    if (at >= this.#wakeAt || !this.isActive) return;
    this.#wakeAt = at;
    this.world.at(at, () => {
      if (this.#wakeAt !== at) return;
      this.#wakeAt = Infinity;
      this.post({ kind: "wakeup" });
    });
  }

  #onNews(news: MeetingNews): void {
    switch (news.kind) {
      case "serve-store": {
        const store = {
          address: this.world.nodeOf(this.index).address,
          port: this.#port,
          hostedByLauncher: true,
        };
        return this.world.after(5, () => this.post({ kind: "store-served", round: news.round, store }));
      }
      case "round":
        return this.#run(news.seat);
      case "round-over":
        this.#ended ??= "over";
        return this.#clear(news.round);
      case "go-on":
        return this.world.after(1, () => this.post({ kind: "join" }));
      case "job-over":
        this.world.note(`${this.name}: ${news.outcome.text}`);
        return this.end(news.outcome.code);
    }
  }

  #run(seat: Seat): void {
    assert(seat.restartCount <= this.#maxRestarts, `${this.name} restarts more often than it may`);
    const restarts = this.#restarts + (this.#ended === "failed" ? 1 : 0);
    assert(
      seat.restartCount === restarts,
      `${this.name} counts ${seat.restartCount} restarts, not ${restarts}`,
    );
    this.#restarts = restarts;
    this.#ended = null;
    this.#round = seat.round;
    const place = `${seat.store.address}:${seat.store.port}`;
    this.world.startWorkers(this, {
      round: seat.round,
      size: seat.groupWorldSize,
      groupRank: seat.groupRank,
      place,
    });
    assert(seat.baseRank === seat.groupRank && seat.worldSize === seat.groupWorldSize, "One worker a node");
  }

  /** Ends the workers, which takes a while, and says so. */
  #clear(round: number): void {
    this.world.after(this.world.prng.below(2000), () => {
      this.act(() => {
        if (this.#round !== round) return;
        this.workers = null;
        this.#round = null;
        this.post({ kind: "cleared", round, report: null });
      });
    });
  }

  onWorkersEnded(): void {
    this.act(() => {
      const round = this.#round;
      if (round === null || this.workers?.round !== round) return;
      if (this.workers.state === "succeeded") return this.post({ kind: "succeeded", round });
      this.#ended ??= "failed";
      this.post({ kind: "failed", round, failure: { kind: "worker", text: "lost rank", exitCode: 1 } });
      this.#clear(round);
    });
  }
}

class TorchrunNode extends SimNode {
  readonly #agent: Agent;

  constructor(
    world: TorchWorld,
    index: number,
    { rules, maxRestarts }: { rules: TorchRules; maxRestarts: number },
  ) {
    super(world, index, "torchrun");
    this.#agent = torchrunAgent({
      ...{ me: world.nodeOf(index), rules, maxRestarts },
      now: () => world.now,
      wall: () => world.wall,
      newPort: () => world.newPort(),
      startWorkers: (seat) => world.startWorkers(this, seat),
      stopWorkers: () => this.workers = null,
      workers: () => this.workers?.state ?? "running",
    });
  }

  start(): void {
    this.#resume(null);
  }

  onWorkersEnded(): void {}

  #resume(answer: StoreAnswer | null): void {
    this.act(() => {
      const { done, value } = this.#agent.next(answer);
      if (done) return this.end(value);
      if ("sleepMs" in value) return this.world.after(value.sleepMs, () => this.#resume(null));
      this.world.ask(this, value.ask, (answer) => this.#resume(answer));
      if (value.ask.kind === "set-keys") this.world.after(1, () => this.#resume(null));
    });
  }
}

interface Happening {
  readonly at: number;
  readonly order: number;
  readonly body: () => void;
}

export class TorchWorld {
  readonly prng: Prng;
  readonly #delays: Prng;
  readonly #store = new StoreDouble();
  readonly #nodes: SimNode[] = [];
  readonly #queue: Happening[] = [];
  readonly #log: string[] = [];
  readonly #worlds = new Map<
    number,
    { size: number; place: string; ranks: Set<number>; hasMuster: boolean; members: string[] }
  >();
  readonly #ends = new Map<number, number>();
  readonly #seed: number;
  readonly #rules: TorchRules;
  #order = 0;
  #ports = 20_000;
  #restarts = 0;
  #faults = 0;
  now = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.prng = new Prng(seed);
    this.#delays = this.prng.split();
    const { prng } = this;
    const max = 1 + prng.below(5), min = 1 + prng.below(max);
    const rules = this.#rules = { nodesMin: min, nodesMax: max, lastCallMs: 1000 * (1 + prng.below(10)) };
    const maxRestarts = prng.below(4);
    const torchrunShare = prng.below(4);
    const isSkewed = torchrunShare === 0 && prng.chance(1, 2);
    // More nodes than seats, and torchrun's agents begin again for ever: those that wait stay on the wait list.
    const count = torchrunShare === 0 ? max + prng.below(3) : max;
    for (let index = 0; index < count; index++) {
      const options = { rules, maxRestarts, skewUs: isSkewed ? (prng.below(200_000) - 100_000) * 1e6 : 0 };
      const node = prng.below(3) < torchrunShare
        ? new TorchrunNode(this, index, options)
        : new MusterNode(this, index, options);
      this.#nodes.push(node);
      const late = prng.chance(1, 4) ? prng.below(90_000) : prng.below(2000);
      this.after(late, () => node.start());
    }
    this.note(
      `nodes ${min}:${max}, restarts ${maxRestarts}: ${this.#nodes.map(({ name }) => name).join(" ")}`,
    );
    this.#planFaults();
  }

  get wall(): number {
    return WALL_US + Math.round(1000 * this.now);
  }

  nodeOf(index: number) {
    return { address: `10.0.0.${(index * 7) % 10}`, pid: 100 + index, localId: 0 };
  }

  newPort(): number {
    return ++this.#ports;
  }

  note(text: string): void {
    this.#log.push(`${(this.now / 1000).toFixed(2)} ${text}`);
  }

  at(at: number, body: () => void): void {
    const happening = { at: Math.max(at, this.now), order: ++this.#order, body };
    let low = 0, high = this.#queue.length;
    while (low < high) {
      const middle = (low + high) >> 1, other = this.#queue[middle]!;
      if (other.at > happening.at || (other.at === happening.at && other.order > happening.order)) {
        low = middle + 1;
      } else high = middle;
    }
    this.#queue.splice(low, 0, happening);
  }

  after(ms: number, body: () => void): void {
    this.at(this.now + ms, body);
  }

  /** Carries an operation of `node` out, both ways by a slow network. */
  ask(node: SimNode, operation: StoreOperation, answer: (answer: StoreAnswer) => void): void {
    const delay = () => this.#delays.chance(1, 50) ? this.#delays.below(800) : 1 + this.#delays.below(8);
    const afterMs = operation.kind === "read-record" ? operation.afterMs : 0;
    const ticket = "ticket" in operation ? operation.ticket : 0;
    const unique = node.index * 1e9 + ticket;
    const own = ("ticket" in operation ? { ...operation, ticket: unique } : operation) as StoreOperation;
    const skew = node instanceof MusterNode ? node.skewUs : 0;
    this.after(afterMs + delay(), () => {
      this.#store.perform(own, 0, (found) => {
        this.after(delay(), () => {
          const mine = { ...found, ...("ticket" in found ? { ticket } : {}) } as StoreAnswer;
          answer(mine.kind === "record" ? { ...mine, wall: this.wall + skew } : mine);
        });
      });
      if (operation.kind === "get-keys") this.after(operation.limitMs, () => this.#store.expire(unique));
    });
  }

  startWorkers(node: SimNode, seat: Omit<Workers, "state">): void {
    const workers: Workers = { ...seat, state: "running" };
    node.workers = workers;
    this.note(`${node.name} runs round ${seat.round} as ${seat.groupRank} of ${seat.size} at ${seat.place}`);
    this.#check(node, seat);
    const { prng } = this;
    const end = this.#ends.get(seat.round) ?? this.now + 2000 + prng.below(60_000);
    this.#ends.set(seat.round, end);
    this.at(Math.max(end, this.now) + prng.below(300), () => this.#endWorkers(node, workers, "succeeded"));
    if (prng.chance(1, 6)) this.after(prng.below(30_000), () => this.#endWorkers(node, workers, "failed"));
  }

  run(): TorchSimResult {
    try {
      while (this.#queue.length > 0 && this.#nodes.some(({ isActive }) => isActive)) {
        const { at, body } = this.#queue.pop()!;
        this.now = at;
        assert(
          at < END_MS,
          `Not over: ${this.#nodes.filter(({ isActive }) => isActive).map(({ name }) => name).join(" ")}`,
        );
        body();
      }
      assert(!this.#nodes.some(({ isActive }) => isActive), "Somebody waits for nothing");
    } catch (error) {
      const log = this.#log.slice(-60).join("\n");
      throw new Error(`Seed ${this.#seed}: ${error instanceof Error ? error.message : error}\n${log}`, {
        cause: error,
      });
    }
    return {
      rounds: this.#worlds.size,
      restarts: this.#restarts,
      faults: this.#faults,
      virtualMs: this.now,
      codes: this.#nodes.filter(({ isDead }) => !isDead).map(({ code }) => code!),
    };
  }

  #check(node: SimNode, seat: Omit<Workers, "state">): void {
    const { nodesMin, nodesMax } = this.#rules;
    const isRight = seat.size >= nodesMin && seat.size <= nodesMax;
    assert(isRight || node.kind === "torchrun", `${node.name} runs in a world of ${seat.size}`);
    const world = this.#worlds.get(seat.round) ??
      { size: seat.size, place: seat.place, ranks: new Set(), hasMuster: false, members: [] };
    this.#worlds.set(seat.round, world);
    world.hasMuster ||= node.kind === "muster";
    world.members.push(node.name);
    if (world.hasMuster) {
      assert(world.size === seat.size, `Round ${seat.round} has sizes ${world.size} and ${seat.size}`);
      assert(
        world.place === seat.place,
        `Two worlds in round ${seat.round}: ${world.place} and ${seat.place}`,
      );
      assert(!world.ranks.has(seat.groupRank), `Round ${seat.round} has rank ${seat.groupRank} twice`);
    }
    world.ranks.add(seat.groupRank);
    for (const other of this.#nodes) {
      const isOld = other.kind === "muster" && other.isActive && other.workers?.state === "running" &&
        other.workers.round < seat.round && this.now > other.thawedAt + 10_000 &&
        this.now >= other.frozenUntil;
      assert(!isOld, `${other.name} runs round ${other.workers?.round} beside round ${seat.round}`);
    }
  }

  #endWorkers(node: SimNode, workers: Workers, state: "succeeded" | "failed"): void {
    if (node.workers !== workers || workers.state !== "running" || !node.isActive) return;
    // Frozen workers do nothing either.
    if (this.now < node.frozenUntil) {
      return this.at(node.frozenUntil + 1, () => this.#endWorkers(node, workers, state));
    }
    workers.state = state;
    this.note(`workers of ${node.name} in round ${workers.round} have ${state}`);
    if (state === "failed") {
      this.#restarts++;
      this.#loseWorkers(node, workers);
    }
    node.onWorkersEnded();
  }

  /** Most peers notice. */
  #loseWorkers(lost: SimNode, { round }: Workers): void {
    for (const node of this.#nodes) {
      const { workers } = node;
      if (node === lost || workers?.round !== round || this.prng.chance(3, 10)) continue;
      this.after(this.prng.below(5000), () => this.#endWorkers(node, workers, "failed"));
    }
  }

  #planFaults(): void {
    const { prng } = this;
    for (let count = prng.below(5); count > 0; count--) {
      const node = prng.pick(this.#nodes);
      const kind = prng.pick(["kill", "freeze", "leave"] as const);
      this.after(prng.below(FAULTS_END_MS), () => this.#fault(node, kind));
    }
  }

  #fault(node: SimNode, kind: "kill" | "freeze" | "leave"): void {
    if (!node.isActive) return;
    this.#faults++;
    this.note(`${kind} ${node.name}`);
    const { workers } = node;
    if (kind === "leave" && node instanceof MusterNode) {
      node.leave();
    } else if (kind === "freeze") {
      node.frozenUntil = this.now + 1000 + this.prng.below(30_000);
      this.at(node.frozenUntil + 1, () => {
        node.thawedAt = this.now;
        for (const body of node.held.splice(0)) node.act(body);
      });
      return;
    } else {
      node.isDead = true;
      node.workers = null;
    }
    if (workers !== null) this.#loseWorkers(node, workers);
  }
}
