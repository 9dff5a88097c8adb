/** Bytes waiting for a slow reader, copied into blocks, so that a small piece never keeps a large buffer alive. */

import { assert } from "../core/assert.ts";

const SPARE_BLOCKS_MAX = 16;

interface Block {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
}

export class ByteQueue {
  readonly #blockBytes: number;
  readonly #blocks: Block[] = [];
  /** Kept for reuse: in a steady stream nothing is allocated. */
  readonly #spares: Block[] = [];
  #size = 0;

  constructor(blockBytes = 64 * 1024) {
    this.#blockBytes = blockBytes;
  }

  get size(): number {
    return this.#size;
  }

  push(bytes: Uint8Array): void {
    this.#size += bytes.length;
    const open = this.#blocks.at(-1);
    if (open !== undefined && bytes.length <= open.bytes.length - open.end) {
      // The usual case, without views.
      open.bytes.set(bytes, open.end);
      open.end += bytes.length;
      return;
    }
    while (bytes.length > 0) {
      let last = this.#blocks.at(-1);
      if (last === undefined || last.end === last.bytes.length) {
        last = this.#spares.pop() ?? { bytes: new Uint8Array(this.#blockBytes), start: 0, end: 0 };
        this.#blocks.push(last);
      }
      const part = bytes.subarray(0, last.bytes.length - last.end);
      last.bytes.set(part, last.end);
      last.end += part.length;
      bytes = bytes.subarray(part.length);
    }
  }

  /** The oldest bytes, at most one block and at most `bytesMax`; they stay in place until `drop` takes them. */
  peek(bytesMax = this.#blockBytes): Uint8Array {
    const first = this.#blocks[0];
    if (first === undefined) return new Uint8Array(0);
    return first.bytes.subarray(first.start, Math.min(first.end, first.start + bytesMax));
  }

  /** Removes the oldest `count` bytes, which must be within what `peek` returned. */
  drop(count: number): void {
    if (count === 0) return;
    const first = this.#blocks[0]!;
    assert(
      first !== undefined && first.start + count <= first.end,
      "Bytes to drop must be in the first block",
    );
    first.start += count;
    this.#size -= count;
    if (first.start < first.end) return;
    first.start = 0;
    first.end = 0;
    if (this.#blocks.length === 1) return;
    this.#blocks.shift();
    if (this.#spares.length < SPARE_BLOCKS_MAX) this.#spares.push(first);
  }

  clear(): void {
    this.#blocks.length = 0;
    this.#size = 0;
  }
}
