/**
 * PyTorch's file timer: workers write deadlines into a FIFO, and who misses his own is ended (torchrun.md 6;
 * protocol of `torch.distributed.elastic.timer.FileTimerClient`).
 *
 * One line of JSON a request: {"version": 1, "pid": 4711, "scope_id": "epoch", "expiration_time": 1795474143.5,
 * "signal": 9}. A negative time releases the scope. Rules: a time on the wall clock becomes a deadline when it
 * arrives, so that a clock that is set meanwhile expires nobody; garbage is counted, never an error; there is no
 * more state than the limits below allow, whoever writes.
 */

import type { InstantMs, WallMs } from "../core/time.ts";

/** A timer that ran out. */
export interface ExpiredTimer {
  readonly pid: number;
  readonly scope: string;
  /** The number of the signal to send; 0 or less: the timer is only to be reported. */
  readonly signal: number;
}

/** Both clocks at one moment. */
export interface Clocks {
  readonly now: InstantMs;
  readonly wallNow: WallMs;
}

/** Larger than PIPE_BUF, above which PyTorch's client refuses to write. */
export const LINE_BYTES_MAX = 8192;
/** Far more than 4,096 workers with a handful of nested scopes each. */
export const TIMERS_MAX = 65_536;

export class FileTimers {
  readonly #timers = new Map<string, ExpiredTimer & { readonly at: InstantMs }>();
  readonly #decoder = new TextDecoder();
  #rest = "";
  #ignored = 0;

  /** Requests that could not be understood or kept. */
  get ignored(): number {
    return this.#ignored;
  }

  /** Takes what was read from the FIFO, cut anywhere. Returns the pids that set a timer, each once. */
  receive(bytes: Uint8Array, clocks: Clocks): number[] {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop()!;
    if (this.#rest.length > LINE_BYTES_MAX) {
      this.#ignored++;
      this.#rest = "";
    }
    const pids = new Set<number>();
    for (const line of lines) {
      const pid = this.#take(line, clocks);
      if (pid !== null) pids.add(pid);
    }
    return [...pids];
  }

  /** Takes out what ran out by `now`, earliest first; of one process only the first timer with a signal. */
  expire(now: InstantMs): ExpiredTimer[] {
    const due = [...this.#timers.values()].filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
    const byPid = new Map<number, ExpiredTimer>();
    for (const { pid, scope, signal } of due) {
      const chosen = byPid.get(pid);
      if (chosen === undefined || (chosen.signal <= 0 && signal > 0)) byPid.set(pid, { pid, scope, signal });
    }
    for (const pid of byPid.keys()) this.forget(pid);
    return [...byPid.values()];
  }

  nextWakeup(): InstantMs | undefined {
    let earliest: InstantMs | undefined;
    for (const { at } of this.#timers.values()) {
      if (earliest === undefined || at < earliest) earliest = at;
    }
    return earliest;
  }

  /** Drops all timers of a process, which has ended. */
  forget(pid: number): void {
    for (const [key, timer] of this.#timers) {
      if (timer.pid === pid) this.#timers.delete(key);
    }
  }

  /** Drops everything: the next attempt starts without the dead one's timers. */
  clear(): void {
    this.#timers.clear();
    this.#rest = "";
  }

  /** Returns the pid if a timer was set. */
  #take(line: string, { now, wallNow }: Clocks): number | null {
    if (line.trim() === "") return null;
    const request = parseRequest(line);
    if (request === null) {
      this.#ignored++;
      return null;
    }
    const { pid, scope, signal, expirationSeconds } = request;
    const key = `${pid} ${scope}`;
    if (expirationSeconds < 0) {
      this.#timers.delete(key);
      return null;
    }
    if (this.#timers.size >= TIMERS_MAX && !this.#timers.has(key)) {
      this.#ignored++;
      return null;
    }
    const at = now + Math.max(0, expirationSeconds * 1000 - wallNow);
    this.#timers.set(key, { pid, scope, signal, at });
    return pid;
  }
}

interface Request {
  readonly pid: number;
  readonly scope: string;
  readonly expirationSeconds: number;
  readonly signal: number;
}

function parseRequest(line: string): Request | null {
  let fields: Record<string, unknown> | null;
  try {
    fields = JSON.parse(line);
  } catch {
    return null;
  }
  const { pid, scope_id: scope, expiration_time: expirationSeconds, signal } = fields ?? {};
  // A pid of 1 or less would name init, a group or everybody.
  if (!Number.isInteger(pid) || (pid as number) <= 1) return null;
  if (typeof scope !== "string" || typeof expirationSeconds !== "number" || !Number.isInteger(signal)) {
    return null;
  }
  return { pid: pid as number, scope, expirationSeconds, signal: signal as number };
}
