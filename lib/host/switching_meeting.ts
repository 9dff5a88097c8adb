/**
 * A job's meeting that begins among our own agents and goes over to torchrun's record when torchrun's agents turn out to
 * take part: a guest finds that the endpoint is a PyTorch store, a host sees a torchrun client in its own, and tells
 * its guests. The job's round, if one is on, is ended first; it costs no restart.
 */

import type { MeetingPlan } from "../options/launch_plan.ts";
import type { MeetingNews, MeetingRequest } from "../rendezvous/meeting.ts";
import { STAYS_AS_HOST } from "../rendezvous/texts.ts";
import type { JobStatus, StatusRequest } from "../view/status.ts";
import { type FleetHooks, type SharedPlace, torchrunSign } from "./fleet_hooks.ts";
import { openFleetMeeting } from "./open_fleet.ts";
import { addressTowards, fallbackAddress } from "./local_addresses.ts";
import type { Meeting, MeetingParts } from "./meeting.ts";
import { SharedMeeting } from "./shared_meeting.ts";
import { StoreConnectionError } from "./store_client.ts";
import { type StoreSight, StoreWatch } from "./store_watch.ts";
import { CLAIM_MS, readTimeoutMs } from "./torch_setup.ts";
import { TorchStore } from "./torch_store.ts";

/** Opens it. @throws {SystemError} A port can't be had. */
export async function openSwitchingMeeting(parts: MeetingParts, meeting: MeetingPlan): Promise<Meeting> {
  const switching = new SwitchingMeeting(parts, meeting);
  switching.start(await openFleetMeeting(switching.fleetParts, meeting, switching.hooks));
  return switching;
}

/** How long the host of a job that ended well stays for torchrun's agents, which close the record in the end. */
const FAREWELL_MS = 10_000;
const FAREWELL_LOOK_MS = 50;
/** How often a host that is to leave looks whether torchrun's agents, who meet at its store, have all gone. */
const STAY_LOOK_MS = 1_000;

const TORCHRUN_JOINS = "torchrun's agents take part in the job";
/** A host of ours that ends at the wrong moment looks like a store alone, once. */
const LONE_SIGHTS = 2;
/** Where no agent of torchrun's hosts the store, none need come to make the record. */
const LONE_CLAIM_MS = 1_000;

class SwitchingMeeting implements Meeting {
  #fleet: Meeting | null = null;
  readonly #parts: MeetingParts;
  readonly #plan: MeetingPlan;
  #shared: SharedMeeting | null = null;
  #place: SharedPlace | null = null;
  /** Requests that came while the shared store was being connected to. */
  #held: MeetingRequest[] = [];
  /** The agent has asked for a seat, and has none. */
  #hasJoined = false;
  /** The round in which the agent has workers, or is clearing up. */
  #round: number | null = null;
  #before = { rounds: 0, restarts: 0 };
  /** This node was told to leave, and not to end the job. */
  #leaves = false;
  #stay: ReturnType<typeof setTimeout> | undefined;
  /** Looks in a row that have found a store alone. */
  #loneSights = 0;
  /** Until there is a host of ours, or was one. */
  readonly #watch: StoreWatch;
  #isClosed = false;

  constructor(parts: MeetingParts, plan: MeetingPlan) {
    this.#parts = parts;
    this.#plan = plan;
    this.#watch = new StoreWatch(parts.plan.jobId, plan, (sight) => this.#onSight(sight));
  }

  start(fleet: Meeting): void {
    this.#fleet = fleet;
    this.#watch.start();
  }

