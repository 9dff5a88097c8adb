/**
 * The connections of one store client: one for everything that is answered at once, a few for what waits. Lost ones are
 * made anew, with pauses that grow and vary by chance, so that a thousand clients do not come back at the same moment.
 */

import { assert } from "../core/assert.ts";
import { Prng } from "../core/prng.ts";
import { durationText, type InstantMs } from "../core/time.ts";
import type { Outcome } from "../store/client.ts";
import { type Dialect, OPERATIONS, type Request } from "../store/wire.ts";
import { addressText } from "./socket_address.ts";
import { StoreConnectionError, StoreLink, TIMER_MS_MAX } from "./store_link.ts";

export interface StoreAddress {
  /** IP address or name; all addresses of a name are tried side by side. */
  readonly host: string;
  readonly port: number;
  /**
   * What the server speaks: "c", the default, muster and PyTorch from 2.2 on; "b" PyTorch 2.1; "a" those before. It can't
   * be found out: to an older server a handshake is the beginning of a long SET, and it serves nobody while it waits for
   * the rest.
   */
  readonly dialect?: Dialect;
}

/** The server's generation of the protocol does not have the operation. */
export class StoreOperationError extends Error {
  override readonly name = "StoreOperationError";
}

/** Connections that wait, beside the one for everything else. */
const WAITING_LINKS_MAX = 8;
/** Pause between looks where no connection is left to wait on, and between attempts to connect. */
const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 1000;

/** The least time that a server is given to answer what it need not wait for, and to be connected to for a wait. */
const ANSWER_MS_MIN = 5_000;

/** The least time for a handshake of TCP, however short the time for what is to be asked then. */
const CONNECT_MS_MIN = 1_000;

/** How often a request is sent again at once: a server that hangs up on it so often, or on everybody, goes on like that. */
const REPEATS_MAX = 3;

/** Requests that may be sent again without harm. */
const REPEATABLE: ReadonlySet<Request["kind"]> = new Set(
  ["get", "check", "multiGet", "countKeys", "listKeys", "queueLength", "ping", "wait"] as const,
);

export class StoreConnections {
  readonly #address: StoreAddress;
  readonly timeoutMs: number;
  readonly #reconnectMs: number;
  #wasConnected = false;
  readonly #prng = new Prng(crypto.getRandomValues(new Uint32Array(1))[0]!);
  #main: Promise<StoreLink> | null = null;
  #mainLink: StoreLink | null = null;
  readonly #links = new Set<StoreLink>();
  readonly #idle: StoreLink[] = [];
  /** Links that wait, or are being connected for it. */
  #waitingCount = 0;
  readonly #closing = new AbortController();

  /** `reconnectMs`: for making a lost connection anew. */
  constructor(address: StoreAddress, timeoutMs: number, reconnectMs: number = timeoutMs) {
    this.#address = address;
    this.timeoutMs = timeoutMs;
    this.#reconnectMs = reconnectMs;
  }

  /** The connection for all that does not wait; a lost one is made anew. */
  connect(): Promise<StoreLink> {
    if (this.#main !== null && !(this.#mainLink?.isClosed ?? false)) return this.#main;
    this.#mainLink = null;
    const main = this.#dial(performance.now() + (this.#wasConnected ? this.#reconnectMs : this.timeoutMs));
    this.#main = main;
    main.then((link) => this.#mainLink = link, () => this.#main = null);
    return main;
  }

  /** The outcome of a request that waits for nobody; null: it has no reply. */
  async ask(request: Request): Promise<Outcome | null> {
    this.#checkOperation(request);
    const deadline = this.#answerBy();
    for (let repeats = 0;; repeats++) {
      this.#reportLoss();
      const link = this.#mainLink !== null && !this.#mainLink.isClosed
        ? this.#mainLink
        : await this.connect();
      try {
        return await link.request(request, deadline);
      } catch (error) {
        if (repeats === REPEATS_MAX || !this.#mayRepeat(error, request, deadline)) throw error;
      }
    }
  }

  /** Nobody was told that a SET was not taken: who goes on must not believe that it was. */
  #reportLoss(): void {
    const loss = this.#mainLink?.loss ?? null;
    if (loss === null) return;
    this.#mainLink = this.#main = null;
    throw loss;
  }

  /** Carries out a WAIT or BARRIER on a connection of its own. */
  async wait(request: Request & { kind: "wait" | "barrier" }, deadline: InstantMs): Promise<Outcome | null> {
    this.#checkOperation(request);
    if (request.kind === "wait" && this.#waitingCount >= WAITING_LINKS_MAX) {
      return this.#waitByAsking(request, deadline);
    }
    this.#waitingCount++;
    try {
      for (let pauseMs = PAUSE_MS_MIN;; pauseMs = await this.#pause(pauseMs, deadline)) {
        const link = await this.#waitingLink();
        try {
          const outcome = await link.request(request, deadline);
          this.#idle.push(link);
          return outcome;
        } catch (error) {
          if (!this.#mayRepeat(error, request, deadline)) throw error;
        }
      }
    } finally {
      this.#waitingCount--;
    }
  }

  close(): void {
    this.#closing.abort();
    for (const link of this.#links) link.close();
  }

  async #waitByAsking(request: Request & { kind: "wait" }, deadline: InstantMs): Promise<Outcome> {
    let pauseMs = PAUSE_MS_MIN;
    while (true) {
      const { areAllPresent } = reply(await this.ask({ kind: "check", keys: request.keys }), "checked");
      if (areAllPresent) return { kind: "waitEnded", wasCancelled: false };
      if (performance.now() >= deadline) return { kind: "timedOut" };
      pauseMs = await this.#pause(pauseMs, deadline);
    }
  }

  async #waitingLink(): Promise<StoreLink> {
    for (let link = this.#idle.pop(); link !== undefined; link = this.#idle.pop()) {
      if (!link.isClosed) return link;
    }
    return await this.#dial(Math.min(this.#answerBy(), performance.now() + this.#reconnectMs));
  }

  /** A short time is meant for keys that may not be there; a busy server is still given a moment to say so. */
  #answerBy(): InstantMs {
    return performance.now() + Math.max(this.timeoutMs, ANSWER_MS_MIN);
  }

  #checkOperation({ kind }: Request): void {
    const { host, port, dialect = "c" } = this.#address;
    if (OPERATIONS[dialect].includes(kind)) return;
    throw new StoreOperationError(
      `The store at ${host}:${port} speaks generation ${dialect.toUpperCase()} of PyTorch's protocol, without ${kind}`,
    );
  }

