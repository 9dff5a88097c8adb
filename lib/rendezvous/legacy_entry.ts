/**
 * One node's way into a round of the legacy etcd rendezvous: it makes a state or joins one, holds the last call if it was
 * the one that made it MIN, confirms, and waits for all others to do so; or waits for the round that others have to end.
 */

import { Deadlines, type InstantMs } from "../core/time.ts";
import type { Prng } from "../core/prng.ts";
import type { LegacyState } from "./legacy_state.ts";
import type { LegacyTalk, WithState } from "./legacy_talk.ts";

export interface EntryOptions {
  readonly nodesMin: number;
  readonly nodesMax: number;
  readonly lastCallMs: number;
}

export interface EntryResult {
  readonly state: LegacyState;
  readonly groupRank: number;
}

export interface EntryOwner {
  /** All have confirmed, this node among them. */
  onFinal(result: EntryResult): void;
  onClosed(state: LegacyState): void;
  /** The state can't be joined, and will not change. */
  onFull(): void;
  /** What this node waits for has changed. */
  onWaiting(state: LegacyState): void;
  /** Says where this node's sign of life is from now on. */
  setAlivePath(version: string, groupRank: number): string;
}

/** How often the last call's holder keeps the state alive, which lives for 10 s. */
const HOLD_MS = 5000;
/** torchrun's longest pause after a lost write. */
const LOST_MS_MAX = 100;

export class LegacyEntry {
  readonly #options: EntryOptions;
  readonly #talk: LegacyTalk;
  readonly #prng: Prng;
  readonly #owner: EntryOwner;
  readonly #deadlines = new Deadlines<"last-call" | "hold" | "retry">();
  /** Where it has joined; null: nowhere yet. */
  #place: { readonly version: string; readonly groupRank: number } | null = null;
  #hasJoined = false;
  #hasConfirmed = false;
  #holdsLastCall = false;
  /** Version of the round whose members know that this node waits. */
  #announced = "";
  #isOn = false;
  #now: InstantMs = 0;

  constructor(options: EntryOptions, talk: LegacyTalk, prng: Prng, owner: EntryOwner) {
    this.#options = options;
    this.#talk = talk;
    this.#prng = prng;
    this.#owner = owner;
  }

  /** It has joined a round, or waited for one that others have. */
  get hasTakenPart(): boolean {
    return this.#hasJoined || this.#announced !== "";
  }

  /** When the last call is over, if this node holds it. */
  get lastCallAt(): InstantMs | undefined {
    return this.#deadlines.get("last-call");
  }

  start(now: InstantMs): void {
    this.#now = now;
    this.#isOn = true;
    this.#restart();
  }

  stop(): void {
    this.#isOn = false;
    for (const name of ["last-call", "hold", "retry"] as const) this.#deadlines.clear(name);
  }

  nextWakeup(): InstantMs | undefined {
    return this.#deadlines.next();
  }

  /** To be told before answers too, so that it knows the time. */
  wake(now: InstantMs): void {
    this.#now = now;
    if (this.#deadlines.takeDue(now).length > 0) this.#talk.readNow(this.#consider);
  }

  #restart(): void {
    for (const name of ["last-call", "hold", "retry"] as const) this.#deadlines.clear(name);
    this.#place = null;
    this.#hasConfirmed = this.#holdsLastCall = false;
    this.#talk.readNow(this.#consider);
  }

  readonly #consider: WithState = (state, done) => {
    if (!this.#isOn) return;
    if (state?.status === "closed") return this.#owner.onClosed(state);
    if (this.#place !== null) this.#afterJoining(state, this.#place);
    else if (state === null) this.#setUp();
    else if (state.status === "joinable") this.#join(state);
    else if (state.status === "final") this.#waitForTurn(state);
    else this.#waitForOthers(state);
    void done;
  };

  /** Goes on with a written state, or begins again from what somebody else has written. */
  #then(go: (state: LegacyState) => void): WithState {
    return (state, done) => {
      if (!this.#isOn) return;
      if (done && state !== null) go(state);
      else this.#deadlines.set("retry", this.#now + this.#prng.below(LOST_MS_MAX) + 1);
    };
  }

  /** Somebody is at it, or was: its time to live ends that. */
  #waitForOthers(state: LegacyState): void {
    this.#owner.onWaiting(state);
    this.#talk.readNext(false, this.#consider);
  }

