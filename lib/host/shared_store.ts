/**
 * What torchrun's agents share, whatever carries it (torchrun.md 4.1): one record under compare-and-set, and keys with
 * the names that torchrun's agents give them. A PyTorch TCPStore, a file and etcd's v2 API are such stores.
 */

export interface RecordState {
  /** A pickle, of which nothing has been believed yet. */
  readonly bytes: Uint8Array;
  /** torchrun's fencing token: etcd's modifiedIndex, or the stored text itself in a PyTorch store. */
  readonly token: string;
}

export interface SharedRecord {
  /**
   * The record, null if there is none: at once, or where the store can tell that it is still the one of `token`, when it
   * changes; after `afterMs` at the latest.
   */
  read(token?: string | null, afterMs?: number): Promise<RecordState | null>;
  /**
   * Replaces the record of `token`; null: if there is none. `written` false: somebody else was first, and `state` is what
   * they wrote. An answer that was lost is settled by reading again.
   */
  write(
    bytes: Uint8Array,
    token: string | null,
  ): Promise<{ readonly written: boolean; readonly state: RecordState | null }>;
}

export interface SharedKeys {
  /** Later operations come after it. */
  set(key: string, value: Uint8Array): Promise<void>;
  /** The values in the order of `keys` once all are there; null: some are not after `limitMs`. */
  get(keys: readonly string[], limitMs: number): Promise<Uint8Array[] | null>;
  /** The values that are there now, null for the others. */
  look(keys: readonly string[]): Promise<(Uint8Array | null)[]>;
  /** Adds to the number under `key`, which starts at 0, and returns the sum. */
  add(key: string, amount: number): Promise<number>;
}

export interface SharedStore {
  readonly record: SharedRecord;
  readonly keys: SharedKeys;
  /** Why the store is lost, if that is what `error` of one of its operations means; null: it is a defect. */
  lossText(error: unknown): string | null;
  /** Ends every wait that is under way. */
  close(): void;
}
