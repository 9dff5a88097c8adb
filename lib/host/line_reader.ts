/** Lines from a connection, each as long as it may be. */

const READ_BYTES = 64 * 1024;

export class LineReader {
  readonly #source: { read(buffer: Uint8Array): Promise<number | null> };
  readonly #bytesMax: number;
  #parts: Uint8Array[] = [];
  #size = 0;

  /** `bytesMax`: of one line; who sends a longer one is not read any further. */
  constructor(source: { read(buffer: Uint8Array): Promise<number | null> }, bytesMax: number) {
    this.#source = source;
    this.#bytesMax = bytesMax;
  }

  /** The next line without its newline; null at the end, or where a line is too long. */
  async next(): Promise<Uint8Array | null> {
    while (true) {
      const last = this.#parts.at(-1);
      const end = last?.indexOf(0x0a) ?? -1;
      if (last !== undefined && end >= 0) {
        const line = joined([...this.#parts.slice(0, -1), last.subarray(0, end)]);
        const rest = last.slice(end + 1);
        this.#parts = rest.length > 0 ? [rest] : [];
        this.#size = rest.length;
        return line;
      }
      if (this.#size > this.#bytesMax) return null;
      const buffer = new Uint8Array(READ_BYTES);
      const length = await this.#source.read(buffer);
      if (length === null) return null;
      this.#parts.push(buffer.subarray(0, length));
      this.#size += length;
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
