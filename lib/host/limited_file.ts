/**
 * A log file that keeps its beginning and its end (`--log-max-size`), however much is written to it.
 *
 * Rules: the head is written to the file itself. What comes after it goes to two pieces beside it, `.1` and `.2`, the
 * newest in `.2`; when that is full it takes the place of `.1`, which is lost. A line in the file says so as long as
 * it is written, so that nothing is a riddle if the launcher is killed. At the end the pieces come back into the
 * file, behind a line that says how much was left out. Half of the limit is the head's, a quarter each piece's.
 */

import { utf8 } from "../core/bytes.ts";
import type { WritableFile } from "./sinks.ts";

/** Room for the two lines of ours. */
const MARK_BYTES_MAX = 512;
/** How far the first line of the tail is looked for. */
const LINE_SEARCH_BYTES_MAX = 64 * 1024;
const COPY_BYTES = 256 * 1024;

const NEWLINE = 10;

interface Piece {
  readonly file: Deno.FsFile;
  bytes: number;
}

export class LimitedFile implements WritableFile {
  readonly #path: string;
  readonly #head: Deno.FsFile;
  readonly #bytesMax: number;
  readonly #pieceBytesMax: number;
  #headBytes = 0;
  #headIsFull = false;
  #older = 0;
  #newer: Piece | undefined;
  /** Of pieces that are gone. */
  #lostBytes = 0;

  /** Takes over `file`, which is open for writing at `path` and empty. */
  constructor(file: Deno.FsFile, options: { readonly path: string; readonly bytesMax: number }) {
    this.#head = file;
    this.#path = options.path;
    this.#bytesMax = options.bytesMax;
    this.#pieceBytesMax = Math.floor(options.bytesMax / 4);
  }

  /** Writes some of `bytes`, at least one, and returns how many. Throws what the system said. */
  async write(bytes: Uint8Array): Promise<number> {
    if (!this.#headIsFull) return await this.#writeHead(bytes);
    if (this.#newer === undefined || this.#newer.bytes >= this.#pieceBytesMax) await this.#startPiece();
    const piece = this.#newer!;
    const written = await piece.file.write(bytes.subarray(0, this.#pieceBytesMax - piece.bytes));
    piece.bytes += written;
    return written;
  }

  /** Brings head and tail together. What fails leaves the pieces beside the file. */
  async close(): Promise<void> {
    try {
      if (this.#newer !== undefined) await this.#bringTogether(this.#newer);
    } finally {
      this.#head.close();
    }
  }

  async #writeHead(bytes: Uint8Array): Promise<number> {
    const room = Math.floor(this.#bytesMax / 2) - MARK_BYTES_MAX - this.#headBytes;
    let part = bytes.subarray(0, room);
    if (part.length < bytes.length) {
      this.#headIsFull = true;
      // Whole lines, where there are any.
      part = part.subarray(0, part.lastIndexOf(NEWLINE) + 1 || part.length);
      if (part.length === 0) return await this.write(bytes);
    }
    const written = await this.#head.write(part);
    this.#headBytes += written;
    return written;
  }

  async #startPiece(): Promise<void> {
    if (this.#newer === undefined) {
      const name = this.#path.slice(this.#path.lastIndexOf("/") + 1);
      const note = `… the output goes on in ${name}.1 and ${name}.2 until its end (--log-max-size)\n`;
      await this.#head.write(utf8(`\n${note}`));
    } else {
      this.#newer.file.close();
      await Deno.rename(`${this.#path}.2`, `${this.#path}.1`);
      this.#lostBytes += this.#older;
      this.#older = this.#newer.bytes;
    }
    this.#newer = undefined;
    const options = { read: true, write: true, create: true, truncate: true };
    this.#newer = { file: await Deno.open(`${this.#path}.2`, options), bytes: 0 };
  }

  async #bringTogether(newer: Piece): Promise<void> {
    await this.#head.truncate(this.#headBytes);
    await this.#head.seek(this.#headBytes, Deno.SeekMode.Start);
    const paths = this.#older > 0 ? [`${this.#path}.1`] : [];
    newer.file.close();
    paths.push(`${this.#path}.2`);
    let isFirst = true;
    for (const path of paths) {
      using piece = await Deno.open(path);
      if (isFirst && this.#lostBytes > 0) await this.#writeMark(piece);
      isFirst = false;
      const buffer = new Uint8Array(COPY_BYTES);
      for (let count = await piece.read(buffer); count !== null; count = await piece.read(buffer)) {
        await writeAll(this.#head, buffer.subarray(0, count));
      }
      await Deno.remove(path);
    }
  }

  /** Says what was left out, to which the rest of a line at the tail's beginning is added, and leaves that behind. */
  async #writeMark(tail: Deno.FsFile): Promise<void> {
    const beginning = new Uint8Array(Math.min(LINE_SEARCH_BYTES_MAX, this.#pieceBytesMax));
    const count = await tail.read(beginning) ?? 0;
    const rest = beginning.subarray(0, count).indexOf(NEWLINE) + 1;
    await tail.seek(rest, Deno.SeekMode.Start);
    const left = (this.#lostBytes + rest).toLocaleString("en-US");
    await writeAll(this.#head, utf8(`\n… ${left} bytes left out here (--log-max-size)\n\n`));
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await file.write(bytes));
}
