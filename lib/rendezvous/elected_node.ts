/**
 * One node of a job whose host is elected outside of it, by etcd: the host, which has the coordinator, or a guest of it.
 * Any node can be either, one after the other.
 *
 * Rules: a round is told to nobody before it is saved, so that a host that was deposed and does not know it yet can
 * complete none. Whoever loses its host ends its part of the round, and looks for the host again: the same one, or the one
 * that is named next. A deposed host stands again only when nothing of its round is alive on its node.
 */

import { assertDefined, unreachable } from "../core/assert.ts";
import { EXIT_CODES, type SignalName } from "../core/errors.ts";
import { Deadlines, durationText, earliest, type InstantMs } from "../core/time.ts";
import { Coordinator } from "./coordinator.ts";
import type { CoordinatorEffect, CoordinatorEvent } from "./coordinator_events.ts";
import type { ElectedEffect, ElectedEvent } from "./elected_events.ts";
import type { FleetOptions, LinkEnd } from "./fleet_events.ts";
import type { JobRecord } from "./job_record.ts";
import type { JobOutcome, MeetingNews, MeetingRequest } from "./meeting.ts";
import { type HostMessage, isNews, toNodeMessage } from "./message_codec.ts";
import { failedWith, stoppedBy } from "./outcomes.ts";
import { clip } from "./texts.ts";

/** How long a node that leaves waits for its host to hear of it. */
const GOODBYE_MS = 2_000;

export type ElectedOptions = Omit<FleetOptions, "candidates"> & {
  /** Where the election is held, for messages: "etcd at a:2379, b:2379". */
  readonly electorate: string;
};

/** Where the agent stands, so that a new host can take it up there. */
type AgentState =
  | { readonly kind: "idle" }
  | { readonly kind: "joined" }
  /** It has workers, or is ending them (`isTold`). `isLost`: nobody is left who wants to know of that. */
  | { readonly kind: "in-round"; readonly round: number; readonly isTold: boolean; readonly isLost: boolean }
  /** It has told the host that nothing of the round is alive, and waits to hear what comes next. */
  | { readonly kind: "cleared" };

export class ElectedNode {
  readonly #options: ElectedOptions;
  readonly #deadlines = new Deadlines<"goodbye" | "search">();
  /** While this node is the host. */
  #coordinator: Coordinator | null = null;
  #agent: AgentState = { kind: "idle" };
  /** The host that this node has or wants a session with; null: none is known. */
  #host: { readonly epoch: number; readonly address: string } | null = null;
  #isLinked = false;
  #hostId: string | null = null;
  /** Node id of a host that is proved dead. */
  #deadHost: string | null = null;
  #wasSeated = false;
  #hasResigned = false;
  #leaving: { readonly signal: SignalName; readonly scope: "node" | "job" } | null = null;
  #lastProblem = "";
  /** What ends this node's part once its round is cleared; null: it goes on. */
  #failure: string | null = null;
  /** What follows from a round that is not saved yet; null: nothing waits. */
  #held: CoordinatorEffect[] | null = null;
  #saves = 0;
  #isOver = false;
  #effects: ElectedEffect[] = [];

  constructor(options: ElectedOptions) {
    this.#options = options;
  }

