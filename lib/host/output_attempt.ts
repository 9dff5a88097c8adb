/**
 * The output of one attempt's workers: what each is started with, and the way of every byte from its pipe or
 * terminal to console and files.
 */

import { assertDefined } from "../core/assert.ts";
import { colouredLabel, lineLabel, rankLabel, severalRanksLabel } from "../logs/label.ts";
import { LineFilter } from "../logs/line_filter.ts";
import type { StreamLabel } from "../logs/line_mix.ts";
import type { StreamName, StreamRoute } from "../logs/routing.ts";
import { Activity } from "../logs/activity.ts";
import { Tail } from "../logs/tail.ts";
import { type ExitStatus, succeeded } from "../supervise/exit_status.ts";
import type { OutputContext, StreamTarget, WorkerStdio } from "./output.ts";
import { AttemptFiles, type AttemptFilesOptions } from "./output_files.ts";
import type { OutputPlaces } from "./output_places.ts";
import { type ByteSource, Gatherer, PipeSource, pump } from "./output_pump.ts";
import { StreamSinks, TurnTimer } from "./output_sinks.ts";
import type { PipeTaker } from "./pipe_taker.ts";
import type { Terminals, TerminalSource } from "./pty.ts";
import type { FileSink } from "./sinks.ts";
import { fileSize, fileTail, type WorkerActivity, workerActivity } from "./worker_activity.ts";

/** One stream of one worker. */
interface StreamOutput {
  readonly target: StreamTarget;
  /** On the console every line has the worker's label. */
  readonly isLabelled: boolean;
  /** It is read for the failure report only. */
  readonly isHidden?: boolean;
  readonly file?: FileSink;
  readonly terminal?: TerminalSource;
}

interface WorkerOutput {
  readonly streams: Readonly<Record<StreamName, StreamOutput>>;
  readonly rank: number;
  /** That of a tee. */
  readonly label: string;
  /** Of stderr, or of what stderr shares with stdout. */
  readonly tail: Tail;
  readonly activity: Activity;
}

export interface AttemptOptions extends AttemptFilesOptions {
  readonly terminals: Terminals | undefined;
  /** Reads chatty workers' pipes in a cheaper way; null: there is none here. */
  readonly taker: () => Promise<PipeTaker | null>;
}

/** A worker's own numbers of its streams. */
const DESCRIPTORS = { stdout: 1, stderr: 2 } as const;
const STREAMS: readonly StreamName[] = ["stdout", "stderr"];

export class AttemptOutput {
  readonly #context: OutputContext;
  readonly #terminals: Terminals | undefined;
  readonly #taker: () => Promise<PipeTaker | null>;
  readonly #workers = new Map<number, WorkerOutput>();
  readonly #gatherer = new Gatherer();
  readonly #sources = new Set<ByteSource>();
  readonly #pumps: Promise<void>[] = [];
  readonly #files: AttemptFiles;
  readonly #places: OutputPlaces;
  /** Of files that workers write themselves, by local rank. */
  readonly #sizesAtFailure = new Map<number, number>();
  #isFailureMarked = false;
  /** The same for both where both are one console. */
  readonly #turns: Readonly<Record<StreamName, TurnTimer>>;

  /** Makes the attempt's files. Throws SystemError. */
  constructor(context: OutputContext, options: AttemptOptions) {
    this.#context = context;
    this.#terminals = options.terminals;
    this.#taker = options.taker;
    this.#files = new AttemptFiles(context, options);
    this.#places = options.places;
    const { stdout, stderr } = context.consoles;
    const turns = new TurnTimer(stdout.mix);
    this.#turns = { stdout: turns, stderr: stderr === stdout ? turns : new TurnTimer(stderr.mix) };
  }

