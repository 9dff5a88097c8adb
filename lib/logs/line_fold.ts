/**
 * Equal lines of many workers within a moment become one, for a person at a terminal: what 64 workers say alike is
 * read once.
 *
 * Rules: a line waits for at most two turns; whoever drives this calls `turn` while `needsTurn`. No line is
 * lost, none is changed, and each stream's lines stay in their order: a line joins an equal one only if that comes
 * after everything its stream has said. Where a stream has followed another's lines and differs (in a traceback,
 * the line with the rank), its line is put beside the other's, so that what follows can be equal again.
 */

/**
 * What comes within one turn at most; beyond it everything goes out at once and as it comes, until the turn is over:
 * nobody could read it anyway, and a flood costs enough without being compared.
 */
export const TURN_BYTES_MAX = 256 * 1024;

/** One line, or several equal ones. */
export interface FoldedLine<Stream> {
  /** With its end. */
  readonly bytes: Uint8Array;
  /** Who wrote it, from the first on; none: it is the launcher's. */
  readonly streams: readonly Stream[];
  /** The text of the moment in which the first one was read. */
  readonly stamp: string;
}

/** A stream whose lines may be folded. */
export interface FoldStream {
  /** Two streams of one worker are never folded into one. */
  readonly worker: number;
}

interface Entry<Stream> extends FoldedLine<Stream> {
  readonly streams: Stream[];
  readonly key: string;
  /** The turn in which it came, or that of what it must go out with. */
  turn: number;
  /** Stands beside another's line, in the midst of what was equal. */
  readonly isVariant: boolean;
  /** Its first stream was here when it wrote this; forgotten when it goes out. */
  previous: Entry<Stream> | undefined;
  before: Entry<Stream> | undefined;
  after: Entry<Stream> | undefined;
  /** Ascending along the list. */
  order: number;
  isOut: boolean;
}

/** An entry that has no place yet. */
type GivenLine<Stream> =
  & Pick<Entry<Stream>, "bytes" | "key" | "stamp" | "streams">
  & Partial<Pick<Entry<Stream>, "previous">>;

const NEWLINE = 10;
/** Room for some twenty insertions in one place before all is numbered anew. */
const ORDER_STEP = 1 << 20;
/** One character for each byte, so that equal texts are equal bytes. */
const latin1 = new TextDecoder("latin1");

/** Entries with one text in the order of the list, of which the first leave first. */
class SameLines<Stream extends FoldStream> {
  readonly #entries: (Entry<Stream> | undefined)[] = [];
  #start = 0;

  get isEmpty(): boolean {
    return this.#start === this.#entries.length;
  }

  add(entry: Entry<Stream>): void {
    const last = this.#entries.at(-1);
    if (last === undefined || last.order < entry.order) this.#entries.push(entry);
    else this.#entries.splice(this.#indexAfter(entry.order), 0, entry);
  }

