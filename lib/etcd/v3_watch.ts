/**
 * One watch on one key, over any number of connections: messages as they come in, changes out, none twice and none
 * left out. After a cut the next connection, to whichever member, begins after the last revision that was seen.
 */

import {
  decodeKeyValue,
  encodeWatch,
  EtcdFormatError,
  type KeyValue,
  numberOf,
  objectOf,
  parseObject,
  revisionOf,
} from "./v3_wire.ts";

/** The key's value after a change; null: it was deleted or its lease is over. */
export interface Change {
  readonly revision: number;
  readonly value: KeyValue | null;
}

export type WatchNews =
  | { readonly kind: "changes"; readonly changes: readonly Change[] }
  /** The member ended the watch; another connection goes on. `text`: its reason. */
  | { readonly kind: "cancelled"; readonly text: string }
  /** What happened before `revision` is forgotten: whoever watches must look anew. */
  | { readonly kind: "compacted"; readonly revision: number };

/** A message longer than this is none that a watch of ours can get: etcd takes requests of 1.5 MiB at most. */
const MESSAGE_CHARACTERS_MAX = 4 << 20;

export class WatchCursor {
  readonly #key: string;
  #nextRevision: number;
  #partial = "";

  constructor(key: string, fromRevision: number) {
    this.#key = key;
    this.#nextRevision = fromRevision;
  }

  /** The first revision that has not been seen. */
  get nextRevision(): number {
    return this.#nextRevision;
  }

  /** What to send on a new connection. */
  request(): { readonly path: string; readonly body: string } {
    this.#partial = "";
    return encodeWatch(this.#key, this.#nextRevision);
  }

  /** Takes text of the answer's body as it arrives: messages are lines. @throws {EtcdFormatError} */
  push(text: string): WatchNews[] {
    this.#partial += text;
    if (this.#partial.length > MESSAGE_CHARACTERS_MAX) {
      throw new EtcdFormatError("sent a message without end on a watch");
    }
    const lines = this.#partial.split("\n");
    this.#partial = lines.pop()!;
    return lines.filter((line) => line.trim() !== "").flatMap((line) => this.#take(line));
  }

  #take(line: string): WatchNews[] {
    const message = parseObject(line);
    if (message.error !== undefined) {
      const error = objectOf(message.error, "error");
      return [{ kind: "cancelled", text: String(error.message ?? "an error without a reason") }];
    }
    const result = objectOf(message.result, "result");
    if (result.canceled === true) {
      const compacted = numberOf(result.compact_revision ?? "0", "compact_revision");
      if (compacted > 0) return [{ kind: "compacted", revision: compacted }];
      return [{ kind: "cancelled", text: String(result.cancel_reason ?? "the watch was cancelled") }];
    }
    const events = Array.isArray(result.events) ? result.events : [];
    const changes = events.map((event) => decodeEvent(objectOf(event, "events")))
      .filter(({ revision }) => revision >= this.#nextRevision);
    // Without events a message is a sign of progress: nothing up to its revision concerns this key. At the beginning
    // of a watch it says where the store is, not what has been sent.
    if (events.length > 0) {
      this.#nextRevision = Math.max(this.#nextRevision, ...changes.map(({ revision }) => revision + 1));
    } else if (result.created !== true) {
      this.#nextRevision = Math.max(this.#nextRevision, revisionOf(result) + 1);
    }
    return changes.length === 0 ? [] : [{ kind: "changes", changes }];
  }
}

function decodeEvent(event: Readonly<Record<string, unknown>>): Change {
  const kv = decodeKeyValue(objectOf(event.kv, "kv"));
  return { revision: kv.modRevision, value: event.type === "DELETE" ? null : kv };
}