  nextWakeup(): InstantMs | undefined {
    return earliest(this.#deadlines.next(), this.#coordinator?.nextWakeup());
  }

  step(event: ElectedEvent, now: InstantMs): ElectedEffect[] {
    this.#effects = [];
    switch (event.kind) {
      case "start":
        this.#effects.push({ kind: "stand" });
        this.#deadlines.set("search", now + this.#options.settings.joinMs);
        break;
      case "appointed":
        if (!this.#isOver) this.#beginToHost(event, now);
        break;
      case "host-named":
        if (!this.#isOver && this.#coordinator === null) this.#follow(event, now);
        break;
      case "deposed":
        this.#onDeposed(event.text, now);
        break;
      case "saved":
        if (event.id === this.#saves) this.#release();
        break;
      case "election-trouble":
        this.#lastProblem = event.text;
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
      case "linked":
        this.#onLinked(event.hostId);
        break;
      case "heard":
        if (this.#coordinator === null) this.#hear(event.message, now);
        break;
      case "link-failed":
        this.#lastProblem = `the host at ${this.#host?.address ?? "?"} ${event.problem}`;
        break;
      case "link-ended":
        if (this.#coordinator === null) this.#onLinkEnded(event.end, now);
        break;
      case "wakeup":
        this.#wake(now);
        break;
      default:
        unreachable(event);
    }
    return this.#effects;
  }

  // What the agent says.

  #onRequest(request: MeetingRequest, now: InstantMs): void {
    switch (request.kind) {
      case "join":
        this.#agent = { kind: "joined" };
        break;
      case "cleared": {
        const wasLost = this.#agent.kind === "in-round" && this.#agent.isLost;
        this.#agent = { kind: "cleared" };
        if (wasLost) return this.#afterLostRound(now);
        break;
      }
      case "leave":
        this.#leaving = request;
        break;
    }
    if (this.#coordinator !== null) {
      const { info } = this.#options;
      const message = toNodeMessage(request, info);
      return this.#toCoordinator({ kind: "said", nodeId: info.nodeId, message }, now);
    }
    if (this.#isLinked) this.#send(request);
    if (this.#leaving !== null) this.#leaveAsGuest(this.#leaving, now);
  }

  #send(request: MeetingRequest): void {
    this.#effects.push({ kind: "send", message: toNodeMessage(request, this.#options.info) });
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

  #afterLostRound(now: InstantMs): void {
    if (this.#failure !== null) return this.#fail(this.#failure);
    if (this.#leaving !== null && this.#coordinator === null) return this.#leaveAsGuest(this.#leaving, now);
    this.#effects.push({ kind: "stand" });
    this.#agent = { kind: "idle" };
    this.#news({ kind: "go-on", text: null, verdict: null });
  }

  #news(news: MeetingNews): void {
    const agent = this.#agent;
    if (news.kind === "round") {
      this.#agent = { kind: "in-round", round: news.seat.round, isTold: false, isLost: false };
      this.#wasSeated = true;
    } else if (news.kind === "round-over" && agent.kind === "in-round") {
      this.#agent = { ...agent, isTold: true };
    } else if (news.kind === "go-on") this.#agent = { kind: "idle" };
    this.#effects.push({ kind: "news", news });
  }

  #end(outcome: JobOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const name of ["goodbye", "search"] as const) this.#deadlines.clear(name);
    this.#resign(this.#coordinator !== null);
    this.#news({ kind: "job-over", outcome });
  }

  #resign(over: boolean): void {
    if (!this.#hasResigned) this.#effects.push({ kind: "resign", over });
    this.#hasResigned = true;
  }

  /** The agent's round has no host any more: it ends here, and nobody says what comes next. */
  #loseRound(text: string, now: InstantMs): void {
    const agent = this.#agent;
    if (agent.kind === "cleared") return this.#afterLostRound(now);
    if (agent.kind !== "in-round" || agent.isLost) return;
    const { round, isTold } = agent;
    this.#agent = { ...agent, isLost: true };
    if (!isTold) this.#news({ kind: "round-over", round, text: clip(text), needsReport: false });
  }

  // As the host.

  #beginToHost({ epoch, previous }: Extract<ElectedEvent, { kind: "appointed" }>, now: InstantMs): void {
    const { settings, info, selfAddress, fallbackAddress, silenceMs, stopMs } = this.#options;
    // A round is saved before it is told of: where nothing is saved any more the job is over.
    if (this.#wasSeated && previous === null) {
      return this.#fail("The job has ended while this node was cut off from its host");
    }
    if (this.#host !== null) this.#effects.push({ kind: "drop-link" });
    if (this.#wasSeated) this.#say("This node hosts the job now");
    this.#host = null;
    this.#isLinked = false;
    this.#deadlines.clear("search");
    this.#loseRound("This node hosts the job now", now);
    if (this.#isOver) return;
    const chain = previous === null ? [] : [previous];
    const from = { epoch, chain, deadHost: this.#deadHost, wasHostLost: false, selfId: info.nodeId };
    this.#coordinator = new Coordinator({
      settings,
      silenceMs,
      stopMs,
      selfAddress,
      fallbackAddress,
      ...from,
    });
    this.#effects.push({ kind: "serve", epoch });
    this.#toCoordinator({ kind: "start" }, now);
    // The agent may have asked already.
    if (this.#agent.kind === "joined") this.#onRequest({ kind: "join" }, now);
    if (this.#leaving !== null) this.#onRequest({ kind: "leave", ...this.#leaving }, now);
  }

  #onDeposed(text: string, now: InstantMs): void {
    if (this.#coordinator === null || this.#isOver) return;
    this.#coordinator = null;
    this.#held = null;
    this.#say(`This node is the job's host no longer: ${text}`);
    this.#effects.push({ kind: "stop-serving" });
    this.#deadlines.set("search", now + this.#options.settings.joinMs);
    if (this.#agent.kind === "in-round" || this.#agent.kind === "cleared") {
      return this.#loseRound(`this node may host the job no longer (${text})`, now);
    }
    if (this.#leaving !== null) return this.#leaveAsGuest(this.#leaving, now);
    this.#effects.push({ kind: "stand" });
  }

  #toCoordinator(event: CoordinatorEvent, now: InstantMs): void {
    if (this.#coordinator === null) return;
    for (const effect of this.#coordinator.step(event, now)) {
      if (this.#held === null) this.#fromCoordinator(effect);
      else if (effect.kind === "formed") this.#save(effect.record);
      else this.#held.push(effect);
    }
  }

  #fromCoordinator(effect: CoordinatorEffect): void {
    switch (effect.kind) {
      case "tell":
        if (effect.nodeId !== this.#options.info.nodeId) this.#effects.push(effect);
        else if (effect.message.kind === "job-over") this.#end(effect.message.outcome);
        else if (isNews(effect.message)) this.#news(effect.message);
        return;
      case "formed":
        this.#held = [];
        return this.#save(effect.record);
      case "recorded":
        return;
      case "retire":
        this.#effects.push({ kind: "stop-serving" });
        return this.#resign(false);
      default:
        this.#effects.push(effect);
    }
  }

  #save(record: JobRecord): void {
    this.#effects.push({ kind: "save", id: ++this.#saves, record });
  }

  #release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const effect of held) this.#fromCoordinator(effect);
  }

  // As a guest.

  #follow({ epoch, address }: Extract<ElectedEvent, { kind: "host-named" }>, now: InstantMs): void {
    if (this.#host !== null && epoch <= this.#host.epoch) return;
    if (this.#isLinked) this.#loseRound(`the job goes on at ${address}`, now);
    this.#host = { epoch, address };
    this.#isLinked = false;
    this.#search(now);
  }

  #search(now: InstantMs): void {
    const { joinMs } = this.#options.settings;
    if (this.#deadlines.get("search") === undefined) this.#deadlines.set("search", now + joinMs);
    const { address } = assertDefined(this.#host ?? undefined, "A host to connect to");
    this.#effects.push({ kind: "connect", address, connectMs: joinMs });
  }

  #onLinked(hostId: string): void {
    this.#isLinked = true;
    this.#hostId = hostId;
    this.#deadlines.clear("search");
    if (this.#agent.kind === "joined") this.#send({ kind: "join" });
    if (this.#leaving !== null) this.#send({ kind: "leave", ...this.#leaving });
  }

  #hear(message: HostMessage, now: InstantMs): void {
    if (!isNews(message)) return;
    if (message.kind !== "job-over") {
      this.#news(message);
      if (this.#leaving !== null) this.#leaveAsGuest(this.#leaving, now);
    } else if (this.#leaving === null || message.outcome.code !== EXIT_CODES.success) {
      this.#end(message.outcome);
    } else this.#end(stoppedBy(this.#leaving.signal));
  }

  #onLinkEnded(end: LinkEnd, now: InstantMs): void {
    const wasLinked = this.#isLinked, host = this.#host;
    this.#isLinked = false;
    if (this.#isOver || host === null) return;
    if (this.#leaving !== null && this.#agent.kind !== "in-round") {
      return this.#end(stoppedBy(this.#leaving.signal));
    }
    if (end.kind === "refused") {
      return this.#fail(`The host at ${host.address} refused this node: it ${end.text}`);
    }
    const text = `The job's host at ${host.address} was lost: ${end.text}`;
    this.#lastProblem = `the host at ${host.address} was lost: ${end.text}`;
    const isDead = end.kind === "dead";
    if (isDead) this.#deadHost = this.#hostId;
    if (wasLinked && this.#wasSeated && this.#options.settings.failover === false) {
      if (this.#agent.kind !== "in-round") return this.#fail(text);
      this.#failure = text;
      return this.#loseRound(text, now);
    }
    if (wasLinked) this.#loseRound(text, now);
    this.#effects.push({ kind: "host-lost", epoch: host.epoch, isDead });
    this.#search(now);
  }

  #giveUp(): void {
    const { settings, electorate } = this.#options;
    const waited = `Waited ${durationText(settings.joinMs)} for a host of the job by ${electorate}`;
    this.#fail(this.#lastProblem === "" ? waited : `${waited}: ${this.#lastProblem}`);
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
      if (name === "search") this.#giveUp();
      else if (this.#leaving !== null) this.#end(stoppedBy(this.#leaving.signal));
    }
    this.#toCoordinator({ kind: "wakeup" }, now);
  }
}
