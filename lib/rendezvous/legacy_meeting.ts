/**
 * An agent's rendezvous over torchrun's legacy etcd back end (`--rdzv-backend etcd`), together with torchrun's own agents:
 * their protocol on their keys (torchrun.md 4.5), behind the seam of `meeting.ts`.
 *
 * Rules, as there: ranks are the order of joining; who finds that others have a round announces that it waits, which ends
 * that round; the restart budget is this node's alone. Beyond torchrun: nothing is looked at again and again, a node that
 * shows no sign of life any more ends the round within ten seconds, and a job that failed elsewhere ends here as well.
 */

import { assertDefined, unreachable } from "../core/assert.ts";
import type { SignalName } from "../core/errors.ts";
import type { Prng } from "../core/prng.ts";
import { Deadlines, durationText, earliest, type InstantMs } from "../core/time.ts";
import { KeyTalk } from "./key_talk.ts";
import { type EntryResult, LegacyEntry } from "./legacy_entry.ts";
import type {
  LegacyMeetingEffect,
  LegacyMeetingEvent,
  LegacyMeetingOptions,
} from "./legacy_meeting_events.ts";
import type { LegacyOperation } from "./legacy_operations.ts";
import { LegacySeating, type SeatingResult } from "./legacy_seating.ts";
import type { LegacyState } from "./legacy_state.ts";
import { LegacyTalk, type WithState } from "./legacy_talk.ts";
import { LegacyWaiting } from "./legacy_waiting.ts";
import type { JobOutcome, LocalFailure, MeetingNews } from "./meeting.ts";
import { countExits, reportExit } from "./torch_exit.ts";
import { failed, FAILED_ELSEWHERE, failedFor, stoppedBy, succeeded } from "./torch_outcomes.ts";

type Phase = "idle" | "entering" | "seating" | "running" | "ending" | "finishing" | "leaving" | "over";

interface Round {
  readonly number: number;
  readonly version: string;
  readonly groupRank: number;
  readonly groupWorldSize: number;
  readonly seating: LegacySeating;
}

const ALIVE_MS = 5000;
const KEEP_JOB_MS = 3_600_000;
/** How long a node on its way out tries to say so. */
const LEAVE_MS = 5000;
/** Between attempts while etcd does not answer and the workers run on. */
const RETRY_MS = 2000;

export class LegacyMeeting {
  readonly #options: LegacyMeetingOptions;
  readonly #keys: KeyTalk;
  readonly #talk: LegacyTalk;
  readonly #entry: LegacyEntry;
  readonly #waiting: LegacyWaiting;
  readonly #deadlines = new Deadlines<"join" | "alive" | "job" | "retry" | "leave">();
  #effects: LegacyMeetingEffect[] = [];
  #phase: Phase = "idle";
  #round: Round | null = null;
  #hadSeat = false;
  #alivePath: string | null = null;
  #tickets = 0;
  #restarts = 0;
  #failure: LocalFailure | null = null;
  #stop: { readonly signal: SignalName; readonly scope: "node" | "job" } | null = null;
  #outcome: JobOutcome | null = null;
  #now: InstantMs = 0;

