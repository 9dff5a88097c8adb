/**
 * Shows what this node waits for: on a terminal one line that is kept up to date with the time that is left; in a log, and
 * where that line has no room for everything, what `agent/waiting_log.ts` has to say.
 */

import type { SayLevel } from "../agent/effect.ts";
import { WaitingLog, waitingText } from "../agent/waiting_log.ts";
import { utf8 } from "../core/bytes.ts";
import type { InstantMs } from "../core/time.ts";
import type { LineMix, MixedStream } from "../logs/line_mix.ts";
import type { Waiting } from "../rendezvous/meeting.ts";
import { printable } from "../view/paint.ts";
import { monotonicNow } from "./clock.ts";

export interface WaitingLineOptions {
  /** The console of stderr. */
  readonly console: LineMix;
  readonly say: (level: SayLevel, text: string) => void;
}

const HEAD = "muster: ";

/** Between two states of the line on a terminal. */
const REFRESH_MS = 1_000;

export class WaitingLine {
  readonly #options: WaitingLineOptions;
  #waiting: Waiting | null = null;
  #since: InstantMs = 0;
  readonly #log = new WaitingLog();
  #logTimer: ReturnType<typeof setTimeout> | undefined;
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
    const line = this.#log.tell(waiting, this.#since);
    if (!this.#options.console.isTerminal) return this.#toLog(line);
    if (waiting === null) return this.#clear();
    this.#stream ??= this.#options.console.addStream({ label: { kind: "none" }, isAlone: false });
    this.#timer ??= setInterval(() => this.#draw(this.#log.wake(monotonicNow())), REFRESH_MS);
    this.#draw(line);
  }

  #toLog(line: string | null): void {
    if (line !== null) this.#options.say("notice", line);
    clearTimeout(this.#logTimer);
    const due = this.#log.nextWakeup();
    if (due === undefined) return;
    this.#logTimer = setTimeout(
      () => this.#toLog(this.#log.wake(monotonicNow())),
      Math.max(0, Math.ceil(due - monotonicNow())),
    );
    // Whoever ends while it waits is not held up by it.
    Deno.unrefTimer(this.#logTimer);
  }

  /** The line is a progress bar to the console: who writes a whole line erases it, and it comes back. */
  #draw(line: string | null): void {
    if (this.#waiting === null) return;
    // What is left of the terminal's line: a longer one would fill the screen with what can't be erased.
    const taken = HEAD.length + (this.#options.console.stamp?.().length ?? 0) + 1;
    const room = Math.max(0, columns() - taken);
    const text = waitingText(this.#waiting, monotonicNow() - this.#since, room);
    if (line !== null && line.length > room) this.#options.say("notice", line);
    this.#stream?.push(utf8(`\r\x1b[K${HEAD}${printable(text, true)}`));
  }

  #clear(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#stream?.push(utf8("\r\x1b[K\r"));
    this.#stream?.end();
    this.#stream = undefined;
  }
}

/** Of the terminal, which may change its size at any time. */
function columns(): number {
  try {
    return Deno.consoleSize().columns || Infinity;
  } catch {
    return Infinity;
  }
}
