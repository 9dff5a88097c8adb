/**
 * The owner of a job: who takes part in which round, with which ranks, how often the job is started again, and how it
 * ends. It runs on one node, the host; what the nodes say reaches it in order, and it tells each what to do.
 *
 * Rules: a round begins only when nothing of the one before is alive anywhere. The first failure of a round is its
 * cause; a node that was lost costs one restart when every node is needed or when its loss made a worker fail, and
 * whatever else changes the membership is free, up to a limit. The job is over for everybody with the same code.
 */

import { assertDefined, unreachable } from "../core/assert.ts";
import { EXIT_CODES, type SignalName } from "../core/errors.ts";
import { Deadlines, durationText, earliest, type InstantMs } from "../core/time.ts";
import type { CoordinatorEffect, CoordinatorEvent, CoordinatorOptions } from "./coordinator_events.ts";
import { Farewell, sendAway } from "./farewell.ts";
import { Gathering } from "./gathering.ts";
import type { JobOutcome, StorePlace } from "./meeting.ts";
import { Members } from "./members.ts";
import type { NodeMessage } from "./message_codec.ts";
import { failedWith, leftBehind, notServed, stoppedBy, succeededAfter } from "./outcomes.ts";
import { seatsOf } from "./ranks.ts";
import { Round } from "./round.ts";
import { decideRoundEnd, FreeRounds } from "./round_end.ts";
import { roundSize } from "./settings.ts";
import { clip, hostLostText, nodesText, STAYS_AS_HOST } from "./texts.ts";

/** How often those who wait are told what has changed. */
const PROGRESS_MS = 1_000;
/** How long a new host waits for those who followed the old one, once it has enough of them. */
const TAKEOVER_MS = 1_500;

type DeadlineName = "join" | "lastCall" | "right" | "progress" | "barrier";
const OF_FORMING = ["join", "lastCall", "right", "progress"] as const;

