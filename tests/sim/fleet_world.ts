/**
 * A whole fleet in memory: launchers on machines, a network between them, and everything that a seed lets go wrong. What
 * must hold always is checked as it happens (`fleet_checks.ts`); when the faults are over, everybody must run, wait for
 * a seat or have ended within a stated time, and then end well.
 */

import { assert, assertDefined } from "../../lib/core/assert.ts";
import { Prng } from "../../lib/core/prng.ts";
import { begunAfter, type CensusChange } from "../../lib/rendezvous/census.ts";
import { GROUP_GRACE_MS, KILL_WAIT_MS, LEFTOVER_GRACE_MS } from "../../lib/supervise/stop_steps.ts";
import { Agenda } from "./control_network.ts";
import { FleetChecks } from "./fleet_checks.ts";
import { FAULTS_MS, type FleetFaults, isMild } from "./fleet_faults.ts";
import type { Hosting } from "./fleet_glue.ts";
import { Launcher, type LauncherWatch } from "./fleet_launcher.ts";
import { FleetNetwork } from "./fleet_network.ts";
import { SimProcess } from "./fleet_process.ts";
import { PLAN } from "./plan.ts";

const PORT = 29_400;
const LAUNCHERS_MAX = 14;
const NAMES = ["SIGTERM", "SIGINT"] as const;

export interface FleetTally {
  launchers: number;
  completed: number;
  takeovers: number;
  virtualMs: number;
  /** By kind. */
  readonly faults: Map<string, number>;
  readonly exitCodes: Map<number, number>;
  runningAtEnd: number;
}

export class FleetWorld {
  readonly #faults: FleetFaults;
  readonly #agenda = new Agenda();
  readonly #network: FleetNetwork;
  readonly #prng: Prng;
  readonly #launchers: Launcher[] = [];
  readonly #hostings: Hosting[] = [];
  readonly #checks: FleetChecks;
  readonly #tally: FleetTally;
  readonly #onLine: (line: string) => void;
  /** What the endpoint's machine keeps of the job, also when its launcher is killed. */
  readonly #disk: CensusChange[] = [];
  #machines = 0;
  #lastPort = 50_000;
  #areFaultsOver = false;

