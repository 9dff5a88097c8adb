/**
 * All output of one launcher's workers: what each worker is started with, and where every byte goes. Bytes pass
 * from the worker's pipe or terminal to console and files; the agent never sees them.
 */

import type { LogsSpecs } from "../logs/logs_specs.ts";
import type { RoutingSettings } from "../logs/routing.ts";
import type { Consoles } from "./console.ts";
import type { LogDirectory } from "./log_directory.ts";
import { AttemptOutput } from "./output_attempt.ts";
import { OutputPlaces } from "./output_places.ts";
import type { PipeTaker } from "./pipe_taker.ts";
import type { Poller } from "./poller.ts";
import type { Terminals } from "./pty.ts";

/** What a worker's stdout or stderr must be when it is started. */
export type StreamTarget =
  /** A pipe of which the launcher's end is given to `attach`. */
  | { readonly kind: "piped" }
  | { readonly kind: "inherit" }
  | { readonly kind: "null" }
  /** An existing file, to be opened by the worker's side for appending. */
  | { readonly kind: "file"; readonly path: string }
  /** A terminal, to be opened by the worker's side write-only (`>`), so that it does not control the worker. */
  | { readonly kind: "terminal"; readonly path: string }
  /** stderr only: the same as stdout (`2>&1`), which keeps the order of what is written to the two. */
  | { readonly kind: "stdout" };

export interface WorkerStdio {
  readonly stdout: StreamTarget;
  readonly stderr: StreamTarget;
}

export interface OutputSettings extends RoutingSettings {
  readonly console: "relay" | "inherit";
  readonly jobId: string;
  readonly workerCount: number;
  readonly role: string;
  readonly hostName: string;
  readonly linePrefixTemplate: string | null;
  readonly duplicateStdoutFilters: readonly string[];
  readonly duplicateStderrFilters: readonly string[];
  /** Most of one log file; null: no limit. */
  readonly fileBytesMax: number | null;
}

/** Where the workers of one attempt stand in the whole job. */
export interface AttemptPlace {
  /** The global rank of local rank 0; the others follow. */
  readonly firstRank: number;
  readonly worldSize: number;
  /** Labels name the host. */
  readonly hasSeveralHosts: boolean;
}

export interface OutputContext {
  readonly settings: OutputSettings;
  readonly consoles: Consoles;
  /** Where attempts get their directories. */
  readonly directory: LogDirectory;
  /** The user's own module that chooses places; undefined: `-r`, `-t` and the filters do. */
  readonly specs?: LogsSpecs | undefined;
  /** Told of files that can't be written. */
  readonly warn: (text: string) => void;
}

export type { AttemptOutput };

export class OutputHub {
  readonly #context: OutputContext;
  readonly #poller: Poller | undefined;
  readonly #terminals: Terminals | undefined;
  #attempts = 0;
  #takerMade: Promise<PipeTaker | null> | undefined;

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
  startAttempt(
    options: { readonly attempt: number; readonly round: number; readonly place?: AttemptPlace },
  ): AttemptOutput {
    const { directory, settings, warn } = this.#context;
    const place = options.place ??
      { firstRank: 0, worldSize: settings.workerCount, hasSeveralHosts: false };
    const isFirst = this.#attempts++ === 0;
    let path: string | null = null;
    try {
      path = directory.startAttempt({ ...options, workerCount: settings.workerCount });
    } catch (error) {
      if (isFirst) throw error;
      warn(`${(error as Error).message}. The workers' output goes to the console instead`);
    }
    const { attempt, round } = options;
    const places = new OutputPlaces(this.#context, { path, attempt, round, place, isFirst });
    return new AttemptOutput(this.#context, {
      path,
      isFirst,
      places,
      terminals: this.#terminals,
      taker: () => this.#taker(),
    });
  }

  /** Made when the first worker is chatty. */
  #taker(): Promise<PipeTaker | null> {
    return this.#takerMade ??= import("./pipe_taker.ts").then(
      ({ PipeTaker }) => new PipeTaker(),
    ).catch(() => null);
  }

  /** The launcher's window has a new size. */
  resize(): void {
    this.#terminals?.resize();
  }

  /** Writes out what the consoles still hold, for at most `deadlineMs`, and ends the terminals. */
  async close(deadlineMs: number): Promise<void> {
    const { stdout, stderr } = this.#context.consoles;
    stdout.mix.flush();
    stderr.mix.flush();
    this.#terminals?.close();
    await this.#poller?.close();
    await (await this.#takerMade)?.close();
    await Promise.all([stdout.writer.flush(deadlineMs), stderr.writer.flush(deadlineMs)]);
  }
}
