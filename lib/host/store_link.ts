/** One socket to a store server, driven by a `ClientMachine`: written in batches, read for ever, timed by one timer. */

import type { InstantMs } from "../core/time.ts";
import { type Answer, ClientMachine, type Outcome } from "../store/client.ts";
import { type Dialect, PeerError, type Request } from "../store/wire.ts";

/** The connection to the store is lost; what was under way may or may not have happened. */
export class StoreConnectionError extends Error {
  override readonly name = "StoreConnectionError";
}

const READ_BYTES = 64 * 1024;
const CLOSED = "was closed";

interface Waiter {
  readonly resolve: (outcome: Outcome | null) => void;
  readonly reject: (error: StoreConnectionError) => void;
}

export class StoreLink {
  readonly #socket: Deno.TcpConn;
  readonly #name: string;
  readonly #machine: ClientMachine;
  readonly #waiters = new Map<number, Waiter>();
  #failure: StoreConnectionError | null = null;
  #lastTicket = 0;
  /** The last ticket before a request that has no reply; null: the server has answered later ones. */
  #unconfirmedAfter: number | null = null;
  #isWriting = false;
  #isClosing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt: InstantMs = Infinity;

  /** `name`: how errors call the server; `dialect`: what it speaks. */
  constructor(socket: Deno.TcpConn, { name, dialect }: { name: string; dialect: Dialect }) {
    this.#socket = socket;
    this.#machine = new ClientMachine(dialect);
    this.#name = name;
    socket.setNoDelay(true);
    this.#read();
  }

  get isClosed(): boolean {
    return this.#failure !== null;
  }

  /** Why it is closed, if something was set on it that the server may not have taken. */
  get loss(): StoreConnectionError | null {
    return this.#unconfirmedAfter === null ? null : this.#failure;
  }

  /**
   * Sends a request; resolves to its outcome, or to null for one that has no reply, once it is on its way.
   * @throws {StoreConnectionError} The connection is lost, or was closed.
   */
  request(request: Request, deadline: InstantMs): Promise<Outcome | null> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) return reject(this.#failure);
      const ticket = this.#machine.request(request, deadline);
      if (ticket === null) {
        this.#unconfirmedAfter = this.#lastTicket;
        resolve(null);
      } else {
        this.#lastTicket = ticket;
        this.#waiters.set(ticket, { resolve, reject });
      }
      this.#setTimer();
      // Requests made in one turn leave in one write.
      if (!this.#isWriting) {
        this.#isWriting = true;
        queueMicrotask(() => this.#write());
      }
    });
  }

  /** Closes the socket once what was sent is written; open requests fail. */
  close(): void {
    this.#isClosing = true;
    if (!this.#isWriting) this.#fail(CLOSED);
  }

  async #write(): Promise<void> {
    const { output } = this.#machine;
    try {
      while (output.length > 0) output.advance(await this.#socket.write(output.peek()));
    } catch (error) {
      this.#fail(reasonOf(error));
    }
    this.#isWriting = false;
    if (this.#isClosing) this.#fail(CLOSED);
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    try {
      while (true) {
        const length = await this.#socket.read(buffer);
        if (length === null) return this.#fail("was closed by the server");
        for (const answer of this.#machine.receive(buffer.subarray(0, length))) this.#settle(answer);
      }
    } catch (error) {
      this.#fail(reasonOf(error));
    }
  }

  #settle(answer: Answer): void {
    // Requests are applied in order.
    if (answer.ticket > (this.#unconfirmedAfter ?? Infinity)) this.#unconfirmedAfter = null;
    const waiter = this.#waiters.get(answer.ticket);
    this.#waiters.delete(answer.ticket);
    waiter?.resolve(answer.outcome);
  }

  /** A timer that is early only looks again; one that is late would be wrong. */
  #setTimer(): void {
    const next = this.#machine.nextWakeup();
    if (next === undefined || next >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = next;
    const leftMs = Math.max(0, next - performance.now());
    this.#timer = setTimeout(() => this.#wake(), Math.min(leftMs, TIMER_MS_MAX));
    // Only an open request keeps a program alive, by the socket that is being read.
    this.#timer.unref();
  }

  #wake(): void {
    this.#timerAt = Infinity;
    try {
      for (const answer of this.#machine.wake(performance.now())) this.#settle(answer);
    } catch (error) {
      this.#fail(reasonOf(error));
      return;
    }
    if (this.#machine.isSpent) {
      this.#fail("ended with a wait that the server can't take back");
      return;
    }
    this.#setTimer();
    if (this.#machine.output.length > 0 && !this.#isWriting) {
      this.#isWriting = true;
      this.#write();
    }
  }

  #fail(reason: string): void {
    if (this.#failure !== null) return;
    const loss = this.#unconfirmedAfter === null ? "" : ", and what was set last may be lost";
    this.#failure = new StoreConnectionError(
      `The connection to the store at ${this.#name} ${reason}${loss}`,
    );
    clearTimeout(this.#timer);
    this.#socket.close();
    for (const waiter of this.#waiters.values()) waiter.reject(this.#failure);
    this.#waiters.clear();
  }
}

/** What `setTimeout` takes at most. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

function reasonOf(error: unknown): string {
  if (error instanceof PeerError) return `can't be used: the server ${error.message}`;
  return `is lost: ${error instanceof Error ? error.message : error}`;
}
