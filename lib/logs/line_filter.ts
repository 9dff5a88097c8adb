/** torchrun's duplicate filters: of one stream, only the lines that hold one of some texts (torchrun.md 5.4). */

import { concat, fromUtf8 } from "../core/bytes.ts";
import { LineFramer } from "./line_framer.ts";

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

export class LineFilter {
  readonly #needles: readonly string[];
  readonly #write: (line: Uint8Array) => void;
  readonly #framer = new LineFramer({ carriageReturnEnds: true });

  /** Passes every line that contains at least one of `needles` to `write`, with its end. */
  constructor(needles: readonly string[], write: (line: Uint8Array) => void) {
    this.#needles = needles;
    this.#write = write;
  }

  push(chunk: Uint8Array): void {
    const pieces = this.#framer.push(chunk);
    if (pieces.length === 0) return;
    const lines = concat(pieces);
    let start = 0;
    for (let at = 0; at < lines.length; at++) {
      const byte = lines[at];
      const isEnd = byte === NEWLINE || (byte === CARRIAGE_RETURN && lines[at + 1] !== NEWLINE);
      if (!isEnd) continue;
      this.#consider(lines.subarray(start, at + 1));
      start = at + 1;
    }
  }

  /** The stream ended: an unfinished line counts as one. */
  end(): void {
    const line = concat(this.#framer.take());
    if (line.length > 0) this.#consider(line);
  }

  #consider(line: Uint8Array): void {
    const text = fromUtf8(line);
    if (this.#needles.some((needle) => text.includes(needle))) this.#write(line);
  }
}