  get fleetParts(): MeetingParts {
    return { ...this.#parts, onNews: (news) => this.#onFleetNews(news) };
  }

  get hooks(): FleetHooks {
    return {
      isSign: torchrunSign(this.#parts.plan.jobId, this.#plan, () => this.#before.rounds > 0),
      onShared: (place) => this.#onShared(place, TORCHRUN_JOINS),
      onHost: () => this.#watch.close(),
    };
  }

  get #isStatic(): boolean {
    return this.#plan.backend === "static";
  }

  get workerStore() {
    return this.#fleet?.workerStore ?? null;
  }

  /** Among torchrun's agents nobody knows of the others; a host still knows its guests. */
  status(request: StatusRequest): Promise<JobStatus | null> {
    const isGuest = this.#place !== null && this.#place.service === null;
    return isGuest ? Promise.resolve(null) : this.#fleet?.status?.(request) ?? Promise.resolve(null);
  }

  request(request: MeetingRequest): void {
    this.#note(request);
    if (this.#place === null) return this.#fleet?.request(request);
    if (request.kind === "cleared" && request.round < this.#before.rounds) {
      // Of the last round among our own agents.
      return this.#parts.onNews({ kind: "go-on", text: null, verdict: null });
    }
    if (this.#shared === null) this.#held.push(request);
    else this.#shared.request(request);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watch.close();
    clearTimeout(this.#stay);
    await this.#shared?.close();
    const service = this.#place?.service ?? null;
    // Of a failure torchrun's agents hear by nothing but the loss of the store.
    const until = performance.now() + (this.#shared?.hasSucceeded ? FAREWELL_MS : 0);
    while (service !== null && service.stats.connections > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, FAREWELL_LOOK_MS));
    }
    await this.#fleet?.close();
  }

  #note(request: MeetingRequest): void {
    if (request.kind === "join") this.#hasJoined = true;
    if (request.kind === "cleared") this.#round = null;
    if (request.kind === "leave") this.#leaves = request.scope === "node";
  }

  #onFleetNews(news: MeetingNews): void {
    if (this.#place !== null) return;
    if (news.kind === "round" || news.kind === "serve-store") {
      const round = news.kind === "round" ? news.seat.round : news.round;
      this.#before = { ...this.#before, rounds: round + 1 };
    }
    if (news.kind === "round") {
      this.#round = news.seat.round;
      this.#hasJoined = false;
      this.#before = { ...this.#before, restarts: news.seat.restartCount };
    }
    this.#parts.onNews(news);
  }

  /** Without the store that this node serves the others can't go on: it leaves last. */
  #onSharedNews(news: MeetingNews): void {
    const service = this.#place?.service ?? null;
    if (news.kind !== "job-over" || !this.#leaves || service === null) return this.#parts.onNews(news);
    void this.#shared?.close();
    const look = (isFirst: boolean) => {
      if (service.stats.connections === 0) return this.#parts.onNews(news);
      if (isFirst) this.#parts.say("notice", STAYS_AS_HOST);
      this.#stay = setTimeout(look, STAY_LOOK_MS, false);
    };
    // Until our own connection has gone.
    this.#stay = setTimeout(look, FAREWELL_LOOK_MS, true);
  }

  #onShared(place: SharedPlace, reason: string, claimMs = CLAIM_MS): void {
    if (this.#place !== null) return;
    this.#place = place;
    this.#watch.close();
    // A guest has no further business there; a host goes on serving.
    if (place.service === null) void this.#fleet?.close();
    const how = this.#isStatic
      ? "each node restarts its workers by itself"
      : "going over to torchrun's rendezvous";
    this.#parts.say("notice", `${reason}: ${how}`);
    this.#parts.onNews({ kind: "waiting", waiting: null });
    if (this.#round !== null) {
      const text = reason;
      this.#parts.onNews({ kind: "round-over", round: this.#round, text, needsReport: false });
    } else if (this.#hasJoined) this.#held.push({ kind: "join" });
    void this.#connect(place, claimMs);
  }

  /** A store answers where no host of ours does: it may be torchrun's with its record of this job, or stand alone. */
  #onSight({ isTorchruns, isLone }: StoreSight): void {
    this.#loneSights = isLone ? this.#loneSights + 1 : 0;
    if (!isTorchruns && this.#loneSights !== LONE_SIGHTS) return;
    const { host, port } = this.#plan.endpoints[0]!;
    const reason = isLone ? `The store at ${host}:${port} has no host of a job` : TORCHRUN_JOINS;
    // Stores of PyTorch 2.2 and older hang up at once too: where somebody has begun, it may be their agents.
    this.#onShared({ host, port, service: null }, reason, isTorchruns ? CLAIM_MS : LONE_CLAIM_MS);
  }

  async #connect({ host, port, service }: SharedPlace, claimMs: number): Promise<void> {
    const { plan } = this.#parts;
    try {
      const timeoutMs = readTimeoutMs(this.#plan);
      const store = await TorchStore.connect({
        ...{ host, port, jobId: plan.jobId, timeoutMs },
        isStatic: this.#isStatic,
      });
      if (this.#isClosed) return store.close();
      const address = this.#plan.localAddress ??
        (service === null
          ? await addressTowards(host, port)
          : fallbackAddress(this.#plan.endpoints[0]!.host));
      this.#shared = new SharedMeeting({
        ...this.#parts,
        ...{ meeting: this.#plan, store, address, claimMs, before: this.#before },
        onNews: (news) => this.#onSharedNews(news),
      });
      for (const request of this.#held.splice(0)) this.#shared.request(request);
    } catch (error) {
      if (!(error instanceof StoreConnectionError)) throw error;
      const outcome = { code: 1, level: "error", text: error.message, verdict: null } as const;
      this.#parts.onNews({ kind: "job-over", outcome });
    }
  }
}
