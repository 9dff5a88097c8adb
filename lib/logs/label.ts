/**
 * The label before each line of a tee: torchrun's `[default0]:` or the user's template (torchrun.md 5.3), put in
 * front of lines without decoding them.
 */

import { utf8 } from "../core/bytes.ts";
import { safeSubstitute } from "../core/template.ts";

export interface LabelValues {
  readonly roleName: string;
  readonly localRank: number;
  readonly rank: number;
  /** As gethostname(2) gives it. */
  readonly hostName: string;
}

/** The label of one worker; `template` null gives torchrun's default. */
export function lineLabel(template: string | null, values: LabelValues): string {
  if (template === null) return `[${values.roleName}${values.localRank}]:`;
  return safeSubstitute(template, {
    role_name: values.roleName,
    local_rank: String(values.localRank),
    rank: String(values.rank),
    hostname: values.hostName,
  });
}

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
/** No byte above it ends a line. */
const LINE_END_MAX = 13;

/** Colours that are read on dark and light grounds; red is left to errors. */
const RANK_COLOURS = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94] as const;

/** What tells the workers of one attempt apart for a person at a terminal: the global rank. */
export interface RankLabelOptions {
  readonly worldSize: number;
  /** Named where the job has several machines; null: it has one. */
  readonly hostName: string | null;
  readonly colour: boolean;
}

/** `[3] `, or `[node1 3] `: as wide for every rank. */
export function rankLabel(rank: number, { worldSize, hostName, colour }: RankLabelOptions): string {
  const number = String(rank).padStart(String(worldSize - 1).length);
  const text = hostName === null ? `[${number}]` : `[${hostName} ${number}]`;
  return `${colour ? colouredLabel(text, rank) : text} `;
}

/** `[ranks 0-7,9] `: the label of a line that several workers have written. */
export function severalRanksLabel(
  ranks: readonly number[],
  { hostName, colour }: Omit<RankLabelOptions, "worldSize">,
): string {
  const text = `[${hostName === null ? "" : `${hostName} `}ranks ${rangesText(ranks)}]`;
  return colour ? `\x1b[1m${text}\x1b[22m ` : `${text} `;
}

/** `label` in the colour of worker `rank`. */
export function colouredLabel(label: string, rank: number): string {
  return `\x1b[${RANK_COLOURS[rank % RANK_COLOURS.length]}m${label}\x1b[39m`;
}

/** More of them than this would take the line's own place. */
const RANGES_MAX = 6;

/** "0-3,7": ranks in ascending order; where they are too scattered, how many there are instead of the rest. */
export function rangesText(ranks: readonly number[]): string {
  const sorted = ranks.toSorted((a, b) => a - b);
  const ranges: string[] = [];
  for (let start = 0; start < sorted.length;) {
    let end = start;
    while (sorted[end + 1] === sorted[end]! + 1) end++;
    ranges.push(start === end ? `${sorted[start]}` : `${sorted[start]}-${sorted[end]}`);
    start = end + 1;
  }
  if (ranges.length <= RANGES_MAX) return ranges.join(",");
  return `${ranges.slice(0, RANGES_MAX - 1).join(",")},… (${sorted.length} in all)`;
}

/** Puts a label in front of every line of one stream; a line may come in pieces. */
export class LineLabeller {
  #text: string;
  #label: Uint8Array;
  /** What a carriage return does: it stays and the label is repeated, or it becomes a newline. */
  readonly #carriageReturn: "kept" | "newline";
  #atLineStart = true;
  #afterCarriageReturn = false;
  #scratch = new Uint8Array(0);

  constructor(label: string, options: { readonly carriageReturn: "kept" | "newline" }) {
    this.#text = label;
    this.#label = utf8(label);
    this.#carriageReturn = options.carriageReturn;
  }

