/**
 * What a log says of a wait: a line when something has changed, but not often, and the same again from time to time, since a
 * log that has been silent for long says nothing of how it stands.
 */

import { durationText, type InstantMs } from "../core/time.ts";
import type { Waiting } from "../rendezvous/meeting.ts";

/** Between two lines at least. */
const LINE_MS = 10_000;
/** Before the same is said again; twice as long each time. */
const REPEAT_MS = 60_000;
const REPEAT_MS_MAX = 3_600_000;

export class WaitingLog {
  #waiting: Waiting | null = null;
  /** When it was told what it waits for. */
  #since: InstantMs = 0;
  #saidText = "";
  #saidAt: InstantMs = -Infinity;
  #repeatMs = REPEAT_MS;

  /** Null: the wait is over. Returns the line to say now, if any. */
  tell(waiting: Waiting | null, now: InstantMs): string | null {
    this.#waiting = waiting;
    this.#since = now;
    if (waiting === null) this.#saidText = "";
    return this.wake(now);
  }

  wake(now: InstantMs): string | null {
    const waiting = this.#waiting, due = this.nextWakeup();
    if (waiting === null || due === undefined || now < due) return null;
    const isChanged = waiting.text !== this.#saidText;
    this.#repeatMs = isChanged ? REPEAT_MS : Math.min(2 * this.#repeatMs, REPEAT_MS_MAX);
    this.#saidText = waiting.text;
    this.#saidAt = now;
    return waitingText(waiting, now - this.#since);
  }

  nextWakeup(): InstantMs | undefined {
    if (this.#waiting === null) return undefined;
    return this.#saidAt + (this.#waiting.text === this.#saidText ? this.#repeatMs : LINE_MS);
  }
}

/**
 * "Waiting for nodes: 1 of 2 is here (a), for up to 9 min 58 s", `sinceMs` after it was told. In `lengthMax` characters if
 * that is possible: names give way to the time.
 */
export function waitingText({ text, leftMs }: Waiting, sinceMs: number, lengthMax = Infinity): string {
  const left = leftMs === null ? "" : `, for up to ${durationText(Math.max(0, leftMs - sinceMs))}`;
  const what = `Waiting ${text}`;
  const room = Math.max(0, lengthMax - left.length);
  const shown = what.length <= room ? what : `${what.slice(0, Math.max(0, room - 1))}…`;
  return `${shown}${left}`.slice(0, lengthMax);
}
