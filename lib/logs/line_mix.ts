/**
 * Many streams onto one console or into one file, so that no line of one is inside another's.
 *
 * Rules: only whole lines go out, with two exceptions. A stream that has the console to itself is passed on as it
 * is. And one stream at a time may own the console's *open line*, an unfinished one: a progress bar at once, a
 * prompt when its stream has been silent for a moment. Whoever writes next ends the open line first. Progress bars
 * that don't own it are seen with their last state only.
 *
 * Where a mix folds (lib/logs/line_fold.ts), whole lines of labelled streams wait there for equal ones; what stays
 * unfinished never waits, and lets its stream's waiting lines out first.
 */

import { concat, utf8 } from "../core/bytes.ts";
import { LineLabeller } from "./label.ts";
import { type FoldedLine, LineFold } from "./line_fold.ts";
import { isProgress, lastStateStart, LineFramer } from "./line_framer.ts";

const NEWLINE = utf8("\n");
/** To the line's start, and erase it: the next state of the progress bar brings it back. */
const ERASE_LINE = utf8("\r\x1b[K");

/** What stands before each line of a stream. */
export type StreamLabel =
  | { readonly kind: "none" }
  | { readonly kind: "always"; readonly text: string }
  /** From the moment on that a second worker prints: who prints alone needs no label. */
  | RankStreamLabel;

/** A label by global rank, for people. */
export interface RankStreamLabel {
  readonly kind: "once-several-print";
  readonly text: string;
  /** The global rank. */
  readonly worker: number;
  /** The label of a line that several have written. */
  readonly several: (workers: readonly number[]) => string;
}

export interface LineMixOptions {
  readonly isTerminal: boolean;
  /** Takes the launcher's own lines instead of `write`, where those may not be lost. */
  readonly writeOwn?: (bytes: Uint8Array) => void;
  /** Equal lines of several workers become one. */
  readonly folds?: boolean;
  /** What stands before every line: the time, as the console shows it. */
  readonly stamp?: () => string;
}

const CARRIAGE_RETURN = 13;
const NOTHING = new Uint8Array(0);
/** More than any terminal's line. */
const SHOWN_BYTES_MAX = 4096;

export interface MixedStreamOptions {
  readonly label: StreamLabel;
  /** No other worker and no other stream of this one writes to this console. */
  readonly isAlone: boolean;
}

export class LineMix {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #writeOwnBytes: (bytes: Uint8Array) => void;
  readonly isTerminal: boolean;
  /** For streams. The text before every line that is written now; undefined: there is none. */
  readonly stamp: (() => string) | undefined;
  /** For streams. Where lines wait for equal ones; undefined: nowhere. */
  readonly fold: LineFold<MixedStream> | undefined;
  /** Whose unfinished line the console shows, if any. */
  #owner: MixedStream | undefined;
  #openLineIsProgress = false;
  /** Workers whose labels wait for a second one that prints. */
  readonly #printers = new Set<number>();

  /** `write` must copy what it is given, or be done with it when it returns. */
  constructor(write: (bytes: Uint8Array) => void, options: LineMixOptions) {
    this.#write = write;
    this.#writeOwnBytes = options.writeOwn ?? write;
    this.isTerminal = options.isTerminal;
    this.stamp = options.stamp;
    this.fold = options.folds ? new LineFold((line) => this.#writeFolded(line)) : undefined;
  }

  addStream(options: MixedStreamOptions): MixedStream {
    return new MixedStream(this, options);
  }

  /** Writes whole lines that belong to no stream: the launcher's own. `stamped` false: never with the time. */
  writeLines(bytes: Uint8Array, { stamped = true }: { readonly stamped?: boolean } = {}): void {
    const stamp = stamped ? this.stamp?.() ?? "" : "";
    if (this.fold !== undefined) this.fold.addOwn(bytes, stamp);
    else this.#writeOwn(bytes, stamp);
  }

  /** Lines may wait for equal ones: call `turn` in a moment. */
  get needsTurn(): boolean {
    return this.fold?.needsTurn ?? false;
  }

  /** A moment is over. */
  turn(): void {
    this.fold?.turn();
  }

  /** Nothing waits any longer. */
  flush(): void {
    this.fold?.flushAll();
  }

  #writeOwn(bytes: Uint8Array, stamp: string): void {
    const labeller = new LineLabeller(stamp, { carriageReturn: "kept" });
    this.write([], undefined);
    this.#writeOwnBytes(stamp === "" ? bytes : labeller.label(bytes));
    this.close();
  }

