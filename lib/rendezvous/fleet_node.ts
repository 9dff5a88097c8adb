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
import { type Begun, Census } from "./census.ts";
import type { CoordinatorEvent } from "./coordinator_events.ts";
import type { FleetEffect, FleetEvent, FleetOptions, LinkEnd } from "./fleet_events.ts";
import { HostSearch } from "./host_search.ts";
import { Hosting, type HostingEffect, type HostingOptions } from "./hosting.ts";
import { begunBy, freshNumber, standbyNumber } from "./job_record.ts";
import type { JobOutcome, MeetingNews, MeetingRequest } from "./meeting.ts";
import { type HostMessage, type NodeMessage, toNodeMessage } from "./message_codec.ts";
import { NodeAgent } from "./node_agent.ts";
import type { NodeInfo } from "./ranks.ts";
import { failedWith, stoppedBy } from "./outcomes.ts";
import { Signpost } from "./signpost.ts";
import { hostOf, sendOver, Succession, tellRecord } from "./standby.ts";
import { clip } from "./texts.ts";

/** How long a node that leaves waits for its host to hear of it. */
const GOODBYE_MS = 2_000;

const JOIN = { kind: "join" } as const;
type Beginning = Pick<HostingOptions, "epoch" | "chain" | "deadHost" | "wasHostLost">;