  #mayRepeat(error: unknown, request: Request, deadline: InstantMs): boolean {
    return error instanceof StoreConnectionError && !this.#closing.signal.aborted &&
      REPEATABLE.has(request.kind) && performance.now() < deadline;
  }

  async #dial(deadline: InstantMs): Promise<StoreLink> {
    const { dialect = "c" } = this.#address;
    const name = addressText({ hostname: this.#address.host, port: this.#address.port });
    const started = performance.now();
    const { signal } = this.#closing;
    let pauseMs = PAUSE_MS_MIN;
    let reason = "nothing answers there";
    for (let attempt = 1;; attempt++) {
      try {
        const link = new StoreLink(await this.#connectBy(deadline), { name, dialect });
        for (const old of this.#links) if (old.isClosed) this.#links.delete(old);
        this.#links.add(link);
        this.#wasConnected = true;
        return link;
      } catch (error) {
        const now = performance.now();
        // An attempt that was given up says nothing of the server.
        if (signal.aborted) reason = "the client was closed";
        else if (error instanceof Error && !(error instanceof DOMException)) reason = error.message;
        if (signal.aborted || now >= deadline) {
          const attempts = attempt === 1 ? "1 attempt" : `${attempt} attempts`;
          throw new StoreConnectionError(
            `Cannot connect to the store at ${name}: ${reason} (${attempts} in ${
              durationText(now - started)
            })`,
          );
        }
      }
      pauseMs = await this.#pause(pauseMs, deadline);
    }
  }

  /** A packet that is dropped on the way is answered by nobody: the system would try for minutes. */
  async #connectBy(deadline: InstantMs): Promise<Deno.TcpConn> {
    const { host: hostname, port } = this.#address;
    const closing = this.#closing.signal;
    const attempt = new AbortController();
    const giveUp = () => attempt.abort();
    const leftMs = Math.max(CONNECT_MS_MIN, deadline - performance.now());
    const timer = setTimeout(giveUp, Math.min(leftMs, TIMER_MS_MAX));
    closing.addEventListener("abort", giveUp, { once: true });
    try {
      if (closing.aborted) giveUp();
      return await Deno.connect({ hostname, port, autoSelectFamily: true, signal: attempt.signal });
    } finally {
      clearTimeout(timer);
      closing.removeEventListener("abort", giveUp);
    }
  }

  /** Sleeps for half of `pauseMs` to all of it, by chance; returns the next, longer one. */
  async #pause(pauseMs: number, deadline: InstantMs): Promise<number> {
    const jitteredMs = pauseMs / 2 + this.#prng.below(Math.ceil(pauseMs / 2));
    const { promise, resolve } = Promise.withResolvers<void>();
    const { signal } = this.#closing;
    const timer = setTimeout(resolve, Math.max(0, Math.min(jitteredMs, deadline - performance.now())));
    const onAbort = () => (clearTimeout(timer), resolve());
    signal.addEventListener("abort", onAbort, { once: true });
    await promise;
    signal.removeEventListener("abort", onAbort);
    return Math.min(2 * pauseMs, PAUSE_MS_MAX);
  }
}

/** The outcome as what it must be: the client machine reads each reply by what was asked. */
export function reply<Kind extends Outcome["kind"]>(
  outcome: Outcome | null,
  kind: Kind,
): Outcome & { kind: Kind } {
  assert(outcome?.kind === kind, `The store's reply is ${outcome?.kind}, not ${kind}`);
  return outcome as Outcome & { kind: Kind };
}