  #writeFolded({ bytes, streams, stamp }: FoldedLine<MixedStream>): void {
    const [first, second] = streams;
    if (first === undefined) return this.#writeOwn(bytes, stamp);
    if (second === undefined) return first.writeLines([bytes], stamp);
    const workers = streams.map(({ worker }) => worker);
    for (const worker of workers) this.severalPrint(worker);
    const labeller = new LineLabeller(stamp + first.labelOf(workers), { carriageReturn: "kept" });
    this.write([labeller.label(bytes)], undefined);
    this.close();
  }

  /** For streams. Whether the console's open line is that of `stream`. */
  isOpenFor(stream: MixedStream): boolean {
    return this.#owner === stream;
  }

  /** For streams. Writes as `stream`, which may go on with its own open line. */
  write(pieces: readonly Uint8Array[], stream: MixedStream | undefined): void {
    if (this.#owner !== undefined && this.#owner !== stream) {
      const isErased = this.isTerminal && this.#openLineIsProgress;
      this.#write(isErased ? ERASE_LINE : NEWLINE);
      this.#owner.interrupted({ isErased });
      this.#owner = undefined;
    }
    for (const piece of pieces) this.#write(piece);
  }

  /** For streams. Worker `worker` prints: whether it is not the only one. */
  severalPrint(worker: number): boolean {
    this.#printers.add(worker);
    return this.#printers.size > 1;
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
  readonly #label: StreamLabel;
  readonly #framer: LineFramer;
  readonly #labeller: LineLabeller | undefined;
  /** Where its whole lines wait, if they do. */
  readonly #fold: LineFold<MixedStream> | undefined;
  /** The state of this stream's open line, for when it is erased. */
  #shown = NOTHING;
  /** What another's line has erased: it comes back before this stream's next bytes. */
  #erased = NOTHING;

  constructor(mix: LineMix, options: MixedStreamOptions) {
    this.#mix = mix;
    this.#label = options.label;
    const isLabelled = options.label.kind !== "none" || mix.stamp !== undefined;
    this.#isRaw = options.isAlone && !isLabelled;
    // A label makes lines of what a bar overwrites, except where a person watches.
    const becomesLines = isLabelled && !mix.isTerminal;
    this.#framer = new LineFramer({ carriageReturnEnds: becomesLines });
    if (isLabelled) {
      const text = options.label.kind === "none" ? "" : options.label.text;
      this.#labeller = new LineLabeller(text, { carriageReturn: becomesLines ? "newline" : "kept" });
    }
    this.#fold = options.label.kind === "once-several-print" ? mix.fold : undefined;
    this.#fold?.open(this);
  }

  /** The global rank, where that tells workers apart. */
  get worker(): number {
    return this.#label.kind === "once-several-print" ? this.#label.worker : -1;
  }

  /** For the mix. The label of a line that `workers` have written. */
  labelOf(workers: readonly number[]): string {
    return this.#label.kind === "once-several-print" ? this.#label.several(workers) : "";
  }

  /** An unfinished line is held back that `showUnfinished` should show after a moment of silence. */
  get mayShowUnfinished(): boolean {
    return this.#mix.isTerminal && this.#hasUnfinished;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (this.#erased.length > 0) {
      const isReplaced = chunk.length > 1 && chunk[0] === CARRIAGE_RETURN && chunk[1] !== NEWLINE[0];
      if (!isReplaced) chunk = concat([this.#erased, ...this.#framer.take(), chunk]);
      this.#erased = NOTHING;
    }
    if (this.#isRaw) {
      this.#mix.write([chunk], this);
      this.#leave(chunk);
      return;
    }
    const lines = this.#framer.push(chunk);
    if (lines.length > 0) {
      if (this.#fold === undefined) this.writeLines(lines, this.#stamp());
      else this.#foldLines(this.#fold, concat(lines));
    }
    if (!isProgress(this.#framer.held)) return;
    if (this.#mix.mayLeaveOpen(this)) this.#writeUnfinished();
    else this.#framer.keepLastState();
  }

  #foldLines(fold: LineFold<MixedStream>, lines: Uint8Array): void {
    const stamp = this.#stamp();
    // An open line ends where it is.
    const openEnd = this.#mix.isOpenFor(this) ? lines.indexOf(NEWLINE[0]!) + 1 : 0;
    if (openEnd > 0) this.writeLines([lines.subarray(0, openEnd)], stamp);
    if (openEnd < lines.length) fold.add(this, lines.subarray(openEnd), stamp);
  }

  /** The stream has been silent for a moment: a prompt may be waiting for its answer. */
  showUnfinished(): void {
    if (this.#hasUnfinished && this.#mix.mayLeaveOpen(this)) this.#writeUnfinished();
  }

  /** The stream ended: what is unfinished stays so, but goes out. */
  end(): void {
    const line = concat([this.#erased, ...this.#framer.take()]);
    this.#erased = NOTHING;
    this.push(line);
    if (this.#hasUnfinished) this.#writeUnfinished();
    this.#fold?.close(this);
  }

  /** For the mix, too: whole lines that waited. */
  writeLines(lines: readonly Uint8Array[], stamp: string): void {
    this.#writePieces(lines, stamp);
    this.#leave(NEWLINE);
  }

  /** For the mix. Another's line came in between: this stream goes on in a new line. */
  interrupted(options: { readonly isErased: boolean }): void {
    this.#labeller?.startLine();
    if (options.isErased) this.#erased = this.#shown;
    this.#shown = NOTHING;
  }

  get #hasUnfinished(): boolean {
    return this.#framer.held.length > 0;
  }

  /** What stands before each line now. */
  #labelNow(stamp: string): string {
    const label = this.#label;
    if (label.kind === "none") return stamp;
    const isShown = label.kind === "always" || this.#mix.severalPrint(label.worker);
    return isShown ? stamp + label.text : stamp;
  }

  #stamp(): string {
    return this.#mix.stamp?.() ?? "";
  }

  #writeUnfinished(): void {
    this.#fold?.flush(this);
    const pieces = this.#framer.take();
    const unfinished = concat(pieces);
    const lastByte = this.#writePieces(pieces, this.#stamp());
    // A carriage return at a stream's end may have become a newline.
    this.#leave(lastByte === NEWLINE[0] ? NEWLINE : unfinished);
  }

  /** `bytes` were the last of this stream: they ended a line, or left one open. */
  #leave(bytes: Uint8Array): void {
    const start = bytes.lastIndexOf(NEWLINE[0]!) + 1;
    if (start > 0) {
      this.#shown = NOTHING;
      this.#mix.close();
    }
    if (start === bytes.length) return;
    const rest = bytes.subarray(Math.max(start, bytes.length - SHOWN_BYTES_MAX));
    const shown = concat([this.#shown, rest]);
    this.#shown = shown.subarray(Math.max(lastStateStart(shown), shown.length - SHOWN_BYTES_MAX));
    this.#mix.leaveOpen(this, { isProgress: isProgress(shown) });
  }

  /** Returns the last byte written. */
  #writePieces(pieces: readonly Uint8Array[], stamp: string): number | undefined {
    const labeller = this.#labeller;
    const label = labeller === undefined ? "" : this.#labelNow(stamp);
    if (labeller === undefined || label === "") {
      this.#mix.write(pieces, this);
      for (const piece of pieces) labeller?.pass(piece);
      return pieces.at(-1)?.at(-1);
    }
    labeller.setLabel(label);
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
