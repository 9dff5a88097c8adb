/**
 * Shows what this node waits for: on a terminal one line that is kept up to date with the time that is left, in a log a
 * line when something has changed, but not often.
 */

import type { SayLevel } from "../agent/effect.ts";
import { utf8 } from "../core/bytes.ts";
import { durationText, type InstantMs } from "../core/time.ts";
import type { LineMix, MixedStream } from "../logs/line_mix.ts";
import type { Waiting } from "../rendezvous/meeting.ts";
import { monotonicNow } from "./clock.ts";

export interface WaitingLineOptions {
  /** The console of stderr. */
  readonly console: LineMix;
  readonly say: (level: SayLevel, text: string) => void;
}

/** Between two lines in a log. */
const LOG_LINE_MS = 10_000;
/** Between two states of the line on a terminal. */
const REFRESH_MS = 1_000;

export class WaitingLine {
  readonly #options: WaitingLineOptions;
  #waiting: Waiting | null = null;
  #since: InstantMs = 0;
  #saidText = "";
  #saidAt = -Infinity;
  #stream: MixedStream | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: WaitingLineOptions) {
    this.#options = options;
  }

  /** Null: the wait is over. */
  show(waiting: Waiting | null): void {
    if (waiting === null && this.#waiting === null) return;
    this.#waiting = waiting;
    this.#since = monotonicNow();
    if (!this.#options.console.isTerminal) return this.#sayChanges();
    if (waiting === null) return this.#clear();
    this.#stream ??= this.#options.console.addStream({ label: { kind: "none" }, isAlone: false });
    this.#timer ??= setInterval(() => this.#draw(), REFRESH_MS);
    this.#draw();
  }

  #sayChanges(): void {
    const now = monotonicNow();
    const waiting = this.#waiting;
    if (waiting === null || waiting.text === this.#saidText || now - this.#saidAt < LOG_LINE_MS) return;
    this.#saidText = waiting.text;
    this.#saidAt = now;
    this.#options.say("notice", waitingText(waiting, 0));
  }

  /** The line is a progress bar to the console: who writes a whole line erases it, and it comes back. */
  #draw(): void {
    if (this.#waiting === null) return;
    const text = waitingText(this.#waiting, monotonicNow() - this.#since);
    this.#stream?.push(utf8(`\r\x1b[Kmuster: ${text}`));
  }

  #clear(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#stream?.push(utf8("\r\x1b[K\r"));
    this.#stream?.end();
    this.#stream = undefined;
  }
}

/** "Waiting for nodes: 1 of 2 is here (a), for up to 9 min 58 s", `sinceMs` after it was told. */
function waitingText({ text, leftMs }: Waiting, sinceMs: number): string {
  const left = leftMs === null ? "" : `, for up to ${durationText(Math.max(0, leftMs - sinceMs))}`;
  return `Waiting ${text}${left}`;
}