  /** What worker `localRank` must be started with. */
  prepare(localRank: number, rank: number): WorkerStdio {
    const { settings } = this.#context;
    const stdout = this.#prepareStream(localRank, "stdout");
    const stderr = this.#isShared(localRank)
      ? { target: { kind: "stdout" }, isLabelled: false } as const
      : this.#prepareStream(localRank, "stderr");
    const label = lineLabel(settings.linePrefixTemplate, {
      roleName: settings.role,
      localRank,
      rank,
      hostName: settings.hostName,
    });
    this.#workers.set(localRank, {
      streams: { stdout, stderr },
      rank,
      label,
      tail: new Tail(),
      activity: new Activity(),
    });
    return { stdout: stdout.target, stderr: stderr.target };
  }

  /** Worker `localRank` runs: from now on its output is read. `child` has the streams that were to be piped. */
  attach(
    localRank: number,
    child: Readonly<Record<StreamName, ReadableStream<Uint8Array> | null>> & { readonly pid?: number },
  ): void {
    for (const name of STREAMS) {
      const { target, terminal } = this.#worker(localRank).streams[name];
      if (target.kind !== "piped" && target.kind !== "terminal") continue;
      const takeover = child.pid === undefined
        ? undefined
        : { pid: child.pid, number: DESCRIPTORS[name], taker: this.#taker };
      const source = terminal ?? new PipeSource(assertDefined(child[name], "The worker's pipe"), takeover);
      this.#sources.add(source);
      const pumped = pump(source, this.#openSinks(localRank, name), this.#gatherer);
      this.#pumps.push(pumped.finally(() => this.#sources.delete(source)));
    }
  }

  /**
   * Resolves when every stream has ended and its bytes are in the console's queue and in the files. Call it when
   * the workers have ended. A process that escaped may hold a stream open: after `deadlineMs` it is given up.
   */
  async drained(deadlineMs: number): Promise<void> {
    this.#gatherer.hurry();
    const startedAt = performance.now();
    // Mostly all has ended by now, and no timer is needed: the first one of a process costs 9 ms.
    if (this.#sources.size > 0 && !await settledWithin(Promise.all(this.#pumps), deadlineMs)) {
      for (const source of this.#sources) source.cancel();
      await settledWithin(Promise.all(this.#pumps), LAST_DEADLINE_MS);
    }
    this.#turns.stdout.end();
    this.#turns.stderr.end();
    const remainingMs = Math.max(deadlineMs - (performance.now() - startedAt), LAST_DEADLINE_MS);
    if (this.#files.areOpen) await settledWithin(this.#files.close(), remainingMs);
  }

  /** The last lines of a worker's stderr, or of its terminal; null where the launcher didn't see them. */
  tail(localRank: number): string[] | null {
    const worker = this.#workers.get(localRank);
    if (worker === undefined) return null;
    const { target } = worker.streams.stderr;
    if (target.kind === "inherit" || target.kind === "null") return null;
    return target.kind === "file" ? fileTail(target.path) : worker.tail.lines();
  }

  /** A worker ended. When the first one fails, what the others print from then on may be noise of it. */
  noteEnd(status: ExitStatus): void {
    if (succeeded(status) || this.#isFailureMarked) return;
    this.#isFailureMarked = true;
    for (const [localRank, { streams, tail }] of this.#workers) {
      const { target } = streams.stderr;
      if (target.kind === "file") this.#sizesAtFailure.set(localRank, fileSize(target.path));
      else tail.mark();
    }
  }

  /** How many of the last lines in `tail` were printed after the first failure was seen. */
  linesAfterFailure(localRank: number): number {
    const worker = this.#workers.get(localRank);
    const { target } = worker?.streams.stderr ?? {};
    if (target?.kind !== "file") return worker?.tail.linesAfterMark ?? 0;
    const size = this.#sizesAtFailure.get(localRank);
    return size === undefined ? 0 : fileTail(target.path, size).length;
  }

  /** What a worker has printed so far; null: it was not started. */
  activity(localRank: number): WorkerActivity | null {
    const worker = this.#workers.get(localRank);
    if (worker === undefined) return null;
    const own = STREAMS.flatMap((name) => {
      const { target } = worker.streams[name];
      return target.kind === "file" ? [target.path] : [];
    });
    return workerActivity(worker.activity, own);
  }

  /** Log files of a worker. */
  logFiles(localRank: number): string[] {
    const streams = this.#workers.get(localRank)?.streams;
    if (streams === undefined) return [];
    return STREAMS.flatMap((name) => {
      const { target, file } = streams[name];
      return target.kind === "file" ? [target.path] : file === undefined ? [] : [file.path];
    });
  }

  /** Where worker `localRank` may leave its error (TORCHELASTIC_ERROR_FILE); null: nowhere. */
  errorFile(localRank: number): string | null {
    return this.#places.errorFile(localRank);
  }

  #worker(localRank: number): WorkerOutput {
    return assertDefined(this.#workers.get(localRank), "The worker's output");
  }

  #prepareStream(localRank: number, name: StreamName): StreamOutput {
    const file = this.#files.stream(localRank, name);
    const route = this.#route(localRank, name);
    if (file?.kind === "direct") return { target: { kind: "file", path: file.path }, isLabelled: false };
    if (file?.kind === "relayed") {
      const isHidden = route.toConsole === "none";
      return { target: { kind: "piped" }, isLabelled: !isHidden, isHidden, file: file.sink };
    }
    // Its file could not be made: the console takes its place, with the label that a tee has.
    if (route.toFile) return { target: { kind: "piped" }, isLabelled: true };
    const isInherited = this.#context.settings.console === "inherit";
    if (route.toConsole === "none" || (route.toConsole === "kept" && isInherited)) {
      return { target: { kind: "null" }, isLabelled: false };
    }
    if (route.toConsole === "kept") return { target: { kind: "piped" }, isLabelled: false, isHidden: true };
    if (isInherited) return { target: { kind: "inherit" }, isLabelled: false };
    const terminal = this.#context.consoles[name].mix.isTerminal
      ? this.#terminals?.create({ columnsTaken: this.#rankLabelColumns(name) })
      : undefined;
    if (terminal === undefined) return { target: { kind: "piped" }, isLabelled: false };
    return { target: { kind: "terminal", path: terminal.path }, isLabelled: false, terminal };
  }

  #route(localRank: number, stream: StreamName): StreamRoute {
    return this.#places.route(localRank, stream);
  }

  /** Both streams of the worker go to one console as they are: it writes them to one pipe, in its own order. */
  #isShared(localRank: number): boolean {
    const { consoles, settings } = this.#context;
    return settings.console === "relay" && consoles.stdout === consoles.stderr &&
      STREAMS.every((stream) => this.#route(localRank, stream).toConsole === "raw");
  }

  #openSinks(localRank: number, name: StreamName): StreamSinks {
    const { streams, label, tail, activity } = this.#worker(localRank);
    const { isLabelled, isHidden, file } = streams[name];
    const { writer, mix } = this.#context.consoles[name];
    const keepsTail = name === "stderr" || streams.stderr.target.kind === "stdout";
    return new StreamSinks({
      activity,
      tail: keepsTail ? tail : undefined,
      file,
      console: isHidden ? undefined : {
        writer,
        stream: mix.addStream({ label: this.#label(localRank, name), isAlone: this.#isAlone(name) }),
        turns: this.#turns[name],
      },
      filter: isLabelled ? this.#filter(name, label) : undefined,
    });
  }

  /** A tee has torchrun's label. On a terminal people get to know who prints, where that is a question. */
  #label(localRank: number, name: StreamName): StreamLabel {
    const { streams, rank, label } = this.#worker(localRank);
    const { colour, mix } = this.#context.consoles[name];
    const { settings } = this.#context;
    // Who gives a template wants just that.
    const isTorchruns = !mix.isTerminal || settings.linePrefixTemplate !== null;
    if (streams[name].isLabelled && isTorchruns) {
      return { kind: "always", text: colour ? colouredLabel(label, rank) : label };
    }
    if (this.#rankLabelColumns(name) === 0) return { kind: "none" };
    const options = { ...this.#rankLabelOptions, colour };
    return {
      kind: "once-several-print",
      text: rankLabel(rank, options),
      worker: rank,
      several: (workers) => severalRanksLabel(workers, options),
    };
  }

  /** Width of the labels on the console of stream `name`; 0: there are none. */
  #rankLabelColumns(name: StreamName): number {
    const { settings, consoles } = this.#context;
    if (!consoles[name].mix.isTerminal || settings.workerCount === 1) return 0;
    const stampColumns = consoles[name].mix.stamp?.().length ?? 0;
    return stampColumns + rankLabel(0, { ...this.#rankLabelOptions, colour: false }).length;
  }

  get #rankLabelOptions(): { readonly worldSize: number; readonly hostName: string | null } {
    const { worldSize, hasSeveralHosts } = this.#places.place;
    return { worldSize, hostName: hasSeveralHosts ? this.#context.settings.hostName : null };
  }

  /** Nothing but this one stream goes to the console. */
  #isAlone(name: StreamName): boolean {
    const { settings, consoles } = this.#context;
    if (settings.workerCount > 1) return false;
    if (consoles.stdout !== consoles.stderr || this.#isShared(0)) return true;
    const other = name === "stdout" ? "stderr" : "stdout";
    return this.#route(0, other).toConsole === "none";
  }

  #filter(name: StreamName, label: string): LineFilter | undefined {
    const mix = this.#files.filtered(name);
    if (mix === undefined) return undefined;
    const { duplicateStdoutFilters, duplicateStderrFilters } = this.#context.settings;
    const needles = name === "stdout" ? duplicateStdoutFilters : duplicateStderrFilters;
    const stream = mix.addStream({ label: { kind: "always", text: label }, isAlone: false });
    return new LineFilter(needles, (line) => {
      stream.push(line);
      stream.end();
    });
  }
}

/** What is left to do gets this long when the deadline is over. */
const LAST_DEADLINE_MS = 100;

async function settledWithin(promise: Promise<unknown>, deadlineMs: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const isLate = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), deadlineMs));
  const isSettled = await Promise.race([promise.then(() => true), isLate]);
  clearTimeout(timer);
  return isSettled;
}
