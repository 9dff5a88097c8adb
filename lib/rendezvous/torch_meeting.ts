/**
 * An agent's rendezvous where torchrun's agents take part: torchrun's own protocol on torchrun's own record
 * (torchrun.md 4.1), behind the same seam as the rendezvous among our agents (`meeting.ts`).
 *
 * The restart budget is this node's alone, and a failure elsewhere is seen when that node comes back to wait for the next
 * round, as under torchrun. Beyond torchrun, where its side allows it: a closed job ends the workers at once, a round
 * that goes on without this node ends its workers, a node that leaves lets the others know, the end can't be missed.
 */

import { assertDefined } from "../core/assert.ts";
import type { SignalName } from "../core/errors.ts";
import { Prng } from "../core/prng.ts";
import { Deadlines, durationText, earliest, type InstantMs } from "../core/time.ts";
import { KeyTalk } from "./key_talk.ts";
import type { JobOutcome, LocalFailure, MeetingNews, StorePlace } from "./meeting.ts";
import { RecordLoop, type RecordReport } from "./record_loop.ts";
import { announcementKey, type AssemblyResult, findHost } from "./torch_assembly.ts";
import { Departure, type DepartureWay } from "./torch_departure.ts";
import type {
  TorchMeetingEffect,
  TorchMeetingEvent,
  TorchMeetingOptions,
  TorchPhase,
} from "./torch_meeting_events.ts";
import type { StoreOperation } from "./torch_operations.ts";
import * as outcomes from "./torch_outcomes.ts";
import { nodeName, type TorchRecord } from "./torch_record.ts";
import { SaidOnce } from "./said_once.ts";
import { SpareWatch } from "./spare_watch.ts";
import { TorchRound } from "./torch_round.ts";
import type { TorchDecision } from "./torch_rules.ts";
import { TorchWaiting } from "./torch_waiting.ts";

/** Between looks at the record: torchrun's while workers run, less while nodes wait for each other. */
const POLL_MS = 1000;
const JOINING_POLL_MS = 200;

export class TorchMeeting {
  readonly #options: TorchMeetingOptions;
  readonly #keyBase: string;
  readonly #me: string;
  readonly #loop: RecordLoop;
  readonly #talk: KeyTalk;
  readonly #deadlines = new Deadlines<"join">();
  #phase: TorchPhase = "idle";
  #round: TorchRound | null = null;
  #ownPlace: StorePlace | null = null;
  #restarts = 0;
  #failure: LocalFailure | null = null;
  #stop: { readonly signal: SignalName; readonly scope: "node" | "job" } | null = null;
  readonly #departure: Departure;
  readonly #waiting: TorchWaiting;
  readonly #once: SaidOnce;
  #effects: TorchMeetingEffect[] = [];
  #tickets = 0;
  #checkAt: InstantMs = 0;
  #now: InstantMs = 0;

