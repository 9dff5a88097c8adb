/**
 * A launcher in the simulation: the real agent with its meeting, and workers that are made up. What `lib/host/launch.ts`
 * carries out is carried out here, with the same delays in the same places.
 */

import { Agent } from "../../lib/agent/agent.ts";
import type { AgentEffect } from "../../lib/agent/effect.ts";
import type { AgentEvent } from "../../lib/agent/event.ts";
import type { Verdict } from "../../lib/agent/report.ts";
import { assert, unreachable } from "../../lib/core/assert.ts";
import type { SignalName } from "../../lib/core/errors.ts";
import type { Prng } from "../../lib/core/prng.ts";
import type { LaunchPlan } from "../../lib/options/launch_plan.ts";
import type { MeetingNews } from "../../lib/rendezvous/meeting.ts";
import type { ExitStatus } from "../../lib/supervise/exit_status.ts";
import { type GlueParts, type Hosting, SimFleet } from "./fleet_glue.ts";
import { SimLoop, type SimProcess } from "./fleet_process.ts";

/** Chances of one in a hundred for each worker, and what else a launcher's machine may do wrong. */
export interface WorkerFaults {
  readonly failing: number;
  readonly succeeding: number;
  readonly stubborn: number;
  readonly unkillable: number;
  readonly refusedStarts: number;
  readonly refusedStores: number;
  readonly daemons: number;
  /** The longest time until a worker fails or succeeds. */
  readonly lifetimeMs: number;
}

export interface SimWorker {
  readonly localRank: number | null;
  readonly pid: number;
  readonly round: number;
  readonly stubborn: boolean;
  readonly unkillable: boolean;
  isAlive: boolean;
  /** Its end is decided; ends that were to come later do not. */
  endsAt: number;
}

export interface LauncherWatch {
  readonly onSpawn: (launcher: Launcher, environment: Readonly<Record<string, string>>) => void;
  readonly onRunning: (launcher: Launcher) => void;
  readonly onSay: (nodeId: string, text: string) => void;
  readonly onExit: (launcher: Launcher, code: number) => void;
}

/** So long it takes at most until the agent knows that a worker was started. */
const STARTED_MS = 2;
/** What a judge would say; the agent only keeps it. */
const VERDICT = { rootCause: null } as unknown as Verdict;

export class Launcher {
  readonly process: SimProcess;
  readonly fleet: SimFleet;
  readonly nodeId: string;
  /** Where it serves the workers' store, if it is asked to. */
  readonly storePort: number;
  readonly workers: SimWorker[] = [];
  readonly plan: LaunchPlan;
  readonly #agent: Agent;
  readonly #loop: SimLoop<AgentEvent, AgentEffect>;
  readonly #prng: Prng;
  readonly #faults: WorkerFaults;
  readonly #watch: LauncherWatch;
  /** Whose round this node is in. */
  hosting: Hosting | null = null;
  round = -1;
  exitCode: number | null = null;
  isSpare = false;
  wasSignalled = false;
  /** No new fault begins. */
  areFaultsOver = false;
  #nextPid = 1;

