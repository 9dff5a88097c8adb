/**
 * Machines, ports and connections on a virtual clock. TCP keeps its promises: within a connection no byte is lost,
 * doubled or reordered. But bytes come late and in pieces, connections break for both sides or for one, links between
 * machines are cut and mended (what was under way then arrives late), and a machine without power answers nothing.
 */

import type { Prng } from "../../lib/core/prng.ts";
import type { Agenda } from "./control_network.ts";
import type { SimProcess } from "./fleet_process.ts";

/** How often a connection attempt that nobody answers is repeated by the kernel. */
const SYN_MS = 1_000;

export interface Socket {
  send(bytes: Uint8Array): void;
  close(): void;
}

interface Side {
  readonly process: SimProcess;
  onBytes: (bytes: Uint8Array) => void;
  onEnd: () => void;
  /** Hears nothing any more. */
  isClosed: boolean;
  /** What is on its way here, in order; so many of them are due. */
  readonly coming: (() => void)[];
  due: number;
  arrivesFrom: number;
}

/** A port of a process. Who connects before it is served waits. */
export class Port {
  readonly process: SimProcess;
  readonly address: string;
  #onSocket: ((pipe: Pipe) => void) | null = null;
  readonly #waiting: Pipe[] = [];
  isTaken = false;

  constructor(process: SimProcess, address: string) {
    this.process = process;
    this.address = address;
  }

  connect(pipe: Pipe): void {
    if (this.#onSocket === null) this.#waiting.push(pipe);
    else this.#onSocket(pipe);
  }

  serve(onSocket: (pipe: Pipe) => void): void {
    this.#onSocket = onSocket;
    for (const pipe of this.#waiting.splice(0)) onSocket(pipe);
  }

  /** For connections that were never taken. */
  close(): void {
    for (const pipe of this.#waiting.splice(0)) pipe.close(1);
  }
}

/** A connection: side 0 dialled, side 1 was dialled. */
export class Pipe {
  readonly #network: FleetNetwork;
  readonly sides: readonly [Side, Side];
  /** Nothing arrives any more, whatever is sent. */
  #isBroken = false;

  constructor(network: FleetNetwork, from: SimProcess, to: SimProcess) {
    this.#network = network;
    const side = (process: SimProcess): Side => ({
      ...{ process, onBytes: () => {}, onEnd: () => {}, isClosed: false, coming: [], due: 0, arrivesFrom: 0 },
    });
    this.sides = [side(from), side(to)];
  }

  get isOver(): boolean {
    return this.sides[0].isClosed && this.sides[1].isClosed;
  }

  send(from: 0 | 1, bytes: Uint8Array): void {
    if (this.sides[from].isClosed) return;
    const { prng } = this.#network;
    for (let offset = 0; offset < bytes.length;) {
      const rest = bytes.length - offset;
      const length = prng.chance(1, 6) ? 1 + prng.below(rest) : rest;
      const piece = bytes.subarray(offset, offset + length);
      const to = this.sides[other(from)];
      this.#deliver(other(from), () => {
        if (!to.isClosed) to.onBytes(piece);
      });
      offset += length;
    }
  }

  /** The owner of `from` closes, or dies; the other side hears it after all bytes. */
  close(from: 0 | 1): void {
    const own = this.sides[from];
    if (own.isClosed) return;
    own.isClosed = true;
    this.#deliver(other(from), () => this.end(other(from)));
  }

  /** The connection is gone for `side`. */
  end(side: 0 | 1): void {
    const own = this.sides[side];
    if (own.isClosed) return;
    own.isClosed = true;
    own.onEnd();
  }

  /** The connection breaks; a side may hear it late, or (Infinity) not at all. */
  break(delays: readonly [number, number]): void {
    this.#isBroken = true;
    for (const side of [0, 1] as const) {
      this.sides[side].coming.length = 0;
      if (delays[side] !== Infinity) this.#network.agenda.after(delays[side], () => this.end(side));
    }
  }

  /** What goes to `side` is held up until `at`. */
  stall(side: 0 | 1, at: number): void {
    this.sides[side].arrivesFrom = Math.max(this.sides[side].arrivesFrom, at);
  }

  /** What is due arrives, unless the link is cut. */
  pump(side: 0 | 1): void {
    const to = this.sides[side];
    if (this.#network.isBlocked(this.sides[other(side)].process.machine, to.process.machine)) {
      return this.#network.whenMended(() => this.pump(side));
    }
    while (to.due > 0 && to.coming.length > 0) {
      to.due--;
      to.coming.shift()!();
    }
  }

  #deliver(side: 0 | 1, run: () => void): void {
    const { agenda, prng, delayMs } = this.#network;
    if (this.#isBroken) return;
    const to = this.sides[side];
    to.arrivesFrom = Math.max(to.arrivesFrom, agenda.now + prng.below(delayMs + 1));
    to.coming.push(run);
    agenda.at(to.arrivesFrom, () => {
      to.due++;
      this.pump(side);
    });
  }
}

export class FleetNetwork {
  readonly agenda: Agenda;
  readonly prng: Prng;
  readonly delayMs: number;
  readonly #ports = new Map<string, Port>();
  readonly #blocked = new Set<string>();
  readonly #powerless = new Set<string>();
  #whenMended: (() => void)[] = [];
  #pipes: Pipe[] = [];

