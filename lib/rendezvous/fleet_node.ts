/**
 * One node of a job that has several: the job's host, which has the coordinator, or a guest of it. It may become the
 * other: a stand-by takes over when the host is lost, and a host that hears of a later one becomes its guest.
 *
 * Rules: what the agent of this node is told follows `meeting.ts`, whichever role this node has and however it changes.
 * Nothing is decided by comparing two machines' clocks.
 */

import { assertDefined, unreachable } from "../core/assert.ts";
import { EXIT_CODES, type SignalName } from "../core/errors.ts";
import { Deadlines, earliest, type InstantMs } from "../core/time.ts";
import type { AgentState } from "./agent_state.ts";
import { Coordinator } from "./coordinator.ts";
import type { CoordinatorEffect, CoordinatorEvent, CoordinatorOptions } from "./coordinator_events.ts";
import type { FleetEffect, FleetEvent, FleetOptions, LinkEnd } from "./fleet_events.ts";
import { FRESH_HOST_NUMBER, standbyNumber } from "./job_record.ts";
import type { JobOutcome, MeetingNews, MeetingRequest } from "./meeting.ts";
import { type HostMessage, type NodeMessage, toNodeMessage } from "./message_codec.ts";
import type { NodeInfo } from "./ranks.ts";
import { failedWith, stoppedBy } from "./outcomes.ts";
import { hostOf, sendOver, Succession, tellRecord, tellStandbys } from "./standby.ts";
import { clip, hostNotFound, waitingForHost } from "./texts.ts";

/** How long one address of several is tried, and how long a node that leaves waits for its host to hear of it. */
const CANDIDATE_MS = 3_000;
const GOODBYE_MS = 2_000;