  constructor(
    glue: Omit<GlueParts, "onNews">,
    { plan, prng, faults, watch, storePort }: {
      readonly plan: LaunchPlan;
      readonly prng: Prng;
      readonly faults: WorkerFaults;
      readonly watch: LauncherWatch;
      readonly storePort: number;
    },
  ) {
    this.storePort = storePort;
    this.process = glue.process;
    this.nodeId = glue.info.nodeId;
    this.plan = plan;
    this.#prng = prng;
    this.#faults = faults;
    this.#watch = watch;
    this.#agent = new Agent(plan, "0123456789abcdef");
    this.#loop = new SimLoop(this.process, this.#agent, (effect) => this.#perform(effect));
    this.fleet = new SimFleet({ ...glue, onNews: (news, hosting) => this.#hearNews(news, hosting) });
  }

  start(role: "host" | "guest"): void {
    this.process.post(() => {
      this.fleet.start(role);
      this.#loop.post({ kind: "start" });
    });
  }

  get isAlive(): boolean {
    return this.process.isAlive;
  }

  /** All workers of the present round run. */
  get isRunning(): boolean {
    return this.isAlive && this.alive.length === this.plan.workerCount;
  }

  /** Workers of the present round that have not ended. */
  get alive(): SimWorker[] {
    return this.workers.filter(({ isAlive, localRank, round }) =>
      isAlive && localRank !== null && round === this.round
    );
  }

  signal(signal: SignalName): void {
    this.wasSignalled = true;
    this.process.post(() => this.#loop.post({ kind: "signal", signal }));
  }

  /** The process is gone, and the guard ends its workers. */
  crash(): void {
    this.process.isAlive = false;
    for (const worker of this.workers) worker.isAlive = false;
  }

  /** A worker of the present round ends by itself, after it is known to have been started. */
  endWorker(code: number): void {
    const worker = this.alive[0];
    if (worker !== undefined) this.#end(worker, STARTED_MS + 1, { kind: "exited", code });
  }

  succeed(): void {
    for (const worker of this.alive) {
      this.#end(worker, 1 + this.#prng.below(500), { kind: "exited", code: 0 });
    }
  }

  #post(event: AgentEvent, delayMs = 0): void {
    this.process.after(delayMs, () => this.#loop.post(event));
  }

  /** News with a verdict wait for the module that reads it. */
  #hearNews(news: MeetingNews, hosting: Hosting | null): void {
    if (news.kind === "round") {
      this.hosting = hosting;
      this.round = news.seat.round;
    }
    if (news.kind === "waiting") this.isSpare = news.waiting?.text.startsWith("for a free seat") ?? false;
    if (news.kind === "round") this.isSpare = false;
    const bytes = news.kind === "job-over"
      ? news.outcome.verdict
      : news.kind === "go-on"
      ? news.verdict
      : null;
    if (bytes === null) this.#loop.post({ kind: "news", news, verdict: null });
    else this.#post({ kind: "news", news, verdict: VERDICT }, this.#prng.below(20));
  }

  #chance(percent: number): boolean {
    return !this.areFaultsOver && this.#prng.chance(percent, 100);
  }

  #perform(effect: AgentEffect): void {
    const prng = this.#prng;
    switch (effect.kind) {
      case "request":
        if (effect.request.kind === "running") this.#watch.onRunning(this);
        return this.fleet.request(effect.request);
      case "open-store": {
        if (this.#chance(this.#faults.refusedStores)) {
          return this.#post({ kind: "not-possible", reason: "Cannot open the store" }, prng.below(5));
        }
        return this.#post({ kind: "store-ready", address: "", port: this.storePort }, prng.below(5));
      }
      case "prepare-attempt": {
        const left = this.workers.filter(({ isAlive, unkillable }) => isAlive && !unkillable);
        assert(left.length === 0, `${this.nodeId} prepares a round beside workers of the one before`);
        return this.#post({ kind: "attempt-ready", errorFiles: [] }, prng.below(5));
      }
      case "spawn":
        return this.#spawn(effect);
      case "signal":
        for (const worker of this.workers) {
          const isMeant = worker.localRank === effect.localRank ||
            (effect.target === "group" && worker.localRank === null);
          if (worker.isAlive && worker.round === this.round && isMeant) this.#signal(worker, effect.signal);
        }
        return;
      case "sweep": {
        const left = this.workers.filter(({ isAlive, localRank }) => isAlive && localRank === null);
        const leftovers = left.map(({ pid }) => ({ pid, command: "daemon" }));
        return this.#post({ kind: "swept", leftovers }, prng.below(3));
      }
      case "signal-leftovers":
        for (const { pid } of effect.leftovers) {
          const worker = this.workers.find((one) => one.pid === pid);
          if (worker?.isAlive) this.#signal(worker, effect.signal);
        }
        return;
      case "judge":
        return this.#post({ kind: "judged", verdict: VERDICT, report: new Uint8Array([1]) }, prng.below(30));
      case "exit":
        this.exitCode = effect.code;
        this.#loop.close();
        this.#watch.onExit(this, effect.code);
        // Its output drains before the meeting is closed.
        return this.process.after(prng.below(20), () => {
          this.fleet.close();
          this.process.isAlive = false;
        });
      case "say":
        return this.#watch.onSay(this.nodeId, effect.text);
      case "waiting":
      case "report":
      case "signal-pid":
        return;
      default:
        return unreachable(effect);
    }
  }

  #spawn({ localRank, environment }: Extract<AgentEffect, { kind: "spawn" }>): void {
    const prng = this.#prng;
    if (this.#chance(this.#faults.refusedStarts)) {
      return this.#post({ kind: "worker-not-started", localRank, reason: "Cannot start it" }, prng.below(3));
    }
    this.#watch.onSpawn(this, environment);
    const worker: SimWorker = {
      ...{ localRank, pid: this.#nextPid++, round: this.round, isAlive: true, endsAt: Infinity },
      stubborn: this.#chance(this.#faults.stubborn),
      unkillable: this.#chance(this.#faults.unkillable),
    };
    this.workers.push(worker);
    this.#post({ kind: "worker-started", localRank, pid: worker.pid }, prng.below(STARTED_MS + 1));
    const lifeMs = 5 + prng.below(this.#faults.lifetimeMs);
    if (this.#chance(this.#faults.failing)) {
      this.#end(worker, lifeMs, { kind: "exited", code: 1 + prng.below(4) });
    } else if (this.#chance(this.#faults.succeeding)) this.#end(worker, lifeMs, { kind: "exited", code: 0 });
    if (this.#chance(this.#faults.daemons)) {
      const pid = this.#nextPid++;
      this.workers.push({ ...worker, localRank: null, pid, unkillable: false, endsAt: Infinity });
    }
  }

  #signal(worker: SimWorker, signal: SignalName): void {
    if (worker.unkillable || (worker.stubborn && signal !== "SIGKILL")) return;
    this.#end(worker, signal === "SIGKILL" ? 1 : 1 + this.#prng.below(50), { kind: "signalled", signal });
  }

  #end(worker: SimWorker, delayMs: number, status: ExitStatus): void {
    const at = this.process.agenda.now + delayMs;
    if (worker.endsAt <= at) return;
    worker.endsAt = at;
    this.process.agenda.at(at, () => {
      if (worker.endsAt !== at || !worker.isAlive) return;
      worker.isAlive = false;
      const { localRank } = worker;
      this.#post(localRank === null ? { kind: "orphan-ended" } : { kind: "worker-ended", localRank, status });
    });
  }
}
