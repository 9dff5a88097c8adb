/** Where the bytes of one stream of one worker go, all of them in one pass. */

import type { LineFilter } from "../logs/line_filter.ts";
import type { MixedStream } from "../logs/line_mix.ts";
import type { Tail } from "../logs/tail.ts";
import type { ConsoleWriter } from "./console.ts";
import type { ByteSinks } from "./output_pump.ts";
import type { FileSink } from "./sinks.ts";

/** How long an unfinished line must be silent before a terminal shows it: it may be a prompt. */
const SILENCE_MS = 100;

interface Destinations {
  readonly tail: Tail | undefined;
  readonly file: FileSink | undefined;
  /** The stream's place on its console, and the writer behind it. */
  readonly stream: MixedStream;
  readonly writer: ConsoleWriter;
  readonly filter: LineFilter | undefined;
}

export class StreamSinks implements ByteSinks {
  readonly #to: Destinations;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(destinations: Destinations) {
    this.#to = destinations;
  }

  push(chunk: Uint8Array): void {
    const { tail, file, stream, filter } = this.#to;
    tail?.push(chunk);
    file?.push(chunk);
    filter?.push(chunk);
    stream.push(chunk);
    this.#watchForSilence();
  }

  room(): Promise<unknown> | undefined {
    const fileRoom = this.#to.file?.room();
    const consoleRoom = this.#to.writer.room();
    return fileRoom === undefined || consoleRoom === undefined
      ? fileRoom ?? consoleRoom
      : Promise.all([fileRoom, consoleRoom]);
  }

  end(): void {
    if (this.#silenceTimer !== undefined) clearTimeout(this.#silenceTimer);
    this.#to.filter?.end();
    this.#to.stream.end();
  }

  #watchForSilence(): void {
    const { stream } = this.#to;
    if (this.#silenceTimer !== undefined) clearTimeout(this.#silenceTimer);
    if (!stream.mayShowUnfinished) return;
    this.#silenceTimer = setTimeout(() => stream.showUnfinished(), SILENCE_MS);
  }
}