  constructor(agenda: Agenda, prng: Prng, delayMs: number) {
    this.agenda = agenda;
    this.prng = prng;
    this.delayMs = delayMs;
  }

  get pipes(): Pipe[] {
    return this.#pipes = this.#pipes.filter(({ isOver }) => !isOver);
  }

  isBlocked(from: string, to: string): boolean {
    if (from === to) return this.#powerless.has(from);
    return this.#powerless.has(from) || this.#powerless.has(to) || this.#blocked.has(`${from}>${to}`);
  }

  block(from: string, to: string): void {
    this.#blocked.add(`${from}>${to}`);
  }

  mend(): void {
    this.#blocked.clear();
    this.#flush();
  }

  whenMended(run: () => void): void {
    this.#whenMended.push(run);
  }

  losePower(machine: string): void {
    this.#powerless.add(machine);
  }

  /** The machine boots: what it had open before is answered with a reset. */
  restorePower(machine: string): void {
    this.#powerless.delete(machine);
    this.#flush();
  }

  /** Null: the port is in use. */
  listen(process: SimProcess, port: number): Port | null {
    const address = `${process.machine}:${port}`;
    if (this.#ports.has(address)) return null;
    const listening = new Port(process, address);
    this.#ports.set(address, listening);
    return listening;
  }

  unlisten(port: Port): void {
    if (this.#ports.get(port.address) === port) this.#ports.delete(port.address);
    port.close();
  }

  /** All that a process has open, when it is gone. */
  closeAll(process: SimProcess): void {
    for (const port of [...this.#ports.values()]) if (port.process === process) this.unlisten(port);
    for (const pipe of this.pipes) {
      for (const side of [0, 1] as const) if (pipe.sides[side].process === process) pipe.close(side);
    }
  }

  /** Answers with a connection, "refused", or never. */
  dial(from: SimProcess, address: string, onAnswer: (pipe: Pipe | "refused") => boolean): void {
    const machine = address.slice(0, address.lastIndexOf(":"));
    const attempt = () => {
      if (!from.isAlive) return;
      if (this.isBlocked(from.machine, machine) || this.isBlocked(machine, from.machine)) {
        return this.agenda.after(SYN_MS, attempt);
      }
      const port = this.#ports.get(address);
      if (port === undefined) return void onAnswer("refused");
      const pipe = new Pipe(this, from, port.process);
      this.#pipes.push(pipe);
      // The kernel answers, also for a process that does not run.
      if (onAnswer(pipe)) port.connect(pipe);
    };
    this.agenda.after(this.prng.below(this.delayMs + 1), attempt);
  }

  #flush(): void {
    const waiting = this.#whenMended;
    this.#whenMended = [];
    for (const run of waiting) this.agenda.after(this.prng.below(200), run);
  }
}

function other(side: 0 | 1): 0 | 1 {
  return side === 0 ? 1 : 0;
}
