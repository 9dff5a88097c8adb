/**
 * What torchrun's agents share when they form a group: one record under compare-and-set, and a store of keys that is
 * empty for every round (torchrun.md 4.1). A PyTorch TCPStore, a file and etcd's v2 API each carry both; `TorchMeeting`
 * knows neither. Nothing here is retried by itself for longer than `timeoutMs`: what can't be reached is an error.
 */

/** The record as it stands, with the proof that it is meant when it is replaced. */
export interface RecordState {
  /** A pickle, of which nothing has been believed yet. */
  readonly bytes: Uint8Array;
  /** torchrun's fencing token: etcd's modifiedIndex, or the stored text itself in a TCPStore. */
  readonly token: string;
}

/** What a compare-and-set came to. */
export interface RecordWrite {
  /** False: somebody else's write came first, and `state` is what they wrote; null: the record is gone. */
  readonly written: boolean;
  readonly state: RecordState | null;
}

export interface SharedRecord {
  /** Null: nobody has written it yet. @throws {SharedRecordError} */
  read(): Promise<RecordState | null>;
  /**
   * Replaces the record if it is still the one of `token`; null: if there is none. A lost answer is settled by reading
   * again: `written` is never false for bytes that were written. @throws {SharedRecordError}
   */
  compareAndSet(bytes: Uint8Array, token: string | null): Promise<RecordWrite>;
  /**
   * Resolves when the record may differ from the one of `token`, or after `limitMs`; sources that can't tell wait
   * for `limitMs` only, so that the caller reads again.
   */
  changed(token: string | null, limitMs: number): Promise<void>;
}

/** Keys whose names stand as torchrun's agents write them, with the round's prefix. */
export interface SharedKeys {
  set(key: string, value: Uint8Array): Promise<void>;
  /** All values in the order of `keys`, once all are there. @throws {SharedRecordError} Some are missing after `limitMs`. */
  get(keys: readonly string[], limitMs: number): Promise<Uint8Array[]>;
  /** Adds to the number under `key`, which starts at 0, and returns the sum. */
  add(key: string, amount: number): Promise<number>;
  /** Ends every wait that is under way, each with an error. */
  close(): void;
}

/** The record or its keys could not be reached, or did not appear; the message names the place and what was tried. */
export class SharedRecordError extends Error {
  override readonly name = "SharedRecordError";
}