  /** `onLine`: told what happens, to find out why. */
  constructor(seed: number, faults: FleetFaults, onLine: (line: string) => void = () => {}) {
    this.#onLine = onLine;
    const prng = new Prng(seed ^ 0x5eed);
    this.#faults = faults;
    this.#network = new FleetNetwork(this.#agenda, prng.split(), faults.delayMs);
    this.#prng = prng;
    this.#checks = new FleetChecks(faults.settings, this.#launchers);
    this.#tally = {
      ...{ launchers: 0, completed: 0, takeovers: 0, virtualMs: 0, runningAtEnd: 0 },
      ...{ faults: new Map(), exitCodes: new Map() },
    };
    for (let node = 0; node < faults.nodeCount; node++) {
      const machine = this.#newMachine();
      this.#agenda.at(prng.below(prng.pick([1, 50, 2_000])), () => this.#launch(machine));
    }
  }

  run(): FleetTally {
    this.#plantFaults();
    this.#agenda.runUntil(FAULTS_MS);
    this.#endFaults();
    this.#agenda.runUntil(FAULTS_MS + this.#settlingMs);
    this.#checkSettled();
    this.#finish();
    this.#tally.virtualMs = this.#agenda.now;
    this.#tally.launchers = this.#launchers.length;
    this.#tally.completed = this.#checks.completed;
    this.#tally.takeovers = this.#hostings.filter(({ isTakeover }) => isTakeover).length;
    for (const { exitCode } of this.#launchers) {
      if (exitCode !== null) {
        this.#tally.exitCodes.set(exitCode, (this.#tally.exitCodes.get(exitCode) ?? 0) + 1);
      }
    }
    return this.#tally;
  }

  // Launchers.

  #newMachine(): string {
    return `10.0.0.${++this.#machines}`;
  }

  #launch(machine: string, name?: string): void {
    if (this.#launchers.length >= LAUNCHERS_MAX) return;
    const { settings, heartbeat, shutdownTimeoutMs, onTerm, workers, hasStableIds, hasRanks } = this.#faults;
    const index = this.#launchers.length;
    const nodeId = name ?? (hasStableIds ? `node-${machine}` : `node-${machine}-${index}`);
    const process = new SimProcess(this.#agenda, {
      machine,
      name: nodeId,
      clockOffsetMs: this.#prng.below(1_000_000),
    });
    const isEndpoint = machine === "10.0.0.1";
    let port = isEndpoint ? this.#network.listen(process, PORT) : null;
    const role = port === null ? "guest" : "host";
    if (port === null && settings.failover) port = this.#network.listen(process, 40_000 + index);
    const workerCount = 1 + this.#prng.below(2);
    const info = {
      ...{ nodeId, hostName: machine, address: null, workerCount, role: "default", interfaces: [] },
      ...{ nodeRank: hasRanks ? this.#prng.below(4) : null, schedulerRank: null, topologyKey: null },
      standbyPort: port === null ? null : Number(port.address.split(":")[1]),
    };
    const { jobId, nodesMin, nodesMax, maxRestarts } = settings;
    const plan = {
      ...PLAN,
      ...{ jobId, nodesMin, nodesMax, maxRestarts, workerCount, shutdownTimeoutMs, onTerm },
    };
    const launcher = new Launcher(
      {
        stopMs: shutdownTimeoutMs + GROUP_GRACE_MS + KILL_WAIT_MS,
        openPort: () => assertDefined(this.#network.listen(process, ++this.#lastPort) ?? undefined),
        ...{ process, network: this.#network, prng: this.#prng.split(), settings, info, heartbeat, port },
        begun: begunAfter(this.#disk),
        onCensus: (change) => this.#disk.push(change),
        endpoints: [`10.0.0.1:${PORT}`],
        hostings: this.#hostings,
        onSay: (text) => this.#say(`${nodeId}: ${text}`),
        onHostEvent: (hosting, event) => this.#checks.onHostEvent(hosting, event),
        onHostEffect: (hosting, effect) => this.#checks.onHostEffect(hosting, effect),
      },
      {
        ...{ plan, prng: this.#prng.split(), faults: workers, watch: this.#watch, storePort: 30_000 + index },
      },
    );
    launcher.areFaultsOver = this.#areFaultsOver;
    this.#launchers.push(launcher);
    this.#say(`${nodeId} starts as ${role}`);
    launcher.start(role);
  }

  #say(line: string): void {
    this.#onLine(`${this.#agenda.now} ${line}`);
  }

  readonly #watch: LauncherWatch = {
    onSpawn: (launcher, environment) => this.#checks.onSpawn(launcher, environment),
    onRunning: (launcher) => this.#checks.onRunning(launcher),
    onSay: (nodeId, text) => this.#say(`${nodeId}: ${text}`),
    onExit: ({ nodeId, workers }, code) => {
      this.#say(`${nodeId} exits with ${code}`);
      const left = workers.filter(({ isAlive, unkillable }) => isAlive && !unkillable);
      assert(left.length === 0, `${nodeId} exits with ${code} and leaves ${left.length} processes`);
    },
  };

  get #alive(): Launcher[] {
    return this.#launchers.filter(({ isAlive, exitCode }) => isAlive && exitCode === null);
  }

  // What goes wrong.

  #plantFaults(): void {
    const { everyMs } = this.#faults;
    const prng = this.#prng;
    const anyAlive = () => (this.#alive.length === 0 ? undefined : prng.pick(this.#alive));
    const anyPipe = () => {
      const { pipes } = this.#network;
      return pipes.length === 0 ? undefined : prng.pick(pipes);
    };
    const soon = () => prng.below(20);
    this.#every("crash", everyMs.crash, () => {
      const launcher = anyAlive();
      if (launcher !== undefined) this.#crash(launcher);
    });
    this.#every("powerLoss", everyMs.powerLoss, () => {
      const machine = anyAlive()?.process.machine;
      if (machine === undefined) return;
      this.#network.losePower(machine);
      for (const launcher of this.#alive) if (launcher.process.machine === machine) this.#crash(launcher);
      this.#agenda.after(prng.pick([200, 2_000, 20_000]), () => this.#network.restorePower(machine));
    });
    this.#every("freeze", everyMs.freeze, () => {
      anyAlive()?.process.freeze(this.#agenda.now + prng.pick([100, 500, 2_000, 8_000]));
    });
    this.#every("newcomer", everyMs.newcomer, () => this.#launch(this.#newMachine()));
    this.#every("sigterm", everyMs.sigterm, () => anyAlive()?.signal(NAMES[0]));
    this.#every("sigint", everyMs.sigint, () => anyAlive()?.signal(NAMES[1]));
    this.#every("cut", everyMs.cut, () => anyPipe()?.break([soon(), soon()]));
    this.#every("halfCut", everyMs.halfCut, () => {
      const late = prng.pick([100, 1_000, Infinity]);
      anyPipe()?.break(prng.chance(1, 2) ? [late, soon()] : [soon(), late]);
    });
    this.#every("stall", everyMs.stall, () => {
      const until = this.#agenda.now + prng.pick([50, 250, 1_000, 5_000]);
      anyPipe()?.stall(prng.chance(1, 2) ? 0 : 1, until);
    });
    this.#every("partition", everyMs.partition, () => this.#partition());
    this.#every("workerFailure", everyMs.workerFailure, () => anyAlive()?.endWorker(1 + prng.below(3)));
  }

  #crash(launcher: Launcher): void {
    const { machine, name } = launcher.process;
    this.#say(`${name} is gone`);
    launcher.crash();
    this.#network.closeAll(launcher.process);
    if (!this.#prng.chance(this.#faults.returns, 10)) return;
    const id = this.#faults.hasStableIds ? name : undefined;
    this.#agenda.after(this.#prng.pick([5, 100, 1_000, 5_000]), () => this.#launch(machine, id));
  }

  /** Some machines hear nothing of the others any more, or only one way. */
  #partition(): void {
    const prng = this.#prng;
    const machines = Array.from({ length: this.#machines }, (_, index) => `10.0.0.${index + 1}`);
    const isThere = new Map(machines.map((machine) => [machine, prng.chance(1, 2)]));
    const isOneWay = prng.chance(1, 4);
    for (const from of machines) {
      for (const to of machines) {
        if (isThere.get(from) === isThere.get(to) || (isOneWay && isThere.get(from))) continue;
        this.#network.block(from, to);
      }
    }
    this.#agenda.after(prng.pick([200, 1_000, 4_000, 10_000]), () => this.#network.mend());
  }

  #every(kind: string, meanMs: number, run: () => void): void {
    if (meanMs === Infinity) return;
    const again = () => {
      if (this.#areFaultsOver) return;
      this.#say(`fault: ${kind}`);
      this.#tally.faults.set(kind, (this.#tally.faults.get(kind) ?? 0) + 1);
      run();
      this.#agenda.after(1 + this.#prng.below(2 * meanMs), again);
    };
    this.#agenda.after(this.#prng.below(2 * meanMs), again);
  }

  #endFaults(): void {
    this.#areFaultsOver = true;
    for (const launcher of this.#launchers) launcher.areFaultsOver = true;
    this.#network.mend();
    for (let machine = 1; machine <= this.#machines; machine++) {
      this.#network.restorePower(`10.0.0.${machine}`);
    }
  }

  /** Until everybody runs or has ended: what was begun ends, and whoever waits has waited. */
  get #settlingMs(): number {
    const { settings: { joinMs, exitBarrierMs, lastCallMs }, workers, shutdownTimeoutMs, heartbeat } =
      this.#faults;
    const stopMs = shutdownTimeoutMs + GROUP_GRACE_MS + KILL_WAIT_MS +
      Math.max(LEFTOVER_GRACE_MS, shutdownTimeoutMs) + KILL_WAIT_MS;
    // A freeze or loss of power that began last is over then, and 20 s are the herald's longest pause and call.
    return 20_000 + 20_000 + workers.lifetimeMs + 2 * heartbeat.silenceMs + 2 * stopMs + lastCallMs +
      3 * joinMs +
      exitBarrierMs;
  }

  #checkSettled(): void {
    const worlds = this.#checks.complete;
    assert(worlds.length <= 1, `${worlds.length} worlds run when all is quiet`);
    const running = new Set(worlds.flat());
    for (const launcher of this.#alive) {
      if (running.has(launcher)) continue;
      // Some workers of its round may have ended well already.
      const { hosting, round } = launcher;
      const isInRound = this.#alive.some((one) =>
        one.hosting === hosting && one.round === round && one.alive.length > 0
      );
      const isWorkDone = this.#alive.some((one) => one.alive.length > 0);
      const isSpare = launcher.isSpare && isWorkDone;
      // A host without fail-over that was told to leave stays for the others.
      const staysAsHost = launcher.wasSignalled && launcher.fleet.hosting !== null && isWorkDone;
      assert(
        (hosting !== null && isInRound) || isSpare || staysAsHost,
        `${launcher.nodeId} neither runs nor has ended`,
      );
    }
    if (!isMild(this.#faults)) return;
    // Who came when the job was over already is told nothing.
    const codes = new Set(
      this.#launchers.flatMap(({ exitCode, fleet }) => fleet.hasMet ? exitCode ?? [] : []),
    );
    const failures = [...codes].filter((code) => code !== 0);
    if (failures.length > 0 && this.#alive.length === 0) {
      assert(codes.size === 1 || this.#faults.workers.succeeding > 0, `different exit codes: ${[...codes]}`);
    }
  }

  /** The job's end: all workers end well. */
  #finish(): void {
    const alive = this.#alive;
    this.#tally.runningAtEnd = alive.length;
    for (const launcher of alive) launcher.succeed();
    this.#agenda.runUntil(this.#agenda.now + 30_000);
    for (const { nodeId, exitCode, isAlive, wasSignalled } of alive) {
      assert(
        !isAlive && (exitCode === 0 || (wasSignalled && exitCode !== null)),
        `${nodeId} ended with ${exitCode}, though all succeeded`,
      );
    }
    for (const { workers, nodeId } of this.#launchers) {
      const left = workers.filter(({ isAlive, unkillable }) => isAlive && !unkillable);
      assert(left.length === 0, `${left.length} processes outlive ${nodeId}`);
    }
  }
}
