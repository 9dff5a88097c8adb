/**
 * What must hold in a fleet at every moment, seen from outside: from what workers are given, and from what a host hears
 * and what its next round costs.
 */

import { assert } from "../../lib/core/assert.ts";
import type { FleetEffect, FleetEvent } from "../../lib/rendezvous/fleet_events.ts";
import type { Seat } from "../../lib/rendezvous/meeting.ts";
import type { JobSettings } from "../../lib/rendezvous/settings.ts";
import type { Hosting } from "./fleet_glue.ts";
import type { Launcher } from "./fleet_launcher.ts";

/** All nodes of one round, by the environment of their workers. */
interface World {
  readonly hosting: Hosting;
  readonly round: number;
  /** "nodes, workers, MASTER_ADDR, MASTER_PORT, restart count": the same for all. */
  readonly common: string;
  readonly size: number;
  readonly restartCount: number;
  readonly members: Map<Launcher, Set<number>>;
  readonly ranks: Set<number>;
  wasComplete: boolean;
}

/** What a host has heard since its round began. */
interface Heard {
  readonly round: number;
  readonly restartCount: number;
  readonly members: Set<string>;
  readonly done: Set<string>;
  /** What came first of all that ends a round. */
  first: "worker" | "lost" | "other" | null;
  hasFailed: boolean;
  hasLost: boolean;
}

export class FleetChecks {
  readonly #settings: JobSettings;
  readonly #worlds = new Map<string, World>();
  readonly #heard = new Map<number, Heard>();
  /** Who was here when a host proposed its last round. */
  readonly #here = new Map<number, ReadonlySet<string>>();
  /** Of the last complete world of each lineage. */
  readonly #last = new Map<number, { round: number; restartCount: number; hosting: Hosting }>();
  readonly #launchers: readonly Launcher[];
  completed = 0;

  constructor(settings: JobSettings, launchers: readonly Launcher[]) {
    this.#settings = settings;
    this.#launchers = launchers;
  }

  onSpawn(launcher: Launcher, environment: Readonly<Record<string, string>>): void {
    const { nodeId, hosting, round } = launcher;
    const of = (name: string) => Number(environment[name]);
    const beside = launcher.workers.filter((worker) =>
      worker.isAlive && !worker.unkillable && worker.round !== round
    );
    assert(beside.length === 0, `${nodeId} starts a worker of round ${round} beside one of an older round`);
    assert(hosting !== null, `${nodeId} has a round of no host`);
    const restartCount = of("TORCHELASTIC_RESTART_COUNT"), size = of("GROUP_WORLD_SIZE");
    const { nodesMin, nodesMax, nodesStep, maxRestarts } = this.#settings;
    assert(size >= nodesMin && size <= nodesMax && (size - nodesMin) % nodesStep === 0, `${size} nodes`);
    assert(restartCount <= maxRestarts, `restart ${restartCount} of ${maxRestarts}`);
    const { MASTER_ADDR, MASTER_PORT, WORLD_SIZE } = environment;
    const common = [size, WORLD_SIZE, MASTER_ADDR, MASTER_PORT, restartCount].join(", ");
    const key = `${hosting.id}/${round}`;
    let world = this.#worlds.get(key);
    if (world === undefined) {
      const members = new Map<Launcher, Set<number>>();
      world = { hosting, round, common, size, restartCount, members, ranks: new Set(), wasComplete: false };
      this.#worlds.set(key, world);
    }
    assert(world.common === common, `${nodeId} was told ${common}, others ${world.common}`);
    const rank = of("RANK");
    assert(rank >= 0 && rank < Number(WORLD_SIZE), `${nodeId} has rank ${rank} of ${WORLD_SIZE}`);
    assert(!world.ranks.has(rank), `rank ${rank} of world ${key} was given twice, also to ${nodeId}`);
    world.ranks.add(rank);
    const own = world.members.get(launcher) ?? new Set();
    world.members.set(launcher, own.add(rank));
    assert(world.members.size <= size, `world ${key} has more than ${size} nodes`);
    if (rank === 0) {
      const place = `${launcher.process.machine}, ${launcher.storePort}`;
      // Alone a node may meet itself by any address.
      const isOwn = size === 1 && MASTER_ADDR === "127.0.0.1";
      assert(
        isOwn || `${MASTER_ADDR}, ${MASTER_PORT}` === place,
        `the workers meet elsewhere than at ${place}: ${common}`,
      );
    }
  }