export class FleetNode {
  readonly #options: FleetOptions;
  #info: NodeInfo;
  readonly #deadlines = new Deadlines<"goodbye" | "search">();
  #role: "host" | "guest" = "guest";
  #hosting: Hosting | null = null;
  readonly #agent = new NodeAgent();
  #isLinked = false;
  #isAtSignpost = false;
  /** How often it had a session with a host. */
  #sessions = 0;
  readonly #search: HostSearch;
  readonly #succession: Succession;
  /** Null: the job was begun elsewhere. */
  #census: Census | null = null;
  #signpost = new Signpost(null);
  /** Of the host that was last known. */
  #epoch = 0;
  #hasLeft = false;
  /** Node id of the host that was lost, if it is proved dead. */
  #deadHost: string | null = null;
  #leaving: { readonly signal: SignalName; readonly scope: "node" | "job" } | null = null;
  #failure = "";
  /** Where the others reach this node, as the host before knew it; with the port at which it hosts. */
  #ownAddress: string | null = null;
  /** Node id of the host that this node has or had a session with. */
  #hostId: string | undefined;
  #isOver = false;
  #effects: FleetEffect[] = [];

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#info = options.info;
    this.#search = new HostSearch(options.candidates, options.settings);
    this.#succession = new Succession(options.info.nodeId);
  }

  /** Who takes the job over must not yield to a host that has left it. */
  get epoch(): number {
    return this.#hasLeft ? 0 : this.#epoch;
  }

  nextWakeup(): InstantMs | undefined {
    const others = earliest(this.#signpost.nextWakeup(), this.#hosting?.nextWakeup());
    return earliest(this.#deadlines.next(), others);
  }

  step(event: FleetEvent, now: InstantMs): FleetEffect[] {
    this.#effects = [];
    switch (event.kind) {
      case "start":
        if (event.role === "guest") this.#lookForHost(now);
        else this.#begin(this.#options.begun, now);
        break;
      case "request":
        this.#onRequest(event.request, now);
        break;
      case "arrived":
      case "gone":
      case "said":
      case "judged-job":
      case "proved-dead":
        this.#toHosting(event, now);
        break;
      case "strayed":
        this.#effects.push(...this.#signpost.arrive(event, event.isFresh, now));
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
    if (this.#agent.asks(request)) return this.#afterLostRound(now);
    if (request.kind === "leave") this.#leaving = request;
    this.#tellHost(this.#messageOf(request), now);
    if (this.#role === "guest" && this.#leaving !== null) this.#leaveAsGuest(this.#leaving, now);
  }

  #messageOf(request: MeetingRequest): NodeMessage {
    const [others, begun] = [this.#census?.everybody ?? null, this.#census?.begun ?? 0];
    const { memory } = this.#succession, isFresh = this.#sessions <= 1;
    return toNodeMessage(request, this.#info, { memory, isFresh, others, begun });
  }

  #tellHost(message: NodeMessage, now: InstantMs): void {
    if (this.#role === "host") {
      this.#toHosting({ kind: "said", nodeId: this.#info.nodeId, message }, now);
    } else if (this.#isLinked) this.#effects.push({ kind: "send", message });
  }

  #leaveAsGuest({ signal, scope }: { signal: SignalName; scope: "node" | "job" }, now: InstantMs): void {
    if (this.#agent.kind === "in-round") return;
    // The end of the whole job is its host's to declare.
    if (scope === "job" && this.#isLinked && this.#agent.wasSeated) return;
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
    this.#agent.told(news);
    this.#effects.push({ kind: "news", news });
  }

  // As the host.

  #begin(begun: Begun, now: InstantMs): void {
    this.#census = new Census(begun, this.#options.candidates.length === 1);
    this.#signpost = new Signpost(this.#census);
    const epoch = freshNumber(begun.count);
    this.#beginToHost({ epoch, chain: [], deadHost: null, wasHostLost: false }, now);
  }

  #beginToHost(from: Beginning, now: InstantMs): void {
    this.#role = "host";
    this.#epoch = from.epoch;
    this.#deadlines.clear("search");
    this.#hosting = new Hosting({
      ...this.#options,
      ...from,
      selfId: this.#info.nodeId,
      selfAddress: this.#options.selfAddress ?? (this.#ownAddress === null ? null : hostOf(this.#ownAddress)),
      standbys: () => this.#succession.standbys,
      census: this.#census,
    });
    this.#effects.push({ kind: "serve", epoch: from.epoch });
    this.#toHosting({ kind: "start" }, now);
    // The agent may have asked already.
    this.#sayAgain(now);
  }

  /** What a new host must know of what the agent has said. */
  #sayAgain(now: InstantMs): void {
    if (this.#agent.kind === "joined") this.#tellHost(this.#messageOf(JOIN), now);
    if (this.#leaving !== null) this.#tellHost({ kind: "leave", ...this.#leaving }, now);
  }

  #toHosting(event: CoordinatorEvent, now: InstantMs): void {
    for (const effect of this.#hosting?.step(event, now) ?? []) this.#fromHosting(effect, now);
  }

  #fromHosting(effect: HostingEffect, now: InstantMs): void {
    switch (effect.kind) {
      case "tell":
        if (effect.nodeId === this.#info.nodeId) return this.#hear(effect.message, now);
        return void this.#effects.push(effect);
      case "formed":
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

  /** Another host has the job: what this one began is over, and its port shows the way. */
  #yieldTo(hostAddress: string, now: InstantMs): void {
    this.#say(`The job goes on at ${hostAddress}; joining it`);
    this.#effects.push(...sendOver(this.#hosting?.guests ?? [], hostAddress), { kind: "step-down" });
    this.#info = { ...this.#info, standbyPort: null };
    this.#effects.push({ kind: "open-port" });
    this.#hosting = null;
    this.#role = "guest";
    this.#search.places = [hostAddress, ...this.#options.candidates];
    this.#succession.end();
    this.#loseRound("Another node hosts the job now");
    this.#lookForHost(now);
  }

  /** Where the job's host is, as far as this node knows; not of one that goes on with what was begun again since. */
  get #hostAddress(): string | null {
    if (this.#role === "host") return this.#ownAddress;
    const isPresent = begunBy(this.#epoch) >= (this.#census?.begun ?? 0);
    return this.#isLinked && isPresent ? this.#search.address : null;
  }

  #lookForHost(now: InstantMs): void {
    this.#search.restart();
    this.#deadlines.set("search", now + this.#options.settings.joinMs);
    this.#connect();
  }

  #connect(): void {
    this.#isAtSignpost = false;
    this.#effects.push(this.#search.attempt(this.#succession.place !== null));
  }

  #onLinked({ epoch, hostId }: Extract<FleetEvent, { kind: "linked" }>, now: InstantMs): void {
    this.#sessions++;
    this.#isAtSignpost = epoch === 0;
    if (this.#isAtSignpost) return void this.#effects.push({ kind: "send", message: this.#messageOf(JOIN) });
    this.#isLinked = true;
    this.#epoch = epoch;
    this.#hostId = hostId;
    this.#deadlines.clear("search");
    this.#sayAgain(now);
    if (this.#leaving !== null) this.#leaveAsGuest(this.#leaving, now);
  }

  #hear(message: HostMessage, now: InstantMs): void {
    switch (message.kind) {
      case "standbys":
        if (this.#isAtSignpost) return this.#search.lead(message.standbys.map(({ address }) => address));
        return this.#succession.appoint(message.standbys);
      case "record":
        return this.#succession.settle(message);
      case "propose":
        for (const change of this.#census?.see(message.proposal.epoch) ?? []) {
          this.#effects.push({ kind: "census", change });
        }
        if (this.#role === "guest") this.#epoch = message.proposal.epoch;
        this.#succession.accept(message);
        return this.#tellHost({ kind: "accepted", proposal: message.proposal }, now);
      case "stopping":
        this.#leaving ??= { signal: message.signal, scope: "job" };
        return;
      case "job-over":
        return this.#endJob(message.outcome);
      default:
        this.#news(message);
        if (this.#role === "guest" && this.#leaving !== null) this.#leaveAsGuest(this.#leaving, now);
    }
  }

  #onLinkFailed(problem: string, now: InstantMs): void {
    const until = this.#deadlines.get("search");
    if (until === undefined) return;
    const waiting = this.#search.fail(problem, { leftMs: until - now, isFirst: this.#sessions === 0 });
    if (waiting !== null) this.#news({ kind: "waiting", waiting });
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
      return this.#fail(`The host at ${this.#search.address} refused this node: it ${end.text}`);
    }
    this.#search.noteProblem(end.text);
    if (!wasLinked) return this.#tryNext(now);
    this.#onHostLost(end, now);
  }

  #onHostLost(end: LinkEnd, now: InstantMs): void {
    const text = `The job's host at ${this.#search.address} was lost: ${end.text}`;
    const canGoOn = this.#options.settings.failover && this.#succession.standbys.length > 0;
    if (!canGoOn && this.#agent.wasSeated) {
      if (this.#agent.kind !== "in-round") return this.#fail(text);
      this.#search.places = [];
      this.#failure = text;
      return this.#loseRound(text);
    }
    if (canGoOn) {
      this.#search.places = this.#succession.whereToLook(this.#search.places);
      const isGone = end.kind === "dead" || this.#succession.standing === "left";
      this.#deadHost = isGone ? assertDefined(this.#hostId) : null;
      this.#loseRound(text);
      if (this.#search.places.length === 0) return this.#takeOver(now);
      this.#say(`Looking for the job's stand-by host at ${this.#search.address}`);
    }
    this.#lookForHost(now);
  }

  #takeOver(now: InstantMs): void {
    const { chain, standbys, place, standing } = this.#succession;
    // Where a new host may begin, and where another stand-by may have taken over on the other side of a cut.
    const others = standbys.map(({ address }) => address);
    const ownAddress = others[assertDefined(place ?? undefined, "A stand-by has its place")]!;
    const from = { epoch: standbyNumber(chain[0]!, place!), chain, deadHost: this.#deadHost };
    this.#ownAddress = ownAddress;
    this.#say("This node hosts the job now");
    this.#succession.end();
    this.#beginToHost({ ...from, wasHostLost: standing === "running" }, now);
    this.#effects.push({ kind: "herald", addresses: [...this.#options.candidates, ...others], ownAddress });
  }

  /** The agent's round has no host any more; nor has one that was cleared, and whose host can't say any more what comes. */
  #loseRound(text: string): void {
    if (this.#agent.kind === "cleared") return this.#news({ kind: "go-on", text: null, verdict: null });
    const round = this.#agent.lose();
    if (round !== null) this.#news({ kind: "round-over", round, text: clip(text), needsReport: false });
  }

  #afterLostRound(now: InstantMs): void {
    if (this.#leaving !== null && this.#role === "guest") return this.#leaveAsGuest(this.#leaving, now);
    if (this.#role === "guest" && this.#search.places.length === 0) return this.#fail(this.#failure);
    this.#news({ kind: "go-on", text: null, verdict: null });
  }

  #tryNext(now: InstantMs): void {
    const wereAllTried = this.#search.next();
    const isStandby = this.#succession.place !== null;
    if (isStandby && wereAllTried) return this.#takeOver(now);
    if (this.#search.places.length > 1 || isStandby || this.#isAtSignpost) this.#connect();
    else this.#fail(this.#search.notFoundText);
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
      if (name === "search") this.#fail(this.#search.notFoundText);
      else if (this.#leaving !== null) this.#end(stoppedBy(this.#leaving.signal));
    }
    this.#effects.push(...this.#signpost.wake(this.#hostAddress, now));
    this.#toHosting({ kind: "wakeup" }, now);
  }
}
