/**
 * A machine that exists only in memory: virtual time, fake workers with their children and daemons, signals that
 * they obey, ignore or can't obey. One seed is the whole story of a run.
 */

import { Agent } from "../../lib/agent/agent.ts";
import type { AgentEffect } from "../../lib/agent/effect.ts";
import type { AgentEvent } from "../../lib/agent/event.ts";
import type { FailedAttempt } from "../../lib/agent/facts.ts";
import { judge } from "../../lib/agent/report.ts";
import { assert, unreachable } from "../../lib/core/assert.ts";
import type { SignalName } from "../../lib/core/errors.ts";
import { Prng } from "../../lib/core/prng.ts";
import type { LaunchPlan } from "../../lib/options/launch_plan.ts";
import { LoneNode } from "../../lib/rendezvous/lone_node.ts";
import type { ExitStatus } from "../../lib/supervise/exit_status.ts";
import { UNKNOWN_MACHINE } from "../agent/attempts.ts";

/** What the seed decided may go wrong in this run; printed when a check fails. */
export interface Faults {
  readonly workerCount: number;
  readonly maxRestarts: number;
  readonly shutdownTimeoutMs: number;
  /** Of ten workers, this many fail in an attempt. */
  readonly failing: number;
  /** Of ten workers, this many ignore SIGTERM. */
  readonly stubborn: number;
  /** Of ten workers, this many leave a process behind. */
  readonly daemons: number;
  /** Of a hundred workers, this many survive SIGKILL. */
  readonly unkillable: number;
  /** Of a hundred starts, this many are refused by the system. */
  readonly refusedStarts: number;
  /** Signals that arrive, with their instants. */
  readonly signals: readonly { readonly at: number; readonly signal: SignalName }[];
}

export function faultsOf(seed: number): Faults {
  const prng = new Prng(seed);
  const some = (usually: number) => (prng.chance(1, 3) ? 0 : prng.below(usually + 1));
  const signalCount = prng.chance(1, 2) ? 0 : 1 + prng.below(3);
  return {
    workerCount: 1 + prng.below(8),
    maxRestarts: prng.below(4),
    shutdownTimeoutMs: prng.pick([0, 100, 2_000, 30_000]),
    failing: some(4),
    stubborn: some(5),
    daemons: some(4),
    unkillable: prng.chance(1, 5) ? prng.below(20) : 0,
    refusedStarts: prng.chance(1, 5) ? prng.below(20) : 0,
    signals: Array.from({ length: signalCount }, () => ({
      at: prng.below(8_000),
      signal: prng.pick<SignalName>(["SIGTERM", "SIGINT", "SIGHUP"]),
    })).sort((a, b) => a.at - b.at),
  };
}

interface FakeProcess {
  readonly pid: number;
  /** Null: a process that a worker left behind. */
  readonly localRank: number | null;
  readonly attempt: number;
  readonly stubborn: boolean;
  readonly unkillable: boolean;
  alive: boolean;
}

export interface Outcome {
  readonly exitCode: number;
  readonly attempts: number;
  readonly endedAt: number;
  readonly said: readonly string[];
  readonly alive: readonly FakeProcess[];
  readonly signalled: boolean;
  readonly refused: boolean;
  readonly lastAttemptSucceeded: boolean;
}

const STEPS_MAX = 100_000;

export class World {
  readonly #prng: Prng;
  readonly #faults: Faults;
  readonly #agent: Agent;
  readonly #node: LoneNode;
  readonly #events: { at: number; order: number; event: AgentEvent }[] = [];
  readonly #processes: FakeProcess[] = [];
  readonly #said: string[] = [];
  /** When each process that has been told to end will have ended. */
  readonly #ends = new Map<FakeProcess, number>();
  #now = 0;
  #order = 0;
  #nextPid = 1000;
  #attempts = 0;
  #exitCode: number | undefined;
  #signalled = false;
  #refused = false;