  /** All workers of `launcher` have been started. */
  onRunning({ hosting, round }: Launcher): void {
    const world = this.#worlds.get(`${hosting?.id}/${round}`);
    if (world === undefined || !isComplete(world)) return;
    for (const other of this.#worlds.values()) {
      if (other === world || !other.wasComplete) continue;
      assert(!isComplete(other), `two worlds: ${text(world)} and ${text(other)}`);
    }
    if (world.wasComplete) return;
    world.wasComplete = true;
    this.completed++;
    assert(world.ranks.size === Number(world.common.split(", ")[1]), `${text(world)} lacks ranks`);
    const { lineage } = world.hosting;
    const last = this.#last.get(lineage);
    if (last !== undefined) {
      assert(world.round > last.round, `${text(world)} after round ${last.round} of host ${last.hosting.id}`);
      assert(
        world.restartCount >= last.restartCount &&
          world.restartCount <= last.restartCount + world.round - last.round,
        `restart count ${last.restartCount} of round ${last.round} became ${world.restartCount} in ${
          text(world)
        }`,
      );
    }
    this.#last.set(lineage, world);
  }

  /** The worlds that run now. */
  get complete(): Launcher[][] {
    return [...this.#worlds.values()].filter(isComplete).map(({ members }) => [...members.keys()]);
  }

  onHostEvent(hosting: Hosting, event: FleetEvent): void {
    const heard = this.#heard.get(hosting.id);
    if (heard === undefined) return;
    const self = this.#launchers.find(({ process }) => process === hosting.process)!.nodeId;
    const nodeId = "nodeId" in event ? event.nodeId : self;
    const isMember = heard.members.has(nodeId);
    if (event.kind === "gone" && isMember && !heard.done.has(nodeId)) {
      heard.first ??= "lost";
      heard.hasLost = true;
    }
    const said = event.kind === "request" ? event.request : event.kind === "said" ? event.message : null;
    if (said === null) return;
    if (said.kind === "join" || said.kind === "leave") {
      if (said.kind === "leave" || !isMember) heard.first ??= "other";
    } else if (said.kind !== "accepted" && isMember && said.round === heard.round) {
      if (said.kind === "succeeded" || said.kind === "cleared") heard.done.add(nodeId);
      if (said.kind === "cleared") heard.first ??= "other";
      if (said.kind === "failed") {
        heard.first ??= said.failure.kind === "worker" ? "worker" : "other";
        heard.hasFailed = true;
      }
    }
  }

  onHostEffect(hosting: Hosting, effect: FleetEffect): void {
    const self = this.#launchers.find(({ process }) => process === hosting.process)!.nodeId;
    const said = effect.kind === "news" ? effect.news : effect.kind === "tell" ? effect.message : null;
    if (said?.kind === "serve-store") this.#here.set(hosting.id, new Set([self, ...hosting.guests]));
    if (effect.kind === "news" && effect.news.kind === "round") this.#onSeat(hosting, self, effect.news.seat);
    if (effect.kind === "tell" && effect.message.kind === "round") {
      this.#onSeat(hosting, effect.nodeId, effect.message.seat);
    }
  }

  /** A round begins: nothing of an earlier one may be alive with anybody who was here when it was proposed, and is. */
  #onBegin(hosting: Hosting, round: number): void {
    const here = this.#here.get(hosting.id)!;
    for (const launcher of this.#launchers) {
      const { nodeId, process, fleet } = launcher;
      const isHere = here.has(nodeId) && (process === hosting.process || hosting.guests.has(nodeId));
      if (!launcher.isAlive || !isHere || fleet.meets !== hosting) continue;
      const left = launcher.workers.filter(({ isAlive, unkillable }) => isAlive && !unkillable);
      assert(
        left.length === 0,
        `round ${round} begins beside ${left.length} processes of round ${launcher.round} of ${nodeId}`,
      );
    }
  }

  #onSeat(hosting: Hosting, nodeId: string, { round, restartCount }: Seat): void {
    const heard = this.#heard.get(hosting.id);
    if (heard?.round === round) return void heard.members.add(nodeId);
    this.#onBegin(hosting, round);
    if (heard !== undefined) this.#checkCost(heard, restartCount);
    this.#heard.set(hosting.id, {
      ...{ round, restartCount, members: new Set([nodeId]), done: new Set() },
      ...{ first: null, hasFailed: false, hasLost: false },
    });
  }

  #checkCost(heard: Heard, restartCount: number): void {
    const cost = restartCount - heard.restartCount;
    const what = `round ${heard.round} ended (${heard.first}), and the next cost ${cost}`;
    assert(cost === 0 || cost === 1, what);
    const isLossDear = this.#settings.nodesMin === this.#settings.nodesMax;
    if (heard.first === "worker" || (heard.first === "lost" && isLossDear)) assert(cost === 1, what);
    if (!heard.hasFailed && !heard.hasLost) assert(cost === 0, what);
  }
}

function isComplete({ hosting, round, members, size }: World): boolean {
  if (members.size < size) return false;
  for (const launcher of members.keys()) {
    if (launcher.hosting !== hosting || launcher.round !== round || !launcher.isRunning) return false;
  }
  return true;
}

function text({ hosting, round, members }: World): string {
  const nodes = [...members.keys()].map(({ nodeId }) => nodeId).join(" ");
  return `round ${round} of host ${hosting.id} (${hosting.process.name}, epoch ${hosting.epoch}): ${nodes}`;
}
