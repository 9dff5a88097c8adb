/**
 * A client of etcd's v3 API over its JSON gateway: requests, a token where there are users, and watches that go on at another
 * member after a cut. `lib/etcd` has what is said; here it is sent.
 */

import { delay } from "@std/async/delay";
import {
  decodeV3,
  decodeV3Error,
  encodeV3,
  EtcdFormatError,
  type V3Answer,
  type V3Request,
} from "../etcd/v3_wire.ts";
import { type Change, WatchCursor } from "../etcd/v3_watch.ts";
import { type EtcdCluster, EtcdUnreachableError, type HttpAnswer, reasonOf } from "./etcd_cluster.ts";
import { monotonicNow } from "./clock.ts";

export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/** etcd said no, and would again. */
export class EtcdRefusedError extends Error {
  override readonly name = "EtcdRefusedError";
}

/** What a watch tells; `broken`: changes have been forgotten before they were told, and the watch is over. */
export type WatchSink = (
  news: { readonly kind: "changes"; readonly changes: readonly Change[] } | { readonly kind: "broken" },
) => void;

/** A member that is silent for this part of its time is not waited for alone. */
const HEDGES = 5;
/** Between two attempts to open a watch when no member lets us. */
const REOPEN_MS = 500;

export class EtcdV3 {
  readonly #cluster: EtcdCluster;
  readonly #credentials: Credentials | null;
  #token: string | null = null;

  constructor(cluster: EtcdCluster, credentials: Credentials | null = null) {
    this.#cluster = cluster;
    this.#credentials = credentials;
  }

  /**
   * Asks one member after the other, each for `attemptMs` at most.
   * @throws {EtcdUnreachableError} None answered. @throws {EtcdRefusedError}
   */
  async ask(request: V3Request, attemptMs: number): Promise<V3Answer> {
    for (let isSecond = false;; isSecond = true) {
      if (this.#token === null) await this.#authenticate(attemptMs);
      const { path, body } = encodeV3(request);
      const answer = await this.#post(path, body, attemptMs);
      if (answer.status < 400) return decodeV3(request, answer.text);
      const { fault, text } = decodeV3Error(answer.status, answer.text);
      // A token lives for five minutes after its last use (etcd's --auth-token-ttl).
      if (fault !== "unauthenticated" || this.#credentials === null || isSecond) {
        throw new EtcdRefusedError(`etcd refused it: ${text}${this.#advice(fault, text)}`);
      }
      this.#token = null;
    }
  }

  /** Watches `key` from a revision on, until the function that is returned is called. */
  watch(key: string, fromRevision: number, attemptMs: number, sink: WatchSink): () => void {
    const ending = new AbortController();
    const cursor = new WatchCursor(key, fromRevision);
    this.#follow(cursor, attemptMs, ending.signal, sink);
    return () => ending.abort();
  }

  async #follow(cursor: WatchCursor, attemptMs: number, signal: AbortSignal, sink: WatchSink): Promise<void> {
    while (!signal.aborted) {
      let url: string | null = null;
      let reason = "ended the watch";
      try {
        if (this.#token === null) await this.#authenticate(attemptMs);
        const opened = await this.#cluster.open({
          method: "POST",
          ...cursor.request(),
          // A member without a leader would keep silent.
          headers: { ...this.#headers(), "Grpc-Metadata-hasleader": "true" },
          attemptMs,
          signal,
        });
        url = opened.url;
        for await (const text of opened.response.body!.pipeThrough(new TextDecoderStream())) {
          for (const news of cursor.push(text)) {
            if (news.kind === "cancelled") throw new EtcdUnreachableError(news.text);
            if (news.kind === "compacted") return sink({ kind: "broken" });
            sink(news);
          }
        }
      } catch (error) {
        reason = reasonOf(error);
        if (/token|permission/.test(reason)) this.#token = null;
      }
      if (signal.aborted) return;
      if (url !== null) this.#cluster.choice.failed(url, reason, monotonicNow());
      await delay(REOPEN_MS * (url === null ? 1 : 0.1), { signal }).catch(() => {});
    }
  }

  async #authenticate(attemptMs: number): Promise<void> {
    if (this.#credentials === null) return;
    const request: V3Request = { kind: "authenticate", ...this.#credentials };
    const { path, body } = encodeV3(request);
    const answer = await this.#post(path, body, attemptMs);
    if (answer.status >= 400) {
      const { text } = decodeV3Error(answer.status, answer.text);
      // A cluster without users needs no token.
      if (/authentication is not enabled/.test(text)) this.#token = "";
      else throw new EtcdRefusedError(`etcd does not let user ${this.#credentials.name} in: ${text}`);
      return;
    }
    const decoded = decodeV3(request, answer.text);
    if (decoded.kind === "authenticate") this.#token = decoded.token;
  }

  #post(path: string, body: string, attemptMs: number): Promise<HttpAnswer> {
    return this.#cluster.ask(
      // Whatever is asked holds only under conditions, or may well happen twice.
      { method: "POST", path, body, headers: this.#headers(), attemptMs, hedgeMs: attemptMs / HEDGES },
      judgeMember,
    );
  }

  #headers(): Record<string, string> {
    const type = { "Content-Type": "application/json" };
    return this.#token ? { ...type, "Authorization": this.#token } : type;
  }

  #advice(fault: string, text: string): string {
    if (this.#credentials === null) {
      const what = "; give user=NAME and password=… or password_file=… in --rdzv-conf";
      return fault === "unauthenticated" ? what : "";
    }
    if (!/permission denied/.test(text)) return "";
    return `; user ${this.#credentials.name} must be allowed to read and write all keys that begin with /muster/`;
  }
}

function judgeMember({ status, text }: HttpAnswer): string | null {
  if (status === 404 && !text.startsWith("{")) return "it has no v3 API: etcd 3.4 or later is needed";
  if (status < 400) {
    return text.startsWith("{") ? null : new EtcdFormatError("it does not answer as etcd does").message;
  }
  const error = decodeV3Error(status, text);
  return error.fault === "unavailable" ? error.text : null;
}