export class FleetNode {
  readonly #options: FleetOptions;
  #info: NodeInfo;
  readonly #deadlines = new Deadlines<"goodbye" | "search" | "stop serving">();
  #role: "host" | "guest" = "guest";
  #coordinator: Coordinator | null = null;
  #agent: AgentState = { kind: "idle" };
  #isLinked = false;
  /** Where to look for the host, and which is being tried. */
  #candidates: readonly string[];
  #candidate = 0;
  readonly #succession: Succession;
  /** Of the last round, as the host. */
  #seats: readonly string[] = [];
  /** Of the host that was last known. */
  #epoch = 0;
  #hasLeft = false;
  /** Node id of the host that was lost, if it is proved dead. */
  #deadHost: string | null = null;
  #wasSeated = false;
  #leaving: { readonly signal: SignalName; readonly scope: "node" | "job" } | null = null;
  readonly #problems = new Map<string, string>();
  #failure = "";
  /** Where the others reach this node, as the host before knew it. */
  #selfAddress: string | null = null;
  /** Node id of the host that this node has or had a session with. */
  #hostId: string | undefined;
  #isOver = false;
  #effects: FleetEffect[] = [];

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#info = options.info;
    this.#candidates = options.candidates;
    this.#succession = new Succession(options.info.nodeId);
  }

  /** Who takes the job over must not yield to a host that has left it. */
  get epoch(): number {
    return this.#hasLeft ? 0 : this.#epoch;
  }

  nextWakeup(): InstantMs | undefined {
    return earliest(this.#deadlines.next(), this.#coordinator?.nextWakeup());
  }

  step(event: FleetEvent, now: InstantMs): FleetEffect[] {
    this.#effects = [];
    switch (event.kind) {
      case "start":
        if (event.role === "host") {
          this.#beginToHost({ epoch: FRESH_HOST_NUMBER, chain: [], deadHost: null, wasHostLost: false }, now);
        } else this.#search(now);
        break;
      case "request":
        this.#onRequest(event.request, now);
        break;
      case "arrived":
      case "gone":
      case "said":
      case "judged-job":
      case "proved-dead":
        this.#toCoordinator(event, now);
        break;
      case "outranked":
        if (this.#role !== "host" || this.#hasLeft) break;
        // Who knows of a later host but not where it is (a guest of one that was here before) is no guide.
        if (event.epoch <= this.#epoch || event.hostAddress === "") break;
        this.#yieldTo(event.hostAddress, now);
        break;
      case "linked":
        this.#onLinked(event, now);
        break;
      case "heard":
        if (this.#role === "guest") this.#hear(event.message, now);
        break;
      case "link-failed":
        this.#onLinkFailed(event.problem, now);
        break;
      case "link-ended":
        if (this.#role === "guest") this.#onLinkEnded(event.end, now);
        break;
      case "port-opened":
        this.#info = { ...this.#info, standbyPort: event.port };
        this.#succession.begin();
        break;
      case "wakeup":
        this.#wake(now);
        break;
      default:
        unreachable(event);
    }
    return this.#effects;
  }

  #onRequest(request: MeetingRequest, now: InstantMs): void {
    switch (request.kind) {
      case "join":
        this.#agent = { kind: "joined" };
        break;
      case "cleared": {
        const wasLost = this.#agent.kind === "in-round" && this.#agent.isOver;
        this.#agent = { kind: "cleared" };
        // The round's host is gone, so nobody else has an interest in this.
        if (wasLost) return this.#afterLostRound(now);
        break;
      }
      case "leave":
        this.#leaving = request;
        break;
    }
    this.#tellHost(this.#messageOf(request), now);
    if (this.#role === "guest" && this.#leaving !== null) this.#leaveAsGuest(this.#leaving, now);
  }

  #messageOf(request: MeetingRequest): NodeMessage {
    return toNodeMessage(request, this.#info, this.#succession.memory);
  }

  #tellHost(message: NodeMessage, now: InstantMs): void {
    if (this.#role === "host") {
      this.#toCoordinator({ kind: "said", nodeId: this.#info.nodeId, message }, now);
    } else if (this.#isLinked) this.#effects.push({ kind: "send", message });
  }

  #leaveAsGuest({ signal, scope }: { signal: SignalName; scope: "node" | "job" }, now: InstantMs): void {
    if (this.#agent.kind === "in-round") return;
    // The end of the whole job is its host's to declare.
    if (scope === "job" && this.#isLinked && this.#wasSeated) return;
    if (!this.#isLinked) return this.#end(stoppedBy(signal));
    if (this.#deadlines.get("goodbye") !== undefined) return;
    this.#effects.push({ kind: "hang-up" });
    this.#deadlines.set("goodbye", now + GOODBYE_MS);
  }

  /** A node that was stopped has not succeeded, whatever becomes of the others. */
  #endJob(outcome: JobOutcome): void {
    if (this.#leaving === null || outcome.code !== EXIT_CODES.success) this.#end(outcome);
    else this.#end(stoppedBy(this.#leaving.signal));
  }

  #end(outcome: JobOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const name of ["goodbye", "search"] as const) this.#deadlines.clear(name);
    this.#news({ kind: "job-over", outcome });
  }

  #news(news: MeetingNews): void {
    if (news.kind === "round") {
      this.#agent = { kind: "in-round", round: news.seat.round, isOver: false };
      this.#wasSeated = true;
    } else if (news.kind === "go-on") this.#agent = { kind: "idle" };
    this.#effects.push({ kind: "news", news });
  }

  // As the host.

  #beginToHost(
    from: Pick<CoordinatorOptions, "epoch" | "chain" | "deadHost" | "wasHostLost">,
    now: InstantMs,
  ): void {
    this.#role = "host";
    this.#epoch = from.epoch;
    this.#deadlines.clear("search");
    this.#coordinator = new Coordinator({
      ...this.#options,
      ...from,
      selfId: this.#info.nodeId,
      selfAddress: this.#options.selfAddress ?? this.#selfAddress,
    });
    this.#effects.push({ kind: "serve", epoch: from.epoch });
    this.#toCoordinator({ kind: "start" }, now);
    // The agent may have asked already.
    this.#sayAgain(now);
  }

  /** What a new host must know of what the agent has said. */
  #sayAgain(now: InstantMs): void {
    if (this.#agent.kind === "joined") this.#tellHost(this.#messageOf({ kind: "join" }), now);
    if (this.#leaving !== null) this.#tellHost({ kind: "leave", ...this.#leaving }, now);
  }

  #toCoordinator(event: CoordinatorEvent, now: InstantMs): void {
    if (this.#coordinator === null) return;
    if (event.kind === "arrived" && this.#succession.standbys.length > 0) {
      this.#effects.push(tellStandbys(event.nodeId, this.#succession.standbys));
    }
    for (const effect of this.#coordinator.step(event, now)) this.#fromCoordinator(effect, now);
  }

  #fromCoordinator(effect: CoordinatorEffect, now: InstantMs): void {
    switch (effect.kind) {
      case "tell":
        if (effect.nodeId === this.#info.nodeId) return this.#hear(effect.message, now);
        return void this.#effects.push(effect);
      case "formed":
        this.#seats = effect.record.seats;
        this.#epoch = effect.record.epoch;
        if (!this.#options.settings.failover) return;
        return void this.#effects.push(...this.#succession.appointOthers(effect));
      case "recorded":
        this.#hasLeft = effect.standing === "left";
        return void this.#effects.push(...tellRecord(effect, this.#succession.standbys));
      case "retire":
        return;
      default:
        this.#effects.push(effect);
    }
  }

  /** Another host has the job: what this one began is over, and its port is closed for good. */
  #yieldTo(hostAddress: string, now: InstantMs): void {
    this.#say(`The job goes on at ${hostAddress}; joining it`);
    this.#effects.push(...sendOver(this.#seats, this.#info.nodeId, hostAddress));
    this.#deadlines.set("stop serving", now + GOODBYE_MS);
    this.#info = { ...this.#info, standbyPort: null };
    this.#effects.push({ kind: "open-port" });
    this.#coordinator = null;
    this.#role = "guest";
    this.#candidates = [hostAddress, ...this.#options.candidates.filter((one) => one !== hostAddress)];
    this.#succession.end();
    this.#loseRound("Another node hosts the job now");
    this.#search(now);
  }

  #search(now: InstantMs): void {
    this.#candidate = 0;
    this.#deadlines.set("search", now + this.#options.settings.joinMs);
    this.#connect();
  }

  #connect(): void {
    const hasOthers = this.#candidates.length > 1 || this.#succession.place !== null;
    const connectMs = hasOthers ? CANDIDATE_MS : this.#options.settings.joinMs;
    this.#effects.push({ kind: "connect", address: this.#address, connectMs });
  }

  #onLinked({ epoch, hostId }: Extract<FleetEvent, { kind: "linked" }>, now: InstantMs): void {
    this.#isLinked = true;
    this.#epoch = epoch;
    this.#hostId = hostId;
    this.#deadlines.clear("search");
    this.#sayAgain(now);
  }

  #hear(message: HostMessage, now: InstantMs): void {
    switch (message.kind) {
      case "standbys":
        return this.#succession.appoint(message.standbys);
      case "record":
        return this.#succession.settle(message);
      case "propose":
        this.#succession.accept(message);
        return this.#tellHost({ kind: "accepted", proposal: message.proposal }, now);
      case "job-over":
        return this.#endJob(message.outcome);
      default:
        this.#news(message);
        if (this.#role === "guest" && this.#leaving !== null) this.#leaveAsGuest(this.#leaving, now);
    }
  }

  #onLinkFailed(problem: string, now: InstantMs): void {
    const until = this.#deadlines.get("search");
    if (problem === this.#problems.get(this.#address) || until === undefined) return;
    this.#problems.set(this.#address, problem);
    const waiting = waitingForHost(this.#address, problem, until - now, this.#options.settings);
    this.#news({ kind: "waiting", waiting });
  }

  #onLinkEnded(end: LinkEnd, now: InstantMs): void {
    const wasLinked = this.#isLinked;
    this.#isLinked = false;
    if (this.#isOver) return;
    if (this.#leaving !== null && this.#agent.kind !== "in-round") {
      return this.#end(stoppedBy(this.#leaving.signal));
    }
    // A host that welcomed this node before is not the one that refuses it now: the old one is gone.
    if (end.kind === "refused" && !wasLinked) {
      return this.#fail(`The host at ${this.#address} refused this node: it ${end.text}`);
    }
    this.#problems.set(this.#address, end.text);
    if (!wasLinked) return this.#tryNext(now);
    this.#onHostLost(end, now);
  }

  /** Of the host, or of the one that is being tried. */
  get #address(): string {
    return this.#candidates[this.#candidate % this.#candidates.length]!;
  }

  #onHostLost(end: LinkEnd, now: InstantMs): void {
    const text = `The job's host at ${this.#address} was lost: ${end.text}`;
    const canGoOn = this.#options.settings.failover && this.#succession.standbys.length > 0;
    if (!canGoOn && this.#wasSeated) {
      if (this.#agent.kind !== "in-round") return this.#fail(text);
      this.#candidates = [];
      this.#failure = text;
      return this.#loseRound(text);
    }
    if (canGoOn) {
      this.#candidates = this.#succession.whereToLook(this.#candidates);
      const isGone = end.kind === "dead" || this.#succession.standing === "left";
      this.#deadHost = isGone ? assertDefined(this.#hostId) : null;
      this.#loseRound(text);
      if (this.#candidates.length === 0) return this.#takeOver(now);
      this.#say(`Looking for the job's stand-by host at ${this.#candidates[0]}`);
    }
    this.#search(now);
  }

  #takeOver(now: InstantMs): void {
    const { chain, standbys, place, standing } = this.#succession;
    // Where a new host may begin, and where another stand-by may have taken over on the other side of a cut.
    const others = standbys.map(({ address }) => address);
    const ownAddress = others[assertDefined(place ?? undefined, "A stand-by has its place")]!;
    this.#selfAddress = hostOf(ownAddress);
    // It has hosted the job before, at another port, and has just yielded.
    if (this.#deadlines.get("stop serving") !== undefined) this.#effects.push({ kind: "stop-serving" });
    this.#deadlines.clear("stop serving");
    this.#say("This node hosts the job now");
    this.#succession.end();
    const epoch = standbyNumber(chain[0]!, place!);
    this.#beginToHost({ epoch, chain, deadHost: this.#deadHost, wasHostLost: standing === "running" }, now);
    this.#effects.push({ kind: "herald", addresses: [...this.#options.candidates, ...others], ownAddress });
  }

  /** The agent's round has no host any more; nor has one that was cleared, and whose host can't say any more what comes. */
  #loseRound(text: string): void {
    if (this.#agent.kind === "cleared") return this.#news({ kind: "go-on", text: null, verdict: null });
    if (this.#agent.kind !== "in-round" || this.#agent.isOver) return;
    const { round } = this.#agent;
    this.#agent = { kind: "in-round", round, isOver: true };
    this.#news({ kind: "round-over", round, text: clip(text), needsReport: false });
  }

  #afterLostRound(now: InstantMs): void {
    if (this.#leaving !== null && this.#role === "guest") return this.#leaveAsGuest(this.#leaving, now);
    if (this.#role === "guest" && this.#candidates.length === 0) return this.#fail(this.#failure);
    this.#news({ kind: "go-on", text: null, verdict: null });
  }

  #tryNext(now: InstantMs): void {
    this.#candidate++;
    const isStandby = this.#succession.place !== null;
    if (isStandby && this.#candidate >= this.#candidates.length) return this.#takeOver(now);
    if (this.#candidates.length > 1 || isStandby) this.#connect();
    else this.#fail(hostNotFound(this.#candidates, this.#options.settings.joinMs, this.#problems));
  }

  #say(text: string): void {
    this.#effects.push({ kind: "say", level: "notice", text: clip(text) });
  }

  #fail(text: string): void {
    this.#effects.push({ kind: "drop-link" });
    this.#end(failedWith(EXIT_CODES.workerFailed, text));
  }

  #wake(now: InstantMs): void {
    for (const name of this.#deadlines.takeDue(now)) {
      if (name === "stop serving") this.#effects.push({ kind: "stop-serving" });
      else if (name === "search") {
        this.#fail(hostNotFound(this.#candidates, this.#options.settings.joinMs, this.#problems));
      } else if (this.#leaving !== null) this.#end(stoppedBy(this.#leaving.signal));
    }
    this.#toCoordinator({ kind: "wakeup" }, now);
  }
}
