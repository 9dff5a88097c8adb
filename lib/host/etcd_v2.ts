/**
 * A client of etcd's v2 API: requests that are repeated until a member answers, and waits for a change. What is repeated may
 * have happened before, its answer lost: whoever writes with a condition settles that by reading.
 */

import { delay } from "@std/async/delay";
import { durationText, type InstantMs } from "../core/time.ts";
import { decodeV2, encodeV2, type V2Answer, type V2Request } from "../etcd/v2_wire.ts";
import { monotonicNow } from "./clock.ts";
import { type EtcdCluster, EtcdUnreachableError, type HttpAnswer } from "./etcd_cluster.ts";

/** Answers that a caller has to tell apart; anything else is an error. */
export type V2Result = Exclude<V2Answer, { readonly kind: "unavailable" | "refused" }>;

/** etcd refused what was asked, or could not be reached for `limitMs`; the message says for each member why. */
export class EtcdV2Error extends Error {
  override readonly name = "EtcdV2Error";
}

const ATTEMPT_MS = 3000;
const PAUSE_MS_FIRST = 50;
const PAUSE_MS_LAST = 1000;

export interface EtcdV2Options {
  /** How long a request is repeated (rdzv-conf `read_timeout`). */
  readonly limitMs: number;
  /** The same until etcd has answered once, since it may start after the nodes; `limitMs` by default. */
  readonly firstLimitMs?: number;
  /** Told once that nobody answers, and once that somebody does again. */
  readonly say?: (text: string) => void;
}

export class EtcdV2 {
  readonly #cluster: EtcdCluster;
  readonly #options: EtcdV2Options;
  readonly #ending = new AbortController();
  #hasAnswered = false;
  #isInTrouble = false;

  constructor(cluster: EtcdCluster, options: EtcdV2Options) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /** @throws {EtcdV2Error} */
  async ask(request: V2Request): Promise<V2Result> {
    const begunAt = monotonicNow();
    for (let pauseMs = PAUSE_MS_FIRST;; pauseMs = Math.min(PAUSE_MS_LAST, pauseMs * 2)) {
      try {
        const answer = await this.#send(request, ATTEMPT_MS);
        this.#onAnswer();
        return settled(decode(answer));
      } catch (error) {
        if (!(error instanceof EtcdUnreachableError)) throw error;
        if (this.#ending.signal.aborted) throw new EtcdV2Error("The connection to etcd was closed");
        const limitMs = this.#limitMs;
        if (monotonicNow() + pauseMs >= begunAt + limitMs) {
          throw new EtcdV2Error(`${error.message}; tried for ${durationText(limitMs)}`);
        }
        this.#onTrouble(error.message);
        await delay(pauseMs, { signal: this.#ending.signal }).catch(() => {});
      }
    }
  }

  /**
   * Waits for a change from `fromIndex` on, until `deadline`. It may come back before either: the caller looks again.
   */
  async wait(
    key: string,
    fromIndex: number,
    recursive: boolean,
    deadline: InstantMs,
    signal: AbortSignal = this.#ending.signal,
  ): Promise<void> {
    const leftMs = deadline - monotonicNow();
    if (leftMs <= 0 || this.#ending.signal.aborted) return;
    const ending = new AbortController();
    const timer = setTimeout(() => ending.abort(), leftMs);
    try {
      const { response } = await this.#cluster.open({
        ...encodeV2({ kind: "wait", key, fromIndex, recursive }),
        attemptMs: Math.min(ATTEMPT_MS, leftMs),
        signal: AbortSignal.any([ending.signal, this.#ending.signal, signal]),
      });
      await response.text();
    } catch {
      // Whatever it was, the caller looks again, and a member that is gone shows itself there.
      if (!ending.signal.aborted) {
        await delay(PAUSE_MS_FIRST, { signal: this.#ending.signal }).catch(() => {});
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends every wait; requests under way fail. */
  close(): void {
    this.#ending.abort();
  }

  get #limitMs(): number {
    const { limitMs, firstLimitMs = limitMs } = this.#options;
    return this.#hasAnswered ? limitMs : firstLimitMs;
  }

  #onTrouble(text: string): void {
    if (!this.#isInTrouble) this.#options.say?.(`${text}; trying again`);
    this.#isInTrouble = true;
  }

  #onAnswer(): void {
    if (this.#isInTrouble) this.#options.say?.("etcd answers again");
    this.#isInTrouble = false;
    this.#hasAnswered = true;
  }

  #send(request: V2Request, attemptMs: number): Promise<HttpAnswer> {
    const { method, path, body } = encodeV2(request);
    return this.#cluster.ask({
      method,
      path,
      ...(body === undefined
        ? {}
        : { body, headers: { "Content-Type": "application/x-www-form-urlencoded" } }),
      attemptMs,
      signal: this.#ending.signal,
    }, (answer) => {
      const decoded = decode(answer);
      return decoded.kind === "unavailable" ? decoded.text : null;
    });
  }
}

function decode({ status, headers, text }: HttpAnswer): V2Answer {
  if (status === 404 && !text.startsWith("{")) {
    return {
      kind: "refused",
      text: "it has no v2 API: start etcd 3.4 or 3.5 with --enable-v2, or use etcd-v3",
    };
  }
  return decodeV2(status, headers.get("X-Etcd-Index"), text);
}

function settled(answer: V2Answer): V2Result {
  if (answer.kind === "unavailable" || answer.kind === "refused") {
    throw new EtcdV2Error(`etcd refused it: ${answer.text}`);
  }
  return answer;
}
