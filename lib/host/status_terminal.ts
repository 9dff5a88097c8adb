/** Stays with a job on the terminal: asks each second, draws, and does what keys say. */

import { fromUtf8, utf8 } from "../core/bytes.ts";
import { afterKey, FIRST_VIEW, readKeys, type StatusView } from "../view/status_keys.ts";
import { type Screen, statusScreen } from "../view/status_screen.ts";
import type { JobStatus, StatusRequest } from "../view/status.ts";
import type { FoundJob } from "./status_client.ts";
import { canvasOf } from "./terminal_canvas.ts";

/** Between two questions. */
const INTERVAL_MS = 1_000;

const ENTER_SCREEN = "\x1b[?1049h\x1b[?25l";
const LEAVE_SCREEN = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Follows the job until the person leaves or the launcher ends; the terminal is then as it was. */
export async function followJob(job: FoundJob): Promise<{ status: JobStatus; hasEnded: boolean }> {
  return await new Follower(job).run();
}

class Follower {
  readonly #job: FoundJob;
  #view: StatusView = FIRST_VIEW;
  #status: JobStatus;
  #earlier: JobStatus | null = null;
  #screen: Screen;
  #isAsking = false;
  #asksAgain = false;
  #end: (hasEnded: boolean) => void = () => {};

  constructor(job: FoundJob) {
    this.#job = job;
    this.#status = job.status;
    this.#screen = this.#layout();
  }

  async run(): Promise<{ status: JobStatus; hasEnded: boolean }> {
    const resized = () => this.#draw();
    const stopped = () => this.#end(false);
    let timer: ReturnType<typeof setInterval> | undefined;
    Deno.stdin.setRaw(true);
    write(ENTER_SCREEN);
    try {
      Deno.addSignalListener("SIGWINCH", resized);
      for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, stopped);
      const hasEnded = await new Promise<boolean>((resolve) => {
        this.#end = resolve;
        timer = setInterval(() => void this.#ask(), INTERVAL_MS);
        void this.#readKeys();
        this.#draw();
        void this.#ask();
      });
      return { status: this.#status, hasEnded };
    } finally {
      clearInterval(timer);
      Deno.removeSignalListener("SIGWINCH", resized);
      for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, stopped);
      write(LEAVE_SCREEN);
      Deno.stdin.setRaw(false);
    }
  }

  async #readKeys(): Promise<void> {
    const buffer = new Uint8Array(256);
    while (true) {
      const length = await Deno.stdin.read(buffer);
      if (length === null) return this.#end(false);
      for (const key of readKeys(fromUtf8(buffer.subarray(0, length)))) {
        const view = afterKey(key, this.#view, this.#status, this.#screen);
        if (view === null) return this.#end(false);
        this.#view = view;
      }
      this.#draw();
      void this.#ask();
    }
  }

  /** One question at a time; a view that changed meanwhile has one more. */
  async #ask(): Promise<void> {
    if (this.#isAsking) {
      this.#asksAgain = true;
      return;
    }
    this.#isAsking = true;
    const request: StatusRequest = this.#screen.request;
    const status = await this.#job.client.ask(request);
    this.#isAsking = false;
    if (status === null) return this.#end(true);
    // A rate over a few milliseconds says nothing.
    if (status.elapsedMs - this.#status.elapsedMs > INTERVAL_MS / 2) this.#earlier = this.#status;
    this.#status = status;
    this.#draw();
    if (!this.#asksAgain) return;
    this.#asksAgain = false;
    await this.#ask();
  }

  #layout(): Screen {
    return statusScreen(this.#status, this.#earlier, this.#view, canvasOf(Deno.stdout));
  }

  /** Over what is there, line by line, so that nothing flickers. */
  #draw(): void {
    this.#screen = this.#layout();
    write(`${HOME}${this.#screen.lines.join(`${CLEAR_LINE}\r\n`)}${CLEAR_LINE}${CLEAR_BELOW}`);
  }
}

function write(text: string): void {
  for (let rest = utf8(text); rest.length > 0;) rest = rest.subarray(Deno.stdout.writeSync(rest));
}