  constructor(options: LegacyMeetingOptions, prng: Prng) {
    this.#options = options;
    const emit = (operation: LegacyOperation) => this.#ask(operation);
    const nextTicket = () => ++this.#tickets;
    this.#keys = new KeyTalk((operation) => emit(operation as LegacyOperation), nextTicket);
    const onBroken = () =>
      this.#end(failed(`What stands at ${options.folder}/rdzv/active_version is no state of torchrun's`));
    this.#waiting = new LegacyWaiting(options, (waiting) => this.#tell({ kind: "waiting", waiting }));
    this.#talk = new LegacyTalk(emit, nextTicket, { size: options, prng, onBroken });
    this.#entry = new LegacyEntry(options, this.#talk, prng, {
      onFinal: (result) => this.#seat(result),
      onClosed: (state) => this.#onClosedEarly(state),
      onFull: () =>
        this.#fail(
          `Job ${options.jobId} has room for more nodes than --nnodes says here: ${options.nodesMax}`,
        ),
      onWaiting: (state) =>
        this.#waiting.update(state, this.#entry.lastCallAt ?? this.#deadlines.get("join"), this.#now),
      setAlivePath: (version, groupRank) => {
        this.#deadlines.set("alive", this.#now + ALIVE_MS);
        return this.#alivePath = `${options.folder}/rdzv/v_${version}/rank_${groupRank}`;
      },
    });
  }

  nextWakeup(): InstantMs | undefined {
    return earliest(this.#deadlines.next(), this.#entry.nextWakeup());
  }

  step(event: LegacyMeetingEvent, now: InstantMs): LegacyMeetingEffect[] {
    this.#effects = [];
    this.#now = now;
    if (this.#phase === "over") return [];
    this.#entry.wake(now);
    switch (event.kind) {
      case "join":
        this.#onJoin();
        break;
      case "store-served":
        if (this.#phase === "seating" && event.round === this.#round?.number) {
          this.#round.seating.serve(event.store);
        }
        break;
      case "running":
        break;
      case "failed":
        this.#onFailed(event.failure);
        break;
      case "succeeded":
        this.#onSucceeded();
        break;
      case "cleared":
        this.#onCleared();
        break;
      case "leave":
        this.#onLeave(event);
        break;
      case "state":
      case "version":
      case "alive":
      case "set":
        this.#talk.settle(event);
        break;
      case "values":
      case "sum":
        this.#keys.settle(event);
        break;
      case "store-lost":
        this.#onStoreLost(event.text);
        break;
      case "wakeup":
        for (const name of this.#deadlines.takeDue(now)) this.#onDeadline(name);
        break;
      default:
        unreachable(event);
    }
    return this.#effects;
  }

  #onJoin(): void {
    if (this.#phase !== "idle") return;
    this.#failure = null;
    this.#phase = "entering";
    this.#deadlines.set("join", this.#now + this.#options.joinMs);
    this.#keepJob();
    this.#entry.start(this.#now);
  }

  // From a final state to a seat.

  #seat({ state, groupRank }: EntryResult): void {
    const { role, workerCount, isIdentical, readMs } = this.#options;
    const { version } = state, groupWorldSize = state.participants.length;
    this.#phase = "seating";
    this.#deadlines.clear("join");
    this.#waiting.end();
    const seating: LegacySeating = new LegacySeating(
      { version, groupRank, groupWorldSize, role, workerCount, isIdentical, limitMs: readMs },
      this.#keys,
      (result) => this.#onSeated(seating, result),
    );
    // Versions count from 1, rounds from 0.
    const number = Math.max(0, Number(version) - 1) || 0;
    this.#round = { number, version, groupRank, groupWorldSize, seating };
    if (groupRank === 0) this.#tell({ kind: "serve-store", round: number, peers: [] });
    seating.start();
    this.#talk.readNext(true, this.#whileSeated);
  }

  #onSeated(seating: LegacySeating, result: SeatingResult): void {
    const round = this.#round;
    if (this.#phase !== "seating" || round?.seating !== seating) return;
    if (result.kind === "failed") return this.#fail(`Round ${round.number} came to nothing: ${result.text}`);
    this.#phase = "running";
    this.#hadSeat = true;
    const { number, groupRank, groupWorldSize } = round;
    this.#tell({
      kind: "round",
      seat: {
        round: number,
        restartCount: this.#restarts,
        groupRank,
        groupWorldSize,
        ...result.ranks,
        store: result.place,
      },
    });
  }

  /** What happens to the round while this node is in it. */
  readonly #whileSeated: WithState = (state) => {
    const round = this.#round;
    if (round === null || !["seating", "running", "finishing"].includes(this.#phase)) return;
    const isSame = state !== null && state.version === round.version;
    if (isSame && state.status === "closed") return this.#onClosedLate(round);
    if (!isSame || state.status !== "final") {
      return this.#overElsewhere(round, "the others have ended this round");
    }
    if (state.waiting > 0) return this.#overElsewhere(round, "another node waits to take part");
    this.#talk.checkMembers(state, (areAlive) => {
      if (areAlive) this.#talk.readNext(true, this.#whileSeated);
      else this.#overElsewhere(round, "a node shows no sign of life any more");
    });
  };

  #overElsewhere(round: Round, text: string): void {
    switch (this.#phase) {
      case "seating":
        this.#keys.forget();
        this.#phase = "entering";
        this.#deadlines.set("join", this.#now + this.#options.joinMs);
        return this.#entry.start(this.#now);
      case "running":
        return this.#endRound(round, text);
      case "finishing":
        // If all have succeeded, who waits has come too late.
        return countExits(this.#exits(round), this.#keys, (count) => {
          if (this.#phase === "finishing" && count < round.groupWorldSize) this.#endRound(round, text);
        });
    }
  }

  #endRound(round: Round, text: string): void {
    this.#keys.forget();
    this.#phase = "ending";
    this.#tell({ kind: "round-over", round: round.number, text, needsReport: false });
  }

  /** torchrun closes a job that failed for good, and one whose nodes are done. */
  #onClosedLate(round: Round): void {
    countExits(this.#exits(round), this.#keys, (count) => {
      if (count > 0 || this.#phase === "finishing" || this.#phase === "ending") return;
      this.#end(failed(FAILED_ELSEWHERE));
    });
  }

  #onClosedEarly(state: LegacyState): void {
    const { jobId, folder } = this.#options;
    if (!this.#hadSeat && !this.#entry.hasTakenPart) {
      return this.#end(failed(
        `Job ${jobId} is closed: it has ended before. Choose another --rdzv-id, or delete ${folder} in etcd`,
      ));
    }
    const groupWorldSize = state.participants.length, prefix = `${state.version}/`;
    countExits({ prefix, exchange: "assigned", groupWorldSize }, this.#keys, (count) => {
      if (count < groupWorldSize) this.#end(failed("The job is over: another node has closed it"));
      else this.#end(succeeded(0, "The job ended without need of this node"));
    });
  }

  // What the agent says of its workers.

  #onFailed(failure: LocalFailure): void {
    if (this.#phase === "ending" && failure.kind === "worker") return;
    this.#failure ??= failure;
    this.#phase = "ending";
    this.#keys.forget();
    this.#talk.forget();
  }

  #onSucceeded(): void {
    const round = this.#round;
    if (this.#phase !== "running" || round === null) return;
    this.#phase = "finishing";
    const { exitBarrierMs } = this.#options;
    reportExit(this.#exits(round), this.#keys, exitBarrierMs, (areAllDone) => {
      if (this.#phase !== "finishing") return;
      const text = areAllDone
        ? null
        : `Others are still running after ${durationText(exitBarrierMs)}; leaving`;
      this.#close(succeeded(this.#restarts, text));
    });
  }

  #onCleared(): void {
    if (this.#phase !== "ending") return;
    const failure = this.#failure;
    if (failure !== null && (failure.kind !== "worker" || this.#restarts >= this.#options.maxRestarts)) {
      return this.#close(failedFor(failure));
    }
    if (this.#stop !== null) return this.#depart(this.#stop);
    if (failure !== null) this.#restarts++;
    // Its sign of life ends by itself: until then torchrun's agents can see that this node waits.
    this.#alivePath = null;
    this.#deadlines.clear("alive");
    this.#phase = "idle";
    this.#tell({ kind: "go-on", text: null, verdict: null });
  }

  // The end.

  #onLeave(stop: { readonly signal: SignalName; readonly scope: "node" | "job" }): void {
    if (this.#phase === "leaving") return this.#conclude();
    this.#stop = stop;
    if (this.#phase === "running" || this.#phase === "finishing") this.#phase = "ending";
    else if (this.#phase !== "ending") this.#depart(stop);
  }

  #depart({ signal, scope }: { readonly signal: SignalName; readonly scope: "node" | "job" }): void {
    if (scope === "job") this.#close(stoppedBy(signal));
    else this.#end(stoppedBy(signal));
  }

  #fail(text: string): void {
    this.#close(failed(text));
  }

  /** Ends the job for everybody, and then here. */
  #close(outcome: JobOutcome): void {
    this.#outcome = outcome;
    this.#phase = "leaving";
    this.#entry.stop();
    this.#keys.forget();
    this.#deadlines.clear("join");
    this.#deadlines.set("leave", this.#now + LEAVE_MS);
    const close: WithState = (state) => {
      if (state === null || state.status === "closed") return this.#conclude();
      this.#talk.take(state, { kind: "close" }, close);
    };
    this.#talk.readNow(close);
  }

  #end(outcome: JobOutcome): void {
    this.#outcome = outcome;
    this.#conclude();
  }

  #conclude(): void {
    this.#entry.stop();
    this.#waiting.end();
    if (this.#alivePath !== null) this.#ask({ kind: "drop-alive", path: this.#alivePath });
    this.#phase = "over";
    for (const name of ["join", "alive", "job", "retry", "leave"] as const) this.#deadlines.clear(name);
    this.#tell({ kind: "job-over", outcome: assertDefined(this.#outcome) });
  }

  #onStoreLost(text: string): void {
    switch (this.#phase) {
      case "leaving":
        return this.#conclude();
      case "running":
        // Workers need no etcd while they run.
        return this.#deadlines.set("retry", this.#now + RETRY_MS);
      case "ending":
      case "idle":
        return;
      case "finishing":
        return this.#end(succeeded(0, "etcd was lost when this node's workers had succeeded"));
      default:
        return this.#end(failed(text));
    }
  }

  #onDeadline(name: "join" | "alive" | "job" | "retry" | "leave"): void {
    switch (name) {
      case "join":
        if (this.#phase !== "entering") return;
        return this.#end(
          failed(`Waited ${durationText(this.#options.joinMs)} ${this.#waiting.text || "to join"}, in vain`),
        );
      case "alive":
        if (this.#alivePath === null) return;
        this.#deadlines.set("alive", this.#now + ALIVE_MS);
        return this.#ask({ kind: "set-alive", ticket: ++this.#tickets, path: this.#alivePath });
      case "job":
        return this.#keepJob();
      case "retry":
        return this.#talk.readNow(this.#whileSeated);
      case "leave":
        return this.#conclude();
      default:
        return unreachable(name);
    }
  }

  #keepJob(): void {
    this.#deadlines.set("job", this.#now + KEEP_JOB_MS);
    this.#ask({ kind: "keep-job" });
  }

  #ask(operation: LegacyOperation): void {
    this.#effects.push({ kind: "ask", operation });
  }

  #exits({ version, groupRank, groupWorldSize }: Round) {
    return { prefix: `${version}/`, exchange: "assigned" as const, groupRank, groupWorldSize };
  }

  #tell(news: MeetingNews): void {
    this.#effects.push({ kind: "news", news });
  }
}