export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #members: Members;
  readonly #farewell: Farewell;
  readonly #gathering: Gathering;
  readonly #deadlines = new Deadlines<DeadlineName>();
  #round: Round | null = null;
  readonly #freeRounds = new FreeRounds();
  /** How the job is to end on all nodes, once nothing of its round is left. */
  #jobStop: JobOutcome | null = null;
  #effects: CoordinatorEffect[] = [];

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#members = new Members(options);
    this.#farewell = new Farewell(this.#members, options.selfId);
    this.#gathering = new Gathering(options, this.#members);
  }

  /** A round is waited for. */
  get isForming(): boolean {
    return this.#round === null && !this.#farewell.hasBegun;
  }

  nextWakeup(): InstantMs | undefined {
    return earliest(this.#deadlines.next(), this.#farewell.nextWakeup());
  }

  step(event: CoordinatorEvent, now: InstantMs): CoordinatorEffect[] {
    this.#effects = [];
    switch (event.kind) {
      case "start":
        this.#deadlines.set("join", now + this.#options.settings.joinMs);
        this.#members.arrive(this.#options.selfId, { address: "", hostAddress: "" });
        break;
      case "arrived":
        if (this.#farewell.hasBegun) this.#effects.push(...this.#farewell.greet(event.nodeId));
        else this.#members.arrive(event.nodeId, event);
        this.#noteProgress(now);
        break;
      case "said":
        if (this.#members.has(event.nodeId)) this.#hear(event.nodeId, event.message, now);
        break;
      case "gone":
        this.#onGone(event, now);
        break;
      case "proved-dead":
        this.#gathering.proveDead(event.nodeId);
        this.#tryForm(now);
        break;
      case "judged-job":
        if (this.#round?.phase === "judging") this.#afterRound(this.#round, event.verdict, now);
        break;
      case "wakeup":
        for (const name of this.#deadlines.takeDue(now)) this.#onDeadline(name, now);
        this.#effects.push(...this.#farewell.wake(now));
        break;
      default:
        unreachable(event);
    }
    return this.#effects;
  }

  #hear(nodeId: string, message: NodeMessage, now: InstantMs): void {
    const round = this.#round, { settings } = this.#options;
    if (message.kind === "join") return this.#onJoin(nodeId, message, now);
    if (message.kind === "leave") return this.#onLeave(nodeId, message, now);
    if (message.kind === "accepted") {
      this.#gathering.accept(nodeId, message.proposal);
      return this.#beginWhenAgreed(now);
    }
    // Of a round that is over already, or of one that another host had.
    if (round === null || message.round !== round.number || !round.has(nodeId)) return;
    switch (message.kind) {
      case "store-served":
        if (round.phase === "placing" && round.seats[0] === nodeId) round.store = message.store;
        return this.#beginWhenAgreed(now);
      case "running":
        break;
      case "failed":
        // The workers' store can't be served: no restart would help.
        if (round.phase === "placing") return this.#end(notServed(message.failure, settings), now);
        // While a change of the membership ends the round, workers fail because their peers were stopped.
        if (round.phase === "running" || round.lost.length > 0 || message.failure.kind !== "worker") {
          round.fail(nodeId, message.failure);
        }
        return this.#endRound(round, `${this.#members.nameOf(nodeId)} ${message.failure.text}`, now);
      case "succeeded":
        return this.#onSucceeded(round, nodeId, now);
      case "cleared":
        round.clear(nodeId, message.report);
        this.#endRound(round, `${this.#members.nameOf(nodeId)} ended its part`, now);
        return this.#whenCleared(round, now);
      default:
        return unreachable(message);
    }
  }

  #onJoin(nodeId: string, message: Extract<NodeMessage, { kind: "join" }>, now: InstantMs): void {
    this.#gathering.join(nodeId, message);
    const round = this.#round;
    if (round === null) return this.#tryForm(now);
    if (!round.has(nodeId)) this.#welcome(round, nodeId, now);
  }

  /** A node is ready that has no seat in the round, since it came after the round was formed. */
  #welcome(round: Round, nodeId: string, now: InstantMs): void {
    if (round.phase !== "running") return;
    const growth = roundSize(this.#gathering.eligible.length + round.seats.length, this.#options.settings) ??
      0;
    // A job that is about to end is not begun again for a newcomer.
    if (growth <= round.seats.length || round.succeeded > 0) return this.#tellWaiting(nodeId, now);
    this.#endRound(round, `${this.#members.nameOf(nodeId)} came, and there is a seat for it`, now);
  }

  #onLeave(
    nodeId: string,
    { signal, scope }: Extract<NodeMessage, { kind: "leave" }>,
    now: InstantMs,
  ): void {
    const round = this.#round;
    this.#members.leave(nodeId, signal);
    const name = this.#members.nameOf(nodeId);
    if (scope === "job" && this.#jobStop === null) this.#stopJob(signal, name);
    if (round !== null && (scope === "job" || round.has(nodeId))) {
      const what = scope === "job" ? `stopped the job (${signal})` : `leaves the job (${signal})`;
      this.#endRound(round, `${name} ${what}`, now);
      this.#whenCleared(round, now);
    }
    if (this.#round !== null || this.#farewell.hasBegun) return;
    if (this.#jobStop !== null) return this.#end(this.#jobStop, now);
    this.#withoutMembers(now);
    this.#noteProgress(now);
  }

  /** All know it at once: nobody may go on with the job if its host is lost before the end. */
  #stopJob(signal: SignalName, name: string): void {
    const { selfId, settings: { nodesMax } } = this.#options;
    this.#jobStop = stoppedBy(signal, nodesMax === 1 ? null : name);
    const others = this.#members.ids.filter((nodeId) => nodeId !== selfId);
    for (const nodeId of others) this.#tell(nodeId, { kind: "stopping", signal });
  }

  #onGone(event: Extract<CoordinatorEvent, { kind: "gone" }>, now: InstantMs): void {
    const { nodeId, inOrder, text, quietMs } = event;
    if (!this.#members.has(nodeId)) return;
    const name = this.#members.nameOf(nodeId);
    const wasLeaving = this.#members.isLeaving(nodeId);
    const isAsked = this.#gathering.isAsked(nodeId);
    this.#effects.push(...this.#gathering.lose(nodeId, wasLeaving, now - quietMs));
    if (this.#farewell.hasBegun) return void this.#effects.push(...this.#farewell.closeWhenAlone());
    const round = this.#round;
    if (round === null) return this.#tryForm(now);
    const wasSeated = round.has(nodeId), wasDone = round.isDone(nodeId);
    if (wasSeated) {
      if (wasDone || (wasLeaving && inOrder)) round.remove(nodeId);
      else round.lose(nodeId, wasLeaving ? null : { lastHeard: now - quietMs, noticed: now, reason: text });
    }
    if (round.phase === "placing" && isAsked) {
      this.#say("notice", `${name} went before the workers were started`);
      return this.#unplace(round, now);
    }
    if (!wasSeated) return;
    if (!wasDone) this.#endRound(round, wasLeaving ? `${name} left` : `${name} was lost: ${text}`, now);
    this.#finishWhenAllSucceeded(round, now);
    this.#whenCleared(round, now);
  }

  #onSucceeded(round: Round, nodeId: string, now: InstantMs): void {
    round.succeed(nodeId);
    if (round.phase !== "running") return;
    // After the first one is over, who is done later gets another: nobody waits for ever.
    if (this.#deadlines.get("barrier") === undefined) {
      this.#deadlines.set("barrier", now + this.#options.settings.exitBarrierMs);
    }
    this.#finishWhenAllSucceeded(round, now);
  }

  #finishWhenAllSucceeded({ phase, hasSucceeded }: Round, now: InstantMs): void {
    if (phase === "running" && hasSucceeded) this.#end(succeededAfter(this.#gathering.record.restarts), now);
  }

  // Forming a round.

  #tryForm(now: InstantMs): void {
    if (!this.isForming) return;
    const { forming, rightAt } = this.#gathering.decide(now);
    if (rightAt !== null) this.#deadlines.set("right", rightAt);
    if (forming.kind === "form") return this.#form(forming.size, now);
    if (forming.kind === "too-few") this.#deadlines.clear("lastCall");
    else if (forming.lastCall !== null && this.#deadlines.get("lastCall") === undefined) {
      const lastCallMs = forming.lastCall === "first" ? this.#options.settings.lastCallMs : TAKEOVER_MS;
      this.#deadlines.set("lastCall", now + lastCallMs);
    }
    this.#noteProgress(now);
  }

  #form(size: number, now: InstantMs): void {
    const proposal = this.#gathering.propose(size);
    if (proposal === null) {
      const text = hostLostText(this.#options.settings.maxRestarts);
      return this.#end(failedWith(EXIT_CODES.workerFailed, text), now);
    }
    const { round: number, nodes, effects } = proposal;
    for (const name of OF_FORMING) this.#deadlines.clear(name);
    const { seats } = this.#round = new Round(number, nodes);
    for (const nodeId of seats) this.#members.seat(nodeId);
    for (const { nodeId } of this.#members.ready) this.#tellWaiting(nodeId, now);
    this.#effects.push(...effects, ...this.#gathering.settle());
    this.#tell(seats[0]!, { kind: "serve-store", round: number, peers: this.#members.addresses(seats) });
  }

  /** The round begins when its store is there, and all who are asked have accepted it. */
  #beginWhenAgreed(now: InstantMs): void {
    const round = this.#round;
    if (round?.phase !== "placing" || round.store === null || !this.#gathering.isAccepted) return;
    this.#effects.push(...this.#gathering.settle());
    this.#place(round, round.store, now);
  }

  #place(round: Round, store: StorePlace, now: InstantMs): void {
    const address = store.address === "" ? this.#members.addressOf(round.seats[0]!) : store.address;
    const { number, nodes } = round, { restarts: restartCount } = this.#gathering.record;
    const seats = seatsOf(nodes, { round: number, restartCount, store: { ...store, address } });
    round.phase = "running";
    if (nodes.length > 1) {
      this.#say("notice", `${nodesText(nodes)} take part, ${seats[0]!.worldSize} workers in all`);
    }
    nodes.forEach(({ nodeId }, index) => this.#tell(nodeId, { kind: "round", seat: seats[index]! }));
    for (const late of this.#members.ready) this.#welcome(round, late.nodeId, now);
  }

  /** Nobody has started anything: whoever is still there is ready as before, and waits with a limit. */
  #unplace(round: Round, now: InstantMs): void {
    for (const nodeId of round.present) this.#members.setReady(nodeId);
    this.#round = null;
    if (this.#jobStop !== null) return this.#end(this.#jobStop, now);
    this.#deadlines.set("join", now + this.#options.settings.joinMs);
    this.#tryForm(now);
  }

  // Ending a round.

  #endRound(round: Round, text: string, now: InstantMs): void {
    if (round.phase === "placing") return this.#unplace(round, now);
    if (round.phase !== "running") return;
    round.phase = "ending";
    this.#deadlines.clear("barrier");
    const needsReport = round.failure !== null || round.lost.length > 0;
    for (const nodeId of round.present) {
      if (round.isCleared(nodeId)) continue;
      this.#tell(nodeId, { kind: "round-over", round: round.number, text: clip(text), needsReport });
    }
  }

  #whenCleared(round: Round, now: InstantMs): void {
    if (round !== this.#round || round.phase !== "ending" || !round.isAllCleared) return;
    round.phase = "judging";
    const { reports } = round;
    if (reports.length === 0 || (round.failure === null && round.lost.length === 0)) {
      return this.#afterRound(round, null, now);
    }
    const { lost } = round;
    this.#effects.push({ kind: "judge-job", restartCount: this.#gathering.record.restarts, reports, lost });
  }

  #afterRound(round: Round, verdict: Uint8Array | null, now: InstantMs): void {
    const { settings } = this.#options;
    this.#round = null;
    this.#gathering.close(round, now);
    const next = decideRoundEnd({
      round,
      verdict,
      settings,
      restarts: this.#gathering.record.restarts,
      isJobStopped: this.#jobStop !== null,
      areEnough: this.#members.staying.length >= settings.nodesMin,
      freeRounds: this.#freeRounds,
    }, now);
    if (next.kind === "end") return this.#end(next.outcome, now);
    if (next.kind === "stopped") return this.#end(assertDefined(this.#jobStop ?? undefined), now);
    if (next.costsRestart) this.#effects.push(this.#gathering.addRestart());
    this.#deadlines.set("join", now + settings.joinMs);
    for (const nodeId of round.present) {
      if (this.#members.isLeaving(nodeId)) continue;
      this.#members.expect(nodeId);
      this.#tell(nodeId, { kind: "go-on", text: null, verdict });
    }
    this.#withoutMembers(now);
    this.#tryForm(now);
  }

  /** The host's own agent was told to leave: it stays as long as others need the host. */
  #withoutMembers(now: InstantMs): void {
    const signal = this.#members.signalOf(this.#options.selfId);
    if (signal === null || this.#farewell.hasBegun || this.#round !== null) return;
    if (this.#members.staying.length === 0) return this.#end(stoppedBy(signal), now);
    if (this.#options.settings.failover) {
      this.#effects.push(this.#gathering.recorded("left"), { kind: "retire" });
      return this.#end(stoppedBy(signal), now, "self");
    }
    this.#say("notice", STAYS_AS_HOST);
  }

  // The job's end.

  #end(outcome: JobOutcome, now: InstantMs, scope: "all" | "self" = "all"): void {
    this.#round = null;
    for (const name of [...OF_FORMING, "barrier"] as const) this.#deadlines.clear(name);
    this.#effects.push(...this.#farewell.begin(outcome, scope, now));
  }

  #onDeadline(name: DeadlineName, now: InstantMs): void {
    const { settings } = this.#options;
    switch (name) {
      case "join":
      case "lastCall": {
        // Both may be due after a time in which this process did not run.
        if (!this.isForming) return;
        this.#gathering.endLastCall();
        const { forming } = this.#gathering.decide(now);
        // Those who are here are waited for all the same: their workers may be alive.
        const isTime = forming.kind === "form" || forming.kind === "wait" && forming.lastCall === "first";
        if (isTime) return this.#form(forming.size, now);
        if (name === "lastCall") return;
        const text = `Waited ${durationText(settings.joinMs)} ${this.#gathering.waitingText}`;
        return this.#end(failedWith(EXIT_CODES.workerFailed, text), now);
      }
      case "right":
        return this.#tryForm(now);
      case "progress":
        return this.#members.ready.forEach(({ nodeId }) => this.#tellWaiting(nodeId, now));
      case "barrier": {
        const round = assertDefined(this.#round ?? undefined);
        const outcome = leftBehind(settings.exitBarrierMs);
        const done = round.present.filter((nodeId) =>
          nodeId !== this.#options.selfId && round.isDone(nodeId)
        );
        this.#effects.push(...done.flatMap((nodeId) => sendAway(nodeId, outcome)));
        return;
      }
      default:
        return unreachable(name);
    }
  }

  #noteProgress(now: InstantMs): void {
    if (this.#options.settings.nodesMax === 1 || !this.isForming) return;
    if (this.#deadlines.get("progress") === undefined) this.#deadlines.set("progress", now + PROGRESS_MS);
  }

  #tellWaiting(nodeId: string, now: InstantMs): void {
    const until = this.#deadlines.get("lastCall") ?? this.#deadlines.get("join");
    const leftMs = until === undefined ? null : Math.max(0, Math.round(until - now));
    const waiting = this.#gathering.waiting(this.#round?.seats.length ?? null, leftMs);
    this.#tell(nodeId, { kind: "waiting", waiting });
  }

  #tell(nodeId: string, message: Extract<CoordinatorEffect, { kind: "tell" }>["message"]): void {
    this.#effects.push({ kind: "tell", nodeId, message });
  }

  #say(level: "notice" | "warning", text: string): void {
    this.#effects.push({ kind: "say", level, text: clip(text) });
  }
}
