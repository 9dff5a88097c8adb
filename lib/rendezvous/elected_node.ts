/**
 * One node of a job whose host is elected outside of it, by etcd: the host, which has the coordinator, or a guest of it.
 * Any node can be either, one after the other.
 *
 * Rules: a round is told to nobody before it is saved, so that a host that was deposed and does not know it yet can
 * complete none, nor while workers of an earlier one are alive with somebody who has a session with the host. Of all others
 * nothing is alive when another host may begin: a deposed host's workers are killed before its lease can have ended, a
 * guest's when no host has taken the guest up for as long. Whoever loses its host ends its part of the round, and looks for
 * the host again: the same one, or the one that is named next. A deposed host stands again only when nothing of its round
 * is alive on its node.
 */

import { assertDefined, unreachable } from "../core/assert.ts";
import { EXIT_CODES, type SignalName } from "../core/errors.ts";
import { Deadlines, earliest, type InstantMs } from "../core/time.ts";
import { Coordinator } from "./coordinator.ts";
import type { CoordinatorEffect, CoordinatorEvent } from "./coordinator_events.ts";
import { NodeAgent } from "./node_agent.ts";
import type { ElectedEffect, ElectedEvent, ElectedOptions } from "./elected_events.ts";
import type { LinkEnd } from "./fleet_events.ts";
import { HeldRound } from "./held_round.ts";
import type { JobOutcome, MeetingNews, MeetingRequest } from "./meeting.ts";
import { type HostMessage, isNews, toNodeMessage } from "./message_codec.ts";
import { endedBefore, endedWithout, failedWith, stoppedBy } from "./outcomes.ts";
import { clip, hostNotElected, waitingForHost } from "./texts.ts";

/** How long a node that leaves waits for its host to hear of it. */
const GOODBYE_MS = 2_000;