  /** Lines that begin from now on have another label. */
  setLabel(label: string): void {
    if (label === this.#text) return;
    this.#text = label;
    this.#label = utf8(label);
  }

  /** The line went on elsewhere: the next byte begins a new one. */
  startLine(): void {
    this.#atLineStart = true;
    this.#afterCarriageReturn = false;
  }

  /** `bytes` went out without labels; the label is wanted from the next line on. */
  pass(bytes: Uint8Array): void {
    const last = bytes.at(-1);
    if (last === undefined) return;
    this.#atLineStart = last === NEWLINE || last === CARRIAGE_RETURN;
    this.#afterCarriageReturn = last === CARRIAGE_RETURN;
  }

  /** `bytes` with labels; a view that holds until the next call. */
  label(bytes: Uint8Array): Uint8Array {
    // The bytes, and a guess of the labels: lines of 32 bytes.
    this.#out(0, bytes.length + (1 + (bytes.length >> 5)) * this.#label.length);
    const length = this.#afterCarriageReturn
      ? this.#labelStates(bytes, { at: 0, length: 0 })
      : this.#labelLines(bytes);
    return this.#scratch.subarray(0, length);
  }

  /**
   * Labels plain lines, and leaves the rest to the slower way from the first carriage return on. Byte by byte, as
   * lines are short and a call for each costs more than its bytes; four at once where none can be a line's end.
   */
  #labelLines(bytes: Uint8Array): number {
    const label = this.#label;
    const end = bytes.length;
    let at = 0;
    let length = 0;
    let atLineStart = this.#atLineStart;
    while (at < end && bytes[at] !== CARRIAGE_RETURN) {
      const out = this.#out(length, label.length + end - at);
      if (atLineStart) {
        for (let i = 0; i < label.length; i++) out[length++] = label[i]!;
      }
      const shift = length - at;
      while (at + 4 <= end) {
        const b0 = bytes[at]!, b1 = bytes[at + 1]!, b2 = bytes[at + 2]!, b3 = bytes[at + 3]!;
        if (b0 <= LINE_END_MAX || b1 <= LINE_END_MAX || b2 <= LINE_END_MAX || b3 <= LINE_END_MAX) break;
        const to = at + shift;
        out[to] = b0;
        out[to + 1] = b1;
        out[to + 2] = b2;
        out[to + 3] = b3;
        at += 4;
      }
      let byte = 0;
      while (at < end && byte !== NEWLINE && bytes[at] !== CARRIAGE_RETURN) {
        byte = bytes[at]!;
        out[at + shift] = byte;
        at++;
      }
      length = at + shift;
      atLineStart = byte === NEWLINE;
    }
    this.#atLineStart = atLineStart;
    return at < end ? this.#labelStates(bytes, { at, length }) : length;
  }

  #labelStates(bytes: Uint8Array, from: { readonly at: number; readonly length: number }): number {
    const label = this.#label;
    const isReplaced = this.#carriageReturn === "newline";
    let out = this.#scratch;
    let length = from.length;
    for (let at = from.at; at < bytes.length; at++) {
      const byte = bytes[at]!;
      // The first half of this line end is out already.
      const isSecondHalf = this.#afterCarriageReturn && byte === NEWLINE;
      this.#afterCarriageReturn = byte === CARRIAGE_RETURN;
      if (isSecondHalf) {
        if (!isReplaced) out[length++] = byte;
        continue;
      }
      if (this.#atLineStart && (byte !== CARRIAGE_RETURN || isReplaced)) {
        out = this.#out(length, label.length + bytes.length - at);
        out.set(label, length);
        length += label.length;
      }
      out[length++] = byte === CARRIAGE_RETURN && isReplaced ? NEWLINE : byte;
      this.#atLineStart = byte === NEWLINE || byte === CARRIAGE_RETURN;
    }
    return length;
  }

  /** The scratch memory with room for `more` bytes behind the `length` that it holds. */
  #out(length: number, more: number): Uint8Array<ArrayBuffer> {
    if (length + more <= this.#scratch.length) return this.#scratch;
    const grown = new Uint8Array(Math.max(length + more, this.#scratch.length * 2));
    grown.set(this.#scratch.subarray(0, length));
    return this.#scratch = grown;
  }
}
