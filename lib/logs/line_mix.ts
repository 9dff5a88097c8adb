/**
 * Many streams onto one console or into one file, so that no line of one is inside another's.
 *
 * Rules: only whole lines go out, with two exceptions. A stream that has the console to itself is passed on as it
 * is. And one stream at a time may own the console's *open line*, an unfinished one: a progress bar at once, a
 * prompt when its stream has been silent for a moment. Whoever writes next ends the open line first. Progress bars
 * that don't own it are seen with their last state only.
 */

import { utf8 } from "../core/bytes.ts";
import { LineLabeller } from "./label.ts";
import { isProgress, LineFramer } from "./line_framer.ts";

const NEWLINE = utf8("\n");
/** To the line's start, and erase it: the next state of the progress bar brings it back. */
const ERASE_LINE = utf8("\r\x1b[K");

export interface MixedStreamOptions {
  /** Put before every line; null: lines go out as they are. */
  readonly label: string | null;
  /** No other worker and no other stream of this one writes to this console. */
  readonly isAlone: boolean;
}

export class LineMix {
  readonly #write: (bytes: Uint8Array) => void;
  readonly isTerminal: boolean;
  /** Whose unfinished line the console shows, if any. */
  #owner: MixedStream | undefined;
  #openLineIsProgress = false;

  /** `write` must copy what it is given, or be done with it when it returns. */
  constructor(write: (bytes: Uint8Array) => void, options: { readonly isTerminal: boolean }) {
    this.#write = write;
    this.isTerminal = options.isTerminal;
  }

  addStream(options: MixedStreamOptions): MixedStream {
    return new MixedStream(this, options);
  }

  /** Writes whole lines that belong to no stream: the launcher's own. */
  writeLines(bytes: Uint8Array): void {
    this.write([bytes], undefined);
    this.close();
  }

  /** For streams. Writes as `stream`, which may go on with its own open line. */
  write(pieces: readonly Uint8Array[], stream: MixedStream | undefined): void {
    if (this.#owner !== undefined && this.#owner !== stream) {
      this.#write(this.isTerminal && this.#openLineIsProgress ? ERASE_LINE : NEWLINE);
      this.#owner.interrupted();
      this.#owner = undefined;
    }
    for (const piece of pieces) this.#write(piece);
  }

  /** For streams. The last bytes written were an unfinished line of `stream`. */
  leaveOpen(stream: MixedStream, options: { readonly isProgress: boolean }): void {
    this.#openLineIsProgress = options.isProgress && (this.#owner === undefined || this.#openLineIsProgress);
    this.#owner = stream;
  }

  /** For streams. The last byte written ended a line. */
  close(): void {
    this.#owner = undefined;
    this.#openLineIsProgress = false;
  }

  /** For streams. Whether `stream` may show an unfinished line. */
  mayLeaveOpen(stream: MixedStream): boolean {
    if (this.#owner === undefined || this.#owner === stream) return true;
    return this.isTerminal && this.#openLineIsProgress;
  }
}

/** One stream of one worker on one console. */
export class MixedStream {
  readonly #mix: LineMix;
  readonly #isRaw: boolean;
  readonly #framer: LineFramer;
  readonly #labeller: LineLabeller | undefined;

  constructor(mix: LineMix, options: MixedStreamOptions) {
    this.#mix = mix;
    this.#isRaw = options.isAlone && options.label === null;
    // A label makes lines of what a bar overwrites, except where a person watches.
    const becomesLines = options.label !== null && !mix.isTerminal;
    this.#framer = new LineFramer({ carriageReturnEnds: becomesLines });
    if (options.label !== null) {
      this.#labeller = new LineLabeller(options.label, { carriageReturn: becomesLines ? "newline" : "kept" });
    }
  }

  /** An unfinished line is held back that `showUnfinished` should show after a moment of silence. */
  get mayShowUnfinished(): boolean {
    return this.#mix.isTerminal && this.#hasUnfinished;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (this.#isRaw) {
      this.#mix.write([chunk], this);
      if (chunk.at(-1) === NEWLINE[0]) this.#mix.close();
      else this.#mix.leaveOpen(this, { isProgress: isProgress(chunk) });
      return;
    }
    const lines = this.#framer.push(chunk);
    if (lines.length > 0) {
      this.#writePieces(lines);
      this.#mix.close();
    }
    if (!isProgress(this.#framer.held)) return;
    if (this.#mix.mayLeaveOpen(this)) this.#writeUnfinished({ isProgress: true });
    else this.#framer.keepLastState();
  }

  /** The stream has been silent for a moment: a prompt may be waiting for its answer. */
  showUnfinished(): void {
    if (this.#hasUnfinished && this.#mix.mayLeaveOpen(this)) this.#writeUnfinished({ isProgress: false });
  }

  /** The stream ended: what is unfinished stays so, but goes out. */
  end(): void {
    if (this.#hasUnfinished) this.#writeUnfinished({ isProgress: isProgress(this.#framer.held) });
  }

  /** For the mix. Another's line came in between: this stream goes on in a new line. */
  interrupted(): void {
    this.#labeller?.startLine();
  }

  get #hasUnfinished(): boolean {
    return this.#framer.held.length > 0;
  }

  #writeUnfinished(options: { readonly isProgress: boolean }): void {
    const lastByte = this.#writePieces(this.#framer.take());
    // A carriage return at a stream's end may have become a newline.
    if (lastByte === NEWLINE[0]) this.#mix.close();
    else this.#mix.leaveOpen(this, options);
  }

  /** Returns the last byte written. */
  #writePieces(pieces: readonly Uint8Array[]): number | undefined {
    const labeller = this.#labeller;
    if (labeller === undefined) {
      this.#mix.write(pieces, this);
      return pieces.at(-1)?.at(-1);
    }
    // The open line of another is ended before this one's label is made.
    this.#mix.write([], this);
    let lastByte: number | undefined;
    for (const piece of pieces) {
      const labelled = labeller.label(piece);
      lastByte = labelled.at(-1);
      this.#mix.write([labelled], this);
    }
    return lastByte;
  }
}