  constructor(options: TorchMeetingOptions) {
    this.#options = options;
    this.#keyBase = `torch.rendezvous.${options.jobId}`;
    this.#me = nodeName(options.me);
    const emit = (operation: StoreOperation) => void this.#effects.push({ kind: "ask", operation });
    const nextTicket = () => ++this.#tickets;
    this.#talk = new KeyTalk(emit, nextTicket);
    this.#loop = new RecordLoop({ ...options, prng: new Prng(options.seed) }, POLL_MS, emit, nextTicket);
    const spare = new SpareWatch(this.#keyBase, this.#talk, () => this.#end(outcomes.NOT_NEEDED));
    this.#waiting = new TorchWaiting(options.rules, spare, (news) => this.#tell(news));
    this.#once = new SaidOnce((level, text) => this.#effects.push({ kind: "say", level, text }));
    this.#departure = new Departure(this.#loop, (outcome) => this.#end(outcome));
  }

  nextWakeup(): InstantMs | undefined {
    const ours = earliest(this.#deadlines.next(), this.#loop.nextWakeup());
    return earliest(ours, this.#departure.nextWakeup());
  }

  step(event: TorchMeetingEvent, now: InstantMs): TorchMeetingEffect[] {
    this.#effects = [];
    this.#now = now;
    if (this.#phase === "over") return [];
    switch (event.kind) {
      case "join":
        this.#onJoin();
        break;
      case "store-served":
        if (this.#phase === "assembling" && event.round === this.#round?.number) {
          this.#ownPlace = event.store;
          this.#round.assembly.serve(event.store);
        }
        break;
      case "failed":
        this.#onFailed(event.failure);
        break;
      case "succeeded":
        this.#onSucceeded(event.round);
        break;
      case "cleared":
        this.#onCleared();
        break;
      case "leave":
        this.#onLeave(event);
        break;
      case "record":
        this.#onReport(this.#loop.answer(event, now));
        break;
      case "values":
      case "sum":
        this.#talk.settle(event);
        break;
      case "store-lost":
        this.#onStoreLost(event.text);
        break;
      case "wakeup":
        this.#loop.wake(now);
        this.#departure.wake(now);
        if (this.#deadlines.takeDue(now).length > 0) this.#onJoinTimeOver();
        break;
    }
    return this.#effects;
  }

  #onJoin(): void {
    if (this.#phase !== "idle") return;
    this.#phase = "joining";
    this.#failure = null;
    this.#loop.wish = "join";
    this.#loop.pollMs = JOINING_POLL_MS;
    this.#deadlines.set("join", this.#now + this.#options.joinMs);
    this.#talk.set([announcementKey(this.#keyBase, this.#me), `muster ${this.#options.version}`]);
    this.#loop.poke();
  }

  #onReport(report: RecordReport | null): void {
    switch (report?.kind) {
      case "unreadable":
        return this.#once.say("warning", outcomes.unreadable(this.#options.jobId, report.text));
      case "absent":
        if (this.#phase === "leaving") this.#departure.conclude();
        return;
      case "seen":
        return this.#onSeen(report.record, report.decision);
      case "foreign":
        return this.#end(outcomes.refused(this.#options.jobId, report.form));
      case "hostless":
        return findHost(report.record, this.#keyBase, this.#talk, (host) => {
          this.#loop.host = host;
          this.#loop.poke();
        });
    }
  }

  #onSeen(record: TorchRecord, decision: TorchDecision): void {
    switch (this.#phase) {
      case "joining":
        return this.#whileJoining(record, decision);
      case "assembling":
        if (this.#round?.overText(record) !== null) this.#rejoin();
        return;
      case "running":
        return this.#whileRunning(record);
      case "finishing":
        return this.#whileFinishing(record);
      case "leaving":
        return this.#departure.seen(record, decision);
    }
  }

  #whileJoining(record: TorchRecord, decision: TorchDecision): void {
    switch (decision.kind) {
      case "closed":
        if (this.#round !== null) return this.#end(outcomes.failed(outcomes.FAILED_ELSEWHERE));
        return this.#whenClosed(record);
      case "wait":
        // A seat may become free at any time, and nobody is kept waiting by who waits for it.
        if (decision.for === "free-seat") this.#deadlines.clear("join");
        else if (this.#deadlines.get("join") === undefined) {
          this.#deadlines.set("join", this.#now + this.#options.joinMs);
        }
        if (decision.for === "next-round") this.#checkForEnded();
        return this.#waiting.update(record, decision.for, this.#deadlines.get("join"), this.#now);
      case "done":
        return this.#assemble(record);
    }
  }

  /** torchrun's agents do not start again once their own workers have succeeded: no round follows then. */
  #checkForEnded(): void {
    const round = this.#round;
    if (round === null || !round.hasTorchrun || this.#now < this.#checkAt) return;
    this.#checkAt = this.#now + POLL_MS;
    round.countOtherExits((count) => {
      if (count === 0 || this.#phase !== "joining") return;
      this.#close(outcomes.failed(outcomes.FAILED_AFTER_END));
    });
  }

  #whenClosed(record: TorchRecord): void {
    const me = { me: this.#me, cause: this.#waiting.cause };
    outcomes.whenClosed(record, me, this.#keyBase, this.#talk, (outcome) => this.#end(outcome));
  }

  #assemble(record: TorchRecord): void {
    this.#phase = "assembling";
    this.#deadlines.clear("join");
    this.#waiting.end();
    this.#loop.wish = "stay";
    this.#loop.lastRound = record.round;
    const { readMs: limitMs } = this.#options;
    const options = { ...this.#options, keyBase: this.#keyBase, ownPlace: this.#ownPlace, limitMs };
    this.#round = new TorchRound(
      record,
      this.#me,
      options,
      this.#talk,
      (result) => this.#onAssembled(result),
    );
    this.#round.assembly.start();
  }

  #onAssembled(result: AssemblyResult): void {
    const round = assertDefined(this.#round);
    if (this.#phase !== "assembling") return;
    switch (result.kind) {
      case "serve-store":
        return this.#tell({ kind: "serve-store", round: round.number, peers: [] });
      case "failed":
        return this.#close(outcomes.failed(result.text));
      case "broken":
        return this.#rejoin();
      case "seat": {
        this.#phase = "running";
        this.#loop.pollMs = POLL_MS;
        this.#loop.host = round.names[0]!;
        const { number, groupRank, names: { length: groupWorldSize } } = round;
        const place = { round: number, restartCount: this.#restarts, groupRank, groupWorldSize };
        return this.#tell({ kind: "round", seat: { ...place, ...result.ranks, store: result.place } });
      }
    }
  }

  /** The round is over before the workers have been started. */
  #rejoin(): void {
    this.#talk.forget();
    this.#phase = "idle";
    this.#onJoin();
  }

  #whileRunning(record: TorchRecord): void {
    const round = assertDefined(this.#round);
    if (record.isClosed) return this.#onClosed(round);
    const change = round.overText(record);
    if (change !== null) return this.#onChange(round, change);
    if (!record.participants.has(this.#me)) {
      this.#once.say("warning", outcomes.TAKEN_FOR_DEAD);
    }
  }

  /** A round that is about to end is not begun again where torchrun's agents would not take part: see `checkForEnded`. */
  #onChange(round: TorchRound, text: string): void {
    if (!round.hasTorchrun) return this.#overElsewhere(text);
    round.countOtherExits((count) => {
      if (this.#phase === "running" && count === 0) this.#overElsewhere(text);
    });
  }

  /** torchrun closes a job that failed for good, but also one whose nodes do not end within five minutes of each other. */
  #onClosed(round: TorchRound): void {
    if (this.#once.has(outcomes.CLOSED)) return;
    round.countOtherExits((count) => {
      if (this.#phase !== "running") return;
      if (count > 0) return this.#once.say("notice", outcomes.CLOSED);
      this.#end(outcomes.failed(outcomes.FAILED_ELSEWHERE));
    });
  }

  #overElsewhere(text: string): void {
    this.#phase = "ending";
    this.#tell({ kind: "round-over", round: assertDefined(this.#round).number, text, needsReport: false });
  }

  #onFailed(failure: LocalFailure): void {
    // While a change of the membership ends the round, workers fail because their peers were stopped.
    if (this.#phase === "ending" && failure.kind === "worker") return;
    if (this.#phase !== "running" && this.#phase !== "assembling" && this.#phase !== "ending") return;
    this.#failure ??= failure;
    this.#phase = "ending";
    this.#talk.forget();
  }

  #onCleared(): void {
    if (this.#phase !== "ending") return;
    const failure = this.#failure;
    const isFinal = failure !== null &&
      (failure.kind !== "worker" || this.#restarts >= this.#options.maxRestarts);
    if (isFinal) return this.#close(outcomes.failedFor(failure));
    if (this.#stop !== null) return this.#depart(this.#stop);
    if (failure !== null) this.#restarts++;
    this.#failure = null;
    this.#phase = "idle";
    this.#tell({ kind: "go-on", text: null, verdict: null });
  }

  #onLeave(stop: { readonly signal: SignalName; readonly scope: "node" | "job" }): void {
    if (this.#phase === "leaving") return this.#departure.conclude();
    this.#stop = stop;
    if (stop.scope === "job") {
      this.#loop.wish = "break-up";
      this.#loop.poke();
    }
    if (this.#phase === "running") this.#phase = "ending";
    else if (this.#phase !== "ending") this.#depart(stop);
  }

  #depart({ signal, scope }: { readonly signal: SignalName; readonly scope: "node" | "job" }): void {
    const outcome = outcomes.stoppedBy(signal);
    if (scope === "job") return this.#close(outcome);
    // Too few would be left for a round without this node: they are left to what becomes of their workers.
    const canRegroup = this.#round !== null && this.#round.names.length > this.#options.rules.nodesMin;
    this.#leaveBy(canRegroup ? "hand-over" : "leave", outcome, this.#options.closeMs);
  }

  #onSucceeded(number: number): void {
    const round = this.#round;
    if (this.#phase !== "running" || round === null || number !== round.number) return;
    this.#phase = "finishing";
    const { exitBarrierMs } = this.#options;
    round.reportExit(exitBarrierMs, (areAllDone) => {
      if (this.#phase !== "finishing") return;
      const text = `Others are still running after ${durationText(exitBarrierMs)}; leaving`;
      this.#close(outcomes.succeeded(this.#restarts, areAllDone ? null : text));
    });
  }

  #whileFinishing(record: TorchRecord): void {
    const round = assertDefined(this.#round);
    const change = round.changeText(record), gone = round.goneText(record);
    if (!record.isClosed && change === null && gone === null) return;
    round.countOtherExits((count) => {
      if (this.#phase !== "finishing" || count === round.names.length - 1) return;
      if (change === null && gone !== null) {
        if (round.isFinished(record, count)) {
          this.#close(outcomes.succeeded(this.#restarts, `${gone}; leaving`));
        }
        return;
      }
      if (record.isClosed) return this.#close(outcomes.failed(outcomes.FAILED_ELSEWHERE));
      if (count > 0 && round.hasTorchrun) return;
      this.#talk.forget();
      this.#overElsewhere(change!);
    });
  }

  /** Ends the job for everybody, and then here. */
  #close(outcome: JobOutcome): void {
    this.#leaveBy(outcome.code === 0 ? "close" : "break-up", outcome, this.#options.closeMs);
  }

  #leaveBy(way: DepartureWay, outcome: JobOutcome, limitMs: number): void {
    this.#phase = "leaving";
    this.#waiting.end();
    this.#talk.forget();
    this.#deadlines.clear("join");
    this.#departure.begin(way, outcome, limitMs, this.#now);
  }

  #onStoreLost(text: string): void {
    if (this.#phase === "leaving") return this.#departure.conclude();
    if (this.#phase === "finishing") {
      return this.#end(outcomes.succeeded(this.#restarts, outcomes.HOST_LEFT));
    }
    this.#end(outcomes.failed(text));
  }

  #onJoinTimeOver(): void {
    const text = `Waited ${durationText(this.#options.joinMs)} ${this.#waiting.text || "to join"}, in vain`;
    if (this.#phase === "joining") this.#leaveBy("leave", outcomes.failed(text), ROLLBACK_MS);
  }

  #end(outcome: JobOutcome): void {
    if (this.#phase === "over") return;
    this.#waiting.end();
    this.#phase = "over";
    this.#loop.stop();
    this.#talk.forget();
    this.#deadlines.clear("join");
    this.#departure.stop();
    this.#tell({ kind: "job-over", outcome });
  }

  #tell(news: MeetingNews): void {
    this.#effects.push({ kind: "news", news });
  }
}

/** torchrun's time for taking itself out of the record after the join time is over. */
const ROLLBACK_MS = 5000;
