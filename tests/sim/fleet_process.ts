/** A launcher's process in the simulation: its clock, what it is told and when, and the loops that drive its machines. */

import type { Machine } from "../../lib/host/loop.ts";
import { type Agenda, Mailbox } from "./control_network.ts";

interface Task {
  readonly kind: "wakeup" | "io";
  readonly run: () => void;
}

export class SimProcess {
  readonly agenda: Agenda;
  readonly machine: string;
  readonly name: string;
  readonly clockOffsetMs: number;
  readonly #mailbox: Mailbox<Task>;
  isAlive = true;

  constructor(
    agenda: Agenda,
    { machine, name, clockOffsetMs }: { machine: string; name: string; clockOffsetMs: number },
  ) {
    this.agenda = agenda;
    this.machine = machine;
    this.name = name;
    this.clockOffsetMs = clockOffsetMs;
    this.#mailbox = new Mailbox(agenda, ({ run }) => {
      if (this.isAlive) run();
    });
  }

  get isFrozen(): boolean {
    return this.#mailbox.isFrozen;
  }

  /** Its clock, which shows other values than those of all others. */
  get now(): number {
    return this.agenda.now + this.clockOffsetMs;
  }

  freeze(until: number): void {
    this.#mailbox.freeze(until);
  }

  post(run: () => void, kind: Task["kind"] = "io"): void {
    if (this.isAlive) this.#mailbox.post({ kind, run });
  }

  after(delayMs: number, run: () => void, kind: Task["kind"] = "io"): void {
    this.agenda.after(delayMs, () => this.post(run, kind));
  }
}

/** As `lib/host/loop.ts`, on the virtual clock. */
export class SimLoop<Event extends { kind: string }, Effect> {
  readonly #process: SimProcess;
  readonly #machine: Machine<Event, Effect>;
  readonly #perform: (effect: Effect) => void;
  readonly #observe: ((event: Event) => void) | undefined;
  readonly #queue: Event[] = [];
  #isDraining = false;
  #isClosed = false;
  #wakeAt = Infinity;

  constructor(
    process: SimProcess,
    machine: Machine<Event, Effect>,
    perform: (effect: Effect) => void,
    observe?: (event: Event) => void,
  ) {
    this.#process = process;
    this.#machine = machine;
    this.#perform = perform;
    this.#observe = observe;
  }

  post(event: Event): void {
    if (this.#isClosed) return;
    this.#queue.push(event);
    if (this.#isDraining) return;
    this.#isDraining = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.#observe?.(next);
      for (const effect of this.#machine.step(next, this.#process.now)) this.#perform(effect);
    }
    this.#isDraining = false;
    this.#arm();
  }

  close(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
  }

  #arm(): void {
    const wakeAt = this.#isClosed ? Infinity : (this.#machine.nextWakeup() ?? Infinity);
    if (wakeAt === this.#wakeAt) return;
    this.#wakeAt = wakeAt;
    if (wakeAt === Infinity) return;
    const { agenda, clockOffsetMs } = this.#process;
    agenda.at(wakeAt - clockOffsetMs, () => {
      if (this.#wakeAt !== wakeAt) return;
      this.#wakeAt = Infinity;
      this.#process.post(() => this.post({ kind: "wakeup" } as Event), "wakeup");
    });
  }
}
