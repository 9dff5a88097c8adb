/** Where the bytes of one stream of one worker go, all of them in one pass. */

import type { Activity } from "../logs/activity.ts";
import type { LineFilter } from "../logs/line_filter.ts";
import type { LineMix, MixedStream } from "../logs/line_mix.ts";
import type { Tail } from "../logs/tail.ts";
import { monotonicNow } from "./clock.ts";
import type { ConsoleWriter } from "./console.ts";
import type { ByteSinks } from "./output_pump.ts";
import type { FileSink } from "./sinks.ts";

/** How long an unfinished line must be silent before a terminal shows it: it may be a prompt. */
const SILENCE_MS = 100;

/** A stream's place on its console, and the writer behind it. */
interface ConsolePlace {
  readonly stream: MixedStream;
  readonly writer: ConsoleWriter;
  readonly turns: TurnTimer;
}

interface Destinations {
  readonly activity: Activity;
  readonly tail: Tail | undefined;
  readonly file: FileSink | undefined;
  /** Undefined: the stream is read for its tail only. */
  readonly console: ConsolePlace | undefined;
  readonly filter: LineFilter | undefined;
}

/** What a person at a terminal waits for a line, so that equal ones can join it: once or twice this. */
const TURN_MS = 100;

/** Ends the moments in which equal lines become one. Runs only while some line waits. */
export class TurnTimer {
  readonly #mix: LineMix;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(mix: LineMix) {
    this.#mix = mix;
  }

  /** Lines may have come. */
  watch(): void {
    if (this.#timer !== undefined || !this.#mix.needsTurn) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#mix.turn();
      this.watch();
    }, TURN_MS);
  }

  /** Lets all lines out. */
  end(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#mix.flush();
  }
}

export class StreamSinks implements ByteSinks {
  readonly #to: Destinations;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(destinations: Destinations) {
    this.#to = destinations;
  }

  push(chunk: Uint8Array): void {
    const { activity, tail, file, console, filter } = this.#to;
    activity.push(chunk, monotonicNow());
    tail?.push(chunk);
    file?.push(chunk);
    filter?.push(chunk);
    if (console === undefined) return;
    console.stream.push(chunk);
    console.turns.watch();
    this.#watchForSilence(console.stream);
  }

  room(): Promise<unknown> | undefined {
    const fileRoom = this.#to.file?.room();
    const consoleRoom = this.#to.console?.writer.room();
    return fileRoom === undefined || consoleRoom === undefined
      ? fileRoom ?? consoleRoom
      : Promise.all([fileRoom, consoleRoom]);
  }

  end(): void {
    if (this.#silenceTimer !== undefined) clearTimeout(this.#silenceTimer);
    this.#to.filter?.end();
    this.#to.console?.stream.end();
  }

  #watchForSilence(stream: MixedStream): void {
    if (this.#silenceTimer !== undefined) clearTimeout(this.#silenceTimer);
    if (!stream.mayShowUnfinished) return;
    this.#silenceTimer = setTimeout(() => stream.showUnfinished(), SILENCE_MS);
  }
}