  remove(entry: Entry<Stream>): void {
    if (this.#entries[this.#start] !== entry) {
      this.#entries.splice(this.#entries.indexOf(entry, this.#start), 1);
      return;
    }
    this.#entries[this.#start++] = undefined;
    if (this.#start * 2 < this.#entries.length) return;
    this.#entries.splice(0, this.#start);
    this.#start = 0;
  }

  /** The first after `last` that no stream of the same worker has written. */
  firstFor(stream: Stream, last: Entry<Stream> | undefined): Entry<Stream> | undefined {
    for (let at = last === undefined ? this.#start : this.#indexAfter(last.order);; at++) {
      const entry = this.#entries[at];
      if (entry === undefined || entry.streams.every(({ worker }) => worker !== stream.worker)) return entry;
    }
  }

  /** Index of the first entry whose order is greater. */
  #indexAfter(order: number): number {
    let low = this.#start;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle]!.order > order) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export class LineFold<Stream extends FoldStream> {
  readonly #emit: (line: FoldedLine<Stream>) => void;
  readonly #turnBytesMax: number;
  /** Entries by their text. */
  readonly #byKey = new Map<string, SameLines<Stream>>();
  readonly #lastOf = new Map<Stream, Entry<Stream>>();
  /** Streams that may still write, by worker. */
  readonly #open = new Map<number, number>();
  #head: Entry<Stream> | undefined;
  #tail: Entry<Stream> | undefined;
  #turn = 0;
  /** What has come in this turn. */
  #turnBytes = 0;

  /** `emit` is given the lines in their order. */
  constructor(emit: (line: FoldedLine<Stream>) => void, turnBytesMax = TURN_BYTES_MAX) {
    this.#emit = emit;
    this.#turnBytesMax = turnBytesMax;
  }

  /** Call `turn` in a moment. */
  get needsTurn(): boolean {
    return this.#head !== undefined || this.#turnBytes > 0;
  }

  open(stream: Stream): void {
    this.#open.set(stream.worker, (this.#open.get(stream.worker) ?? 0) + 1);
  }

  /** `stream` will write no more; who waited for its equal lines goes on. */
  close(stream: Stream): void {
    const count = this.#open.get(stream.worker) ?? 0;
    if (count > 1) this.#open.set(stream.worker, count - 1);
    else this.#open.delete(stream.worker);
    this.#release();
  }

  /** Takes whole lines of `stream`; the bytes belong to the fold from now on. */
  add(stream: Stream, lines: Uint8Array, stamp: string): void {
    this.#turnBytes += lines.length;
    if (this.#turnBytes > this.#turnBytesMax) {
      this.flushAll();
      this.#emit({ bytes: lines, streams: [stream], stamp });
      return;
    }
    for (let start = 0; start < lines.length;) {
      const end = lines.indexOf(NEWLINE, start) + 1 || lines.length;
      this.#addLine(stream, lines.subarray(start, end), stamp);
      start = end;
    }
    this.#release();
  }

  /** Takes lines that belong to no stream; they keep their place among what waits. */
  addOwn(bytes: Uint8Array, stamp: string): void {
    this.#append({ bytes, key: "", stamp, streams: [] });
    this.#release();
  }

  /** A moment is over: what has waited for a whole one goes out. */
  turn(): void {
    this.#turn++;
    this.#turnBytes = 0;
    this.#release();
  }

  /** Lets out everything that `stream` has written, and what stands before it. */
  flush(stream: Stream): void {
    const last = this.#lastOf.get(stream);
    while (last !== undefined && !last.isOut) this.#letOut(this.#head!);
  }

  /** Lets everything out. */
  flushAll(): void {
    while (this.#head !== undefined) this.#letOut(this.#head);
  }

  #addLine(stream: Stream, bytes: Uint8Array, stamp: string): void {
    const last = this.#pendingLast(stream);
    const key = latin1.decode(bytes);
    const equal = this.#byKey.get(key)?.firstFor(stream, last);
    if (equal !== undefined) {
      if (last?.isVariant) this.#moveVariants(last, equal);
      equal.streams.push(stream);
      this.#lastOf.set(stream, equal);
      return;
    }
    const given = { bytes, key, stamp, streams: [stream], previous: last };
    if (last !== undefined && (last.streams.length > 1 || last.isVariant)) this.#insertBeside(last, given);
    else this.#append(given);
  }

  #pendingLast(stream: Stream): Entry<Stream> | undefined {
    const last = this.#lastOf.get(stream);
    return last?.isOut ? undefined : last;
  }