  #setUp(): void {
    this.#talk.setUp(this.#then((setUp) => {
      this.#talk.nextVersion((version) => {
        this.#talk.take(
          setUp,
          { kind: "publish", version },
          this.#then((state) => this.#consider(state, true)),
        );
      });
    }));
  }

  #join(state: LegacyState): void {
    const { nodesMin, nodesMax, lastCallMs } = this.#options;
    if (state.participants.length >= nodesMax) return this.#owner.onFull();
    this.#talk.take(
      state,
      { kind: "join" },
      this.#then((joined) => {
        const groupRank = joined.participants.length - 1;
        this.#place = { version: joined.version, groupRank };
        this.#hasJoined = true;
        if (groupRank === nodesMin - 1 && joined.status === "joinable") {
          this.#holdsLastCall = true;
          this.#deadlines.set("last-call", this.#now + lastCallMs);
          this.#deadlines.set("hold", this.#now + HOLD_MS);
        }
        this.#consider(joined, true);
      }),
    );
  }

  #afterJoining(
    state: LegacyState | null,
    place: { readonly version: string; readonly groupRank: number },
  ): void {
    if (state === null || state.version !== place.version) return this.#restart();
    switch (state.status) {
      case "joinable":
        this.#owner.onWaiting(state);
        if (!this.#holdsLastCall) return this.#talk.readNext(false, this.#consider);
        if (this.#deadlines.get("last-call") === undefined) {
          return this.#talk.take(
            state,
            { kind: "freeze" },
            this.#then((frozen) => this.#consider(frozen, true)),
          );
        }
        if (this.#deadlines.get("hold") === undefined) {
          this.#deadlines.set("hold", this.#now + HOLD_MS);
          return this.#talk.take(state, { kind: "hold" }, this.#then((held) => this.#consider(held, true)));
        }
        return this.#talk.readNext(false, this.#consider);
      case "frozen":
        for (const name of ["last-call", "hold"] as const) this.#deadlines.clear(name);
        if (this.#hasConfirmed) return this.#waitForOthers(state);
        return this.#confirm(state, place);
      case "final":
        if (!this.#hasConfirmed) return this.#restart();
        this.stop();
        return this.#owner.onFinal({ state, groupRank: place.groupRank });
      default:
        return this.#restart();
    }
  }

  /** The sign of life comes before the confirmation: who waits for the round's end looks for it. */
  #confirm(
    state: LegacyState,
    { version, groupRank }: { readonly version: string; readonly groupRank: number },
  ): void {
    const keepAlive = this.#owner.setAlivePath(version, groupRank);
    this.#talk.setAlive(keepAlive, () => {
      if (!this.#isOn) return;
      this.#talk.take(
        state,
        { kind: "confirm", keepAlive },
        this.#then((confirmed) => {
          this.#hasConfirmed = true;
          this.#consider(confirmed, true);
        }),
      );
    });
  }

  #waitForTurn(state: LegacyState): void {
    this.#owner.onWaiting(state);
    if (this.#announced !== state.version) {
      return this.#talk.take(
        state,
        { kind: "announce" },
        this.#then((announced) => {
          this.#announced = announced.version;
          this.#consider(announced, true);
        }),
      );
    }
    this.#talk.checkMembers(state, (areAlive) => {
      if (!this.#isOn) return;
      if (areAlive) return this.#talk.readNext(true, this.#consider);
      // The round has lost a member: whoever waits takes it away, and all begin again.
      this.#talk.remove((after) => this.#consider(after, true));
    });
  }
}