export class ElectedNode {
  readonly #options: ElectedOptions;
  readonly #deadlines = new Deadlines<"goodbye" | "search" | "orphaned">();
  /** While this node is the host. */
  #coordinator: Coordinator | null = null;
  readonly #agent = new NodeAgent();
  /** The host that this node has or wants a session with; null: none is known. */
  #host: { readonly epoch: number; readonly address: string; readonly orphanMs: number } | null = null;
  #isLinked = false;
  #hostId: string | null = null;
  /** It is host no longer, but still listens: a port that is closed is taken for the proof that nothing is alive here. */
  #isMute = false;
  #deadHostId: string | null = null;
  /** The last host handed the job over. */
  #hasHostLeft = false;
  #hasResigned = false;
  #leaving: { readonly signal: SignalName; readonly scope: "node" | "job" } | null = null;
  #lastProblem = "";
  /** What ends this node's part once its round is cleared; null: it goes on. */
  #failure: string | null = null;
  readonly #held = new HeldRound();
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
        this.#onDeposed(event, now);
        break;
      case "job-ended":
        this.#onJobEnded(event);
        break;
      case "saved":
        this.#held.saved(event.id);
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
        this.#held.note(event);
        this.#toCoordinator(event, now);
        break;
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
        this.#onLinkFailed(event.problem, now);
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
    if (this.#agent.round === null) {
      for (const effect of this.#held.release()) {
        this.#fromCoordinator(effect);
      }
    }
    return this.#effects;
  }

  // What the agent says.

  #onRequest(request: MeetingRequest, now: InstantMs): void {
    const wasLost = this.#agent.asks(request);
    if (this.#agent.round === null) this.#deadlines.clear("orphaned");
    if (this.#agent.round === null && this.#isMute) this.#stopServing();
    if (wasLost) return this.#afterLostRound(now);
    if (request.kind === "leave") this.#leaving = request;
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
    if (scope === "job" && this.#isLinked && this.#agent.wasSeated) return;
    if (!this.#isLinked) return this.#end(stoppedBy(signal));
    if (this.#deadlines.get("goodbye") !== undefined) return;
    this.#effects.push({ kind: "hang-up" });
    this.#deadlines.set("goodbye", now + GOODBYE_MS);
  }

  #afterLostRound(now: InstantMs): void {
    if (this.#failure !== null) return this.#fail(this.#failure);
    if (this.#leaving !== null && this.#coordinator === null) return this.#leaveAsGuest(this.#leaving, now);
    this.#effects.push({ kind: "stand" });
    this.#news({ kind: "go-on", text: null, verdict: null });
  }

  #news(news: MeetingNews): void {
    this.#agent.told(news);
    this.#effects.push({ kind: "news", news });
  }

  #end(outcome: JobOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const name of ["goodbye", "search", "orphaned"] as const) this.#deadlines.clear(name);
    this.#resign(this.#coordinator !== null, outcome.code === EXIT_CODES.success);
    this.#news({ kind: "job-over", outcome });
  }

  #resign(over: boolean, succeeded: boolean): void {
    if (!this.#hasResigned) this.#effects.push({ kind: "resign", over, succeeded });
    this.#hasResigned = true;
  }

  /** The agent's round has no host any more: it ends here, and nobody says what comes next. */
  #loseRound(text: string, now: InstantMs): void {
    if (this.#agent.kind === "cleared") return this.#afterLostRound(now);
    const round = this.#agent.lose();
    if (round !== null) this.#endRound(round, text);
  }

  #endRound(round: number, text: string, withinMs?: number): void {
    const limit = withinMs === undefined ? {} : { withinMs };
    this.#news({ kind: "round-over", round, text: clip(text), needsReport: false, ...limit });
  }

  /** From now on the host may count on it that this node's workers are gone in time: no host knows of them. */
  #orphan(now: InstantMs): void {
    if (this.#agent.kind !== "in-round" || this.#deadlines.get("orphaned") !== undefined) return;
    this.#deadlines.set("orphaned", now + assertDefined(this.#host ?? undefined).orphanMs);
  }

  // As the host.

  #beginToHost({ epoch, previous }: Extract<ElectedEvent, { kind: "appointed" }>, now: InstantMs): void {
    const { settings, info, selfAddress, fallbackAddress, silenceMs, stopMs } = this.#options;
    // A round is saved before it is told of: where nothing is saved any more the job is over.
    if (this.#agent.wasSeated && previous === null) {
      return this.#fail("The job has ended while this node was cut off from its host");
    }
    if (this.#host !== null) this.#effects.push({ kind: "drop-link" });
    if (this.#agent.wasSeated) this.#say("This node hosts the job now");
    this.#host = null;
    this.#isLinked = false;
    for (const name of ["search", "orphaned"] as const) this.#deadlines.clear(name);
    this.#loseRound("This node hosts the job now", now);
    if (this.#isOver) return;
    const chain = previous === null ? [] : [previous];
    const wasHostLost = previous !== null && previous.hostId !== info.nodeId && !this.#hasHostLeft;
    const from = { epoch, chain, deadHost: this.#deadHostId, wasHostLost, selfId: info.nodeId };
    const limits = { settings, silenceMs, stopMs };
    this.#coordinator = new Coordinator({
      ...limits,
      selfAddress,
      fallbackAddress,
      ...from,
      begun: 0,
      elsewhere: null,
    });
    this.#effects.push({ kind: "serve", epoch });
    this.#toCoordinator({ kind: "start" }, now);
    // The agent may have asked already.
    if (this.#agent.kind === "joined") this.#onRequest({ kind: "join" }, now);
    if (this.#leaving !== null) this.#onRequest({ kind: "leave", ...this.#leaving }, now);
  }

  #stopServing(): void {
    this.#effects.push({ kind: "stop-serving" });
    this.#held.drop();
    this.#isMute = false;
  }

  #onDeposed({ text, lifeMs }: Extract<ElectedEvent, { kind: "deposed" }>, now: InstantMs): void {
    if (this.#coordinator === null || this.#isOver) return;
    this.#coordinator = null;
    this.#say(`This node is the job's host no longer: ${text}`);
    this.#deadlines.set("search", now + this.#options.settings.joinMs);
    const { round } = this.#agent;
    if (round !== null) {
      this.#isMute = true;
      this.#agent.lose();
      const reason = clip(`The job's host is it no longer: ${text}`);
      const over = { kind: "round-over", round, text: reason, needsReport: false } as const;
      for (const nodeId of this.#held.guests) this.#effects.push({ kind: "tell", nodeId, message: over });
      return this.#endRound(round, "Another node may host the job soon", lifeMs);
    }
    this.#stopServing();
    if (this.#agent.kind === "cleared") return this.#afterLostRound(now);
    if (this.#leaving !== null) return this.#leaveAsGuest(this.#leaving, now);
    this.#effects.push({ kind: "stand" });
  }

  #toCoordinator(event: CoordinatorEvent, now: InstantMs): void {
    if (this.#coordinator === null) return;
    for (const effect of this.#coordinator.step(event, now)) {
      if (effect.kind === "formed" || !this.#held.isHolding) this.#fromCoordinator(effect);
      else this.#held.hold(effect);
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
        return void this.#effects.push({ kind: "save", id: this.#held.begin(), record: effect.record });
      case "recorded":
        return;
      case "retire":
        return this.#resign(false, false);
      default:
        this.#effects.push(effect);
    }
  }

  // As a guest.

  #follow({ epoch, address, orphanMs }: Extract<ElectedEvent, { kind: "host-named" }>, now: InstantMs): void {
    if (this.#host !== null && epoch <= this.#host.epoch) return;
    if (this.#isLinked) {
      this.#orphan(now);
      this.#loseRound(`the job goes on at ${address}`, now);
    }
    this.#host = { epoch, address, orphanMs };
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
    for (const name of ["search", "orphaned"] as const) this.#deadlines.clear(name);
    if (this.#agent.kind === "joined") this.#send({ kind: "join" });
    if (this.#leaving !== null) this.#send({ kind: "leave", ...this.#leaving });
  }

  #hear(message: HostMessage, now: InstantMs): void {
    if (message.kind === "stopping") this.#leaving ??= { signal: message.signal, scope: "job" };
    if (!isNews(message)) return;
    if (message.kind !== "job-over") {
      this.#news(message);
      if (this.#leaving !== null) this.#leaveAsGuest(this.#leaving, now);
    } else if (this.#leaving === null || message.outcome.code !== EXIT_CODES.success) {
      this.#end(message.outcome);
    } else this.#end(stoppedBy(this.#leaving.signal));
  }

  /** Whoever waits for a host that etcd names and that can't be reached is told so, once. */
  #onLinkFailed(problem: string, now: InstantMs): void {
    const address = this.#host?.address ?? "?";
    const text = `the host at ${address} ${problem}`, until = this.#deadlines.get("search");
    const isSaid = text === this.#lastProblem;
    this.#lastProblem = text;
    if (isSaid || until === undefined || this.#agent.round !== null) return;
    const { settings } = this.#options;
    // Who hosts is not a matter of addresses there.
    const how = { leftMs: until - now, isFirst: false };
    this.#news({ kind: "waiting", waiting: waitingForHost(address, problem, how, settings) });
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
    if (wasLinked) this.#hasHostLeft = end.kind === "left";
    if (isDead) this.#deadHostId = this.#hostId;
    if (wasLinked && this.#agent.wasSeated && this.#options.settings.failover === false) {
      if (this.#agent.kind !== "in-round") return this.#fail(text);
      this.#failure = text;
      return this.#loseRound(text, now);
    }
    if (wasLinked) {
      this.#orphan(now);
      this.#loseRound(text, now);
    }
    this.#effects.push({ kind: "host-lost", epoch: host.epoch, isDead });
    this.#search(now);
  }

  /** Who came too late, or was cut off: there is nothing left to take part in. */
  #onJobEnded({ exitCode, knownMs }: Extract<ElectedEvent, { kind: "job-ended" }>): void {
    if (this.#isOver || this.#coordinator !== null) return;
    this.#effects.push({ kind: "drop-link" });
    if (this.#leaving !== null) return this.#end(stoppedBy(this.#leaving.signal));
    this.#end(this.#agent.wasSeated ? endedWithout(exitCode) : endedBefore(exitCode, knownMs));
  }

  #endOrphans(): void {
    const { round } = this.#agent;
    if (round !== null) this.#endRound(round, "No host was found in time, and another may begin", 0);
  }

  #say(text: string): void {
    this.#effects.push({ kind: "say", level: "notice", text: clip(text) });
  }

  #fail(text: string): void {
    this.#effects.push({ kind: "drop-link" });
    this.#end(failedWith(EXIT_CODES.workerFailed, text));
  }

  #wake(now: InstantMs): void {
    const { settings: { joinMs }, electorate } = this.#options;
    for (const name of this.#deadlines.takeDue(now)) {
      if (name === "search") this.#fail(hostNotElected(electorate, joinMs, this.#lastProblem));
      else if (name === "orphaned") this.#endOrphans();
      else if (this.#leaving !== null) this.#end(stoppedBy(this.#leaving.signal));
    }
    this.#toCoordinator({ kind: "wakeup" }, now);
  }
}