  /** Behind `last`, and behind what others have said in the same place. It goes out with what follows it. */
  #insertBeside(last: Entry<Stream>, given: GivenLine<Stream>): void {
    let before = last;
    while (before.after?.previous === last) before = before.after;
    const { after } = before;
    if (after === undefined) return this.#append({ ...given, isVariant: true });
    const order = (before.order + after.order) / 2;
    const place = { turn: after.turn, isVariant: true, before, after, order, isOut: false };
    const entry: Entry<Stream> = { ...given, previous: last, ...place };
    before.after = entry;
    after.before = entry;
    this.#enter(entry);
    if (!Number.isInteger(order)) this.#numberAnew();
  }

  /**
   * What only this stream has said since it last agreed with others, up to `last`, goes right before `target`, where
   * it agrees again: so each worker's differing lines stay together.
   */
  #moveVariants(last: Entry<Stream>, target: Entry<Stream>): void {
    let next = target;
    for (
      let entry: Entry<Stream> | undefined = last;
      entry !== undefined && entry.isVariant && !entry.isOut && entry.streams.length === 1;
      entry = entry.previous
    ) {
      if (entry.after !== next) {
        this.#unlink(entry);
        this.#leaveKey(entry);
        this.#linkBefore(entry, next);
        this.#enterKey(entry);
      }
      next = entry;
    }
  }

  #unlink(entry: Entry<Stream>): void {
    const { before, after } = entry;
    if (before === undefined) this.#head = after;
    else before.after = after;
    if (after === undefined) this.#tail = before;
    else after.before = before;
  }

  #linkBefore(entry: Entry<Stream>, next: Entry<Stream>): void {
    const { before } = next;
    entry.before = before;
    entry.after = next;
    entry.turn = next.turn;
    next.before = entry;
    if (before === undefined) this.#head = entry;
    else before.after = entry;
    entry.order = ((before?.order ?? 0) + next.order) / 2;
    if (!Number.isInteger(entry.order)) this.#numberAnew();
  }

  #append(given: GivenLine<Stream> & { readonly isVariant?: boolean }): void {
    const before = this.#tail;
    const order = (before?.order ?? 0) + ORDER_STEP;
    const place = { turn: this.#turn, before, after: undefined, order, isOut: false };
    const entry: Entry<Stream> = { previous: undefined, isVariant: false, ...given, ...place };
    if (before === undefined) this.#head = entry;
    else before.after = entry;
    this.#tail = entry;
    this.#enter(entry);
  }

  #enter(entry: Entry<Stream>): void {
    const [stream] = entry.streams;
    if (stream === undefined) return;
    this.#lastOf.set(stream, entry);
    this.#enterKey(entry);
  }

  #enterKey(entry: Entry<Stream>): void {
    const same = this.#byKey.get(entry.key) ?? new SameLines<Stream>();
    same.add(entry);
    this.#byKey.set(entry.key, same);
  }

  #leaveKey(entry: Entry<Stream>): void {
    const same = this.#byKey.get(entry.key);
    same?.remove(entry);
    if (same?.isEmpty) this.#byKey.delete(entry.key);
  }

  #numberAnew(): void {
    let order = 0;
    for (let entry = this.#head; entry !== undefined; entry = entry.after) entry.order = order += ORDER_STEP;
  }

  /** Lets out what need not wait: old lines, those that all workers have written, and those over the limit. */
  #release(): void {
    for (let head = this.#head; head !== undefined; head = this.#head) {
      const isDue = this.#turn - head.turn >= 2 || head.streams.length === 0 || this.#isComplete(head);
      if (!isDue) return;
      this.#letOut(head);
    }
  }

  /** Nobody is left who could join. */
  #isComplete({ streams }: Entry<Stream>): boolean {
    if (streams.length < this.#open.size) return false;
    return streams.filter(({ worker }) => this.#open.has(worker)).length === this.#open.size;
  }

  /** Takes the first entry out. */
  #letOut(entry: Entry<Stream>): void {
    this.#head = entry.after;
    if (this.#head === undefined) this.#tail = undefined;
    else this.#head.before = undefined;
    entry.isOut = true;
    // Else every entry would keep all before it in memory.
    entry.previous = undefined;
    this.#leaveKey(entry);
    for (const stream of entry.streams) {
      if (this.#lastOf.get(stream) === entry) this.#lastOf.delete(stream);
    }
    this.#emit(entry);
  }
}
