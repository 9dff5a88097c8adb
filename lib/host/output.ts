/**
 * All output of one launcher's workers: what each worker is started with, and where every byte goes. Bytes pass
 * from the worker's pipe or terminal to console and files; the agent never sees them.
 */

import { AttemptOutput, type OutputContext } from "./output_attempt.ts";
import type { Poller } from "./poller.ts";
import type { Terminals } from "./pty.ts";

export class OutputHub {
  readonly #context: OutputContext;
  readonly #poller: Poller | undefined;
  readonly #terminals: Terminals | undefined;
  #attempts = 0;

  private constructor(context: OutputContext, terminals?: { poller: Poller; terminals: Terminals }) {
    this.#context = context;
    this.#poller = terminals?.poller;
    this.#terminals = terminals?.terminals;
  }

  /** One for each launcher. Terminals are made ready only where the launcher itself has one. */
  static async open(context: OutputContext): Promise<OutputHub> {
    const { consoles, settings } = context;
    const wantsTerminals = settings.console === "relay" &&
      (consoles.stdoutIsTerminal || consoles.stderrIsTerminal);
    if (!wantsTerminals) return new OutputHub(context);
    const [{ Poller }, { Terminals }] = await Promise.all([import("./poller.ts"), import("./pty.ts")]);
    try {
      const poller = new Poller();
      return new OutputHub(context, { poller, terminals: new Terminals(poller) });
    } catch {
      // No glibc: the workers get pipes.
      return new OutputHub(context);
    }
  }

  /**
   * Makes the files of one attempt. The first attempt throws SystemError where that fails; later ones go on with
   * the console instead, since a full disk is no reason to end a job.
   */
  startAttempt(options: { readonly attempt: number; readonly round: number }): AttemptOutput {
    const { directory, settings, warn } = this.#context;
    const isFirst = this.#attempts++ === 0;
    let path: string | null = null;
    try {
      path = directory.startAttempt({ ...options, workerCount: settings.workerCount });
    } catch (error) {
      if (isFirst) throw error;
      warn(`${(error as Error).message}. The workers' output goes to the console instead`);
    }
    return new AttemptOutput(this.#context, { path, isFirst, terminals: this.#terminals });
  }

  /** The launcher's window has a new size. */
  resize(): void {
    this.#terminals?.resize();
  }

  /** Writes out what the consoles still hold, for at most `deadlineMs`, and ends the terminals. */
  async close(deadlineMs: number): Promise<void> {
    const { stdout, stderr } = this.#context.consoles;
    this.#terminals?.close();
    await this.#poller?.close();
    await Promise.all([stdout.writer.flush(deadlineMs), stderr.writer.flush(deadlineMs)]);
  }
}