  constructor(seed: number, faults: Faults, plan: LaunchPlan) {
    this.#prng = new Prng(seed ^ 0x5eed);
    this.#faults = faults;
    this.#agent = new Agent(plan, "0123456789abcdef");
    this.#node = new LoneNode(plan);
  }

  /** Runs until the agent exits; throws when it never does. */
  run(): Outcome {
    this.#later(0, { kind: "start" });
    for (const { at, signal } of this.#faults.signals) this.#later(at, { kind: "signal", signal });
    for (let step = 0; this.#exitCode === undefined; step++) {
      assert(step < STEPS_MAX, "The agent does not come to an end");
      const next = this.#takeNext();
      if (next.event.kind === "signal") this.#signalled = true;
      if (next.event.kind === "worker-ended") this.#bury(next.event.localRank);
      for (const effect of this.#agent.step(next.event, this.#now)) this.#perform(effect);
    }
    const last = this.#agent.workers;
    return {
      exitCode: this.#exitCode,
      attempts: this.#attempts,
      endedAt: this.#now,
      said: this.#said,
      alive: this.#processes.filter((process) => process.alive),
      signalled: this.#signalled,
      refused: this.#refused,
      lastAttemptSucceeded: last.every(({ status }) => status?.kind === "exited" && status.code === 0),
    };
  }

  #takeNext(): { event: AgentEvent } {
    this.#events.sort((a, b) => a.at - b.at || a.order - b.order);
    const wakeup = this.#agent.nextWakeup();
    const first = this.#events[0];
    if (wakeup !== undefined && (first === undefined || wakeup < first.at)) {
      this.#now = Math.max(this.#now, wakeup);
      return { event: { kind: "wakeup" } };
    }
    assert(first !== undefined, "The agent waits for nothing and does not exit");
    this.#events.shift();
    this.#now = Math.max(this.#now, first.at);
    return first;
  }

  /** The worker of this attempt with `localRank` is no more. */
  #bury(localRank: number): void {
    const process = this.#processes.find((p) =>
      p.alive && p.attempt === this.#attempts && p.localRank === localRank
    );
    assert(process !== undefined, "A worker ends that does not live");
    process.alive = false;
  }

  #later(delayMs: number, event: AgentEvent): void {
    this.#events.push({ at: this.#now + delayMs, order: this.#order++, event });
  }

  #perform(effect: AgentEffect): void {
    switch (effect.kind) {
      case "request":
        for (const news of this.#node.request(effect.request, this.#now)) {
          this.#later(0, { kind: "news", news, verdict: null });
        }
        return;
      case "waiting":
        return;
      case "open-store":
        return this.#later(this.#prng.below(5), { kind: "store-ready", address: "127.0.0.1", port: 29500 });
      case "prepare-attempt":
        assert(
          !this.#processes.some((p) => p.alive && !p.unkillable),
          "An attempt starts while another's process lives",
        );
        this.#attempts++;
        return this.#later(this.#prng.below(5), { kind: "attempt-ready", errorFiles: [] });
      case "spawn":
        return this.#spawn(effect.localRank);
      case "signal":
        for (const process of this.#targets(effect.localRank, effect.target)) {
          this.#signal(process, effect.signal);
        }
        return;
      case "signal-leftovers":
        for (const { pid } of effect.leftovers) {
          const process = this.#processes.find((candidate) => candidate.pid === pid);
          assert(
            process !== undefined && process.localRank === null,
            "Only leftovers are signalled as leftovers",
          );
          this.#signal(process, effect.signal);
        }
        return;
      case "sweep": {
        const left = this.#processes.filter((process) => process.alive && process.localRank === null);
        return this.#later(this.#prng.below(3), {
          kind: "swept",
          leftovers: left.map(({ pid }) => ({ pid, command: "daemon" })),
        });
      }
      case "judge":
        return this.#later(this.#prng.below(20), {
          kind: "judged",
          verdict: judge(failedAttempt(this.#agent, this.#faults)),
          report: null,
        });
      case "say":
        this.#said.push(`${this.#now} ${effect.text}`);
        return;
      case "exit":
        this.#exitCode = effect.code;
        return;
      case "report":
      case "signal-pid":
        return;
      default:
        return unreachable(effect);
    }
  }

  #spawn(localRank: number): void {
    const prng = this.#prng;
    if (prng.chance(this.#faults.refusedStarts, 100)) {
      this.#refused = true;
      return this.#later(prng.below(3), { kind: "worker-not-started", localRank, reason: "Cannot start it" });
    }
    const process: FakeProcess = {
      pid: this.#nextPid++,
      localRank,
      attempt: this.#attempts,
      stubborn: prng.chance(this.#faults.stubborn, 10),
      unkillable: prng.chance(this.#faults.unkillable, 100),
      alive: true,
    };
    this.#processes.push(process);
    this.#later(prng.below(3), { kind: "worker-started", localRank, pid: process.pid });
    const fails = prng.chance(this.#faults.failing, 10);
    this.#end(process, 3 + prng.below(10_000), { kind: "exited", code: fails ? 1 + prng.below(4) : 0 });
    if (prng.chance(this.#faults.daemons, 10)) {
      this.#processes.push({
        pid: this.#nextPid++,
        localRank: null,
        attempt: this.#attempts,
        stubborn: prng.chance(1, 2),
        unkillable: false,
        alive: true,
      });
    }
  }

  /** The process ends `delayMs` from now, unless it was to end sooner. */
  #end(process: FakeProcess, delayMs: number, status: ExitStatus): void {
    const at = this.#now + delayMs;
    if ((this.#ends.get(process) ?? Infinity) <= at) return;
    this.#ends.set(process, at);
    const { localRank } = process;
    for (let index = this.#events.length - 1; index >= 0; index--) {
      const event = this.#events[index]!.event;
      if (event.kind === "worker-ended" && event.localRank === localRank) this.#events.splice(index, 1);
    }
    if (localRank === null) {
      process.alive = false;
      return this.#later(delayMs, { kind: "orphan-ended" });
    }
    this.#events.push({ at, order: this.#order++, event: { kind: "worker-ended", localRank, status } });
  }

  #targets(localRank: number, target: "worker" | "group"): FakeProcess[] {
    const attempt = this.#attempts;
    return this.#processes.filter((process) =>
      process.alive && process.attempt === attempt &&
      (process.localRank === localRank || (target === "group" && process.localRank === null))
    );
  }

  #signal(process: FakeProcess, signal: SignalName): void {
    assert(process.alive, "A signal goes to a process that is gone");
    if (process.unkillable || (process.stubborn && signal !== "SIGKILL")) return;
    this.#end(process, signal === "SIGKILL" ? 1 : 1 + this.#prng.below(50), { kind: "signalled", signal });
  }
}

/** The facts of the attempt that just failed, as a host would collect them. */
function failedAttempt(agent: Agent, faults: Faults): FailedAttempt {
  return {
    jobId: "sim",
    host: "sim",
    groupRank: 0,
    role: "default",
    displayName: "sim.py",
    attempt: agent.attempt,
    maxRestarts: faults.maxRestarts,
    worldSize: faults.workerCount,
    workers: agent.workers.flatMap((worker) => {
      const { localRank, pid, status, endOrder, stopRequested } = worker;
      if (pid === undefined || status === undefined || endOrder === undefined) return [];
      return [{
        localRank,
        rank: localRank,
        pid,
        status,
        startedAt: 0,
        endedAt: endOrder,
        endedInstant: endOrder,
        endOrder,
        stoppedByUs: stopRequested,
        errorFile: null,
        tail: [],
        linesAfterFailure: 0,
        logFiles: [],
        endedByWatchdog: null,
      }];
    }),
    machine: UNKNOWN_MACHINE,
  };
}
