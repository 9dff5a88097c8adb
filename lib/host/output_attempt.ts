/**
 * The output of one attempt's workers: what each is started with, and the way of every byte from its pipe or
 * terminal to console and files.
 */

import { assertDefined } from "../core/assert.ts";
import { SystemError } from "../core/errors.ts";
import { lineLabel } from "../logs/label.ts";
import { LineFilter } from "../logs/line_filter.ts";
import { LineMix } from "../logs/line_mix.ts";
import { routeStream, type StreamName, type StreamRoute } from "../logs/routing.ts";
import { Tail, TAIL_BYTES_MAX, tailLines } from "../logs/tail.ts";
import type { Console } from "./console.ts";
import type { OutputContext, StreamTarget, WorkerStdio } from "./output.ts";
import { type ByteSource, Gatherer, PipeSource, pump } from "./output_pump.ts";
import { StreamSinks } from "./output_sinks.ts";
import type { Terminals, TerminalSource } from "./pty.ts";
import { FileSink } from "./sinks.ts";

/** One stream of one worker. */
interface StreamOutput {
  readonly target: StreamTarget;
  /** As it was decided, after what the files and terminals allowed. */
  readonly route: StreamRoute;
  readonly file?: FileSink;
  readonly terminal?: TerminalSource;
}

interface WorkerOutput {
  readonly streams: Readonly<Record<StreamName, StreamOutput>>;
  readonly label: string;
  /** Of stderr, or of what stderr shares with stdout. */
  readonly tail: Tail;
}

export interface AttemptOptions {
  /** The attempt's log directory; null: none. */
  readonly path: string | null;
  /** A file that can't be made is an error; in later attempts the console takes its place. */
  readonly isFirst: boolean;
  readonly terminals: Terminals | undefined;
}

const STREAMS: readonly StreamName[] = ["stdout", "stderr"];
const NEW_FILE = { write: true, create: true, truncate: true };

export class AttemptOutput {
  readonly #context: OutputContext;
  readonly #options: AttemptOptions;
  readonly #workers = new Map<number, WorkerOutput>();
  readonly #gatherer = new Gatherer();
  readonly #sources = new Set<ByteSource>();
  readonly #pumps: Promise<void>[] = [];
  readonly #files: FileSink[] = [];
  readonly #filtered: Readonly<Record<StreamName, LineMix | undefined>>;

  constructor(context: OutputContext, options: AttemptOptions) {
    this.#context = context;
    this.#options = options;
    this.#filtered = { stdout: this.#openFiltered("stdout"), stderr: this.#openFiltered("stderr") };
  }

  /** What worker `localRank` must be started with. Throws SystemError. */
  prepare(localRank: number, rank: number): WorkerStdio {
    const { settings } = this.#context;
    const stdout = this.#prepareStream(localRank, "stdout");
    const stderr = this.#isShared(localRank)
      ? { target: { kind: "stdout" }, route: stdout.route } as const
      : this.#prepareStream(localRank, "stderr");
    const label = lineLabel(settings.linePrefixTemplate, {
      roleName: settings.role,
      localRank,
      rank,
      hostName: settings.hostName,
    });
    this.#workers.set(localRank, { streams: { stdout, stderr }, label, tail: new Tail() });
    return { stdout: stdout.target, stderr: stderr.target };
  }

  /** Worker `localRank` runs: from now on its output is read. `child` has the streams that were to be piped. */
  attach(localRank: number, child: Readonly<Record<StreamName, ReadableStream<Uint8Array> | null>>): void {
    for (const name of STREAMS) {
      const { target, terminal } = this.#worker(localRank).streams[name];
      if (target.kind !== "piped" && target.kind !== "terminal") continue;
      const source = terminal ?? new PipeSource(assertDefined(child[name], "The worker's pipe"));
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
    if (!await settledWithin(Promise.all(this.#pumps), deadlineMs)) {
      for (const source of this.#sources) source.cancel();
      await Promise.all(this.#pumps);
    }
    const remainingMs = Math.max(deadlineMs - (performance.now() - startedAt), MIN_FILE_DEADLINE_MS);
    await settledWithin(Promise.all(this.#files.map((file) => file.close())), remainingMs);
    for (const { path, lostBytes } of this.#files) {
      if (lostBytes > 0) {
        this.#context.warn(`${lostBytes.toLocaleString("en-US")} bytes of output are missing in "${path}"`);
      }
    }
    this.#files.length = 0;
  }

  /** The last lines of a worker's stderr, or of its terminal; none where the launcher didn't see them. */
  tail(localRank: number): string[] {
    const worker = this.#workers.get(localRank);
    if (worker === undefined) return [];
    const { target } = worker.streams.stderr;
    return target.kind === "file" ? fileTail(target.path) : worker.tail.lines();
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
    return this.#options.path === null ? null : `${this.#options.path}/${localRank}/error.json`;
  }

  #worker(localRank: number): WorkerOutput {
    return assertDefined(this.#workers.get(localRank), "The worker's output");
  }

  #prepareStream(localRank: number, name: StreamName): StreamOutput {
    const route = this.#route(localRank, name);
    if (route.toFile) {
      const path = `${this.#options.path}/${localRank}/${name}.log`;
      if (route.toConsole === "none") {
        // The worker writes it alone, at no cost to the launcher, which only makes sure that it can be made.
        const isMade = this.#makeFile(path, () => {
          Deno.openSync(path, NEW_FILE).close();
          return true;
        });
        if (isMade) return { target: { kind: "file", path }, route };
      } else {
        const file = this.#openFile(path);
        if (file !== undefined) return { target: { kind: "piped" }, route, file };
      }
      // The console takes the file's place.
      return { target: { kind: "piped" }, route: { toFile: false, toConsole: "labelled" } };
    }
    if (route.toConsole === "none") return { target: { kind: "null" }, route };
    if (this.#context.settings.console === "inherit") return { target: { kind: "inherit" }, route };
    const terminal = this.#console(name).mix.isTerminal ? this.#options.terminals?.create() : undefined;
    if (terminal === undefined) return { target: { kind: "piped" }, route };
    return { target: { kind: "terminal", path: terminal.path }, route, terminal };
  }

  #route(localRank: number, stream: StreamName): StreamRoute {
    const hasLogDirectory = this.#options.path !== null;
    return routeStream(this.#context.settings, { localRank, stream, hasLogDirectory });
  }

  /** Both streams of the worker go to one console as they are: it writes them to one pipe, in its own order. */
  #isShared(localRank: number): boolean {
    const { consoles, settings } = this.#context;
    return settings.console === "relay" && consoles.stdout === consoles.stderr &&
      STREAMS.every((stream) => this.#route(localRank, stream).toConsole === "raw");
  }

  #console(name: StreamName): Console {
    return this.#context.consoles[name];
  }

  #openSinks(localRank: number, name: StreamName): StreamSinks {
    const { streams, label, tail } = this.#worker(localRank);
    const { route, file } = streams[name];
    const { writer, mix } = this.#console(name);
    const isLabelled = route.toConsole === "labelled";
    const keepsTail = name === "stderr" || streams.stderr.target.kind === "stdout";
    return new StreamSinks({
      tail: keepsTail ? tail : undefined,
      file,
      writer,
      stream: mix.addStream({ label: isLabelled ? label : null, isAlone: this.#isAlone(name) }),
      filter: isLabelled ? this.#filter(name, label) : undefined,
    });
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
    const mix = this.#filtered[name];
    if (mix === undefined) return undefined;
    const stream = mix.addStream({ label, isAlone: false });
    return new LineFilter(this.#needles(name), (line) => {
      stream.push(line);
      stream.end();
    });
  }

  #needles(name: StreamName): readonly string[] {
    const { duplicateStdoutFilters, duplicateStderrFilters } = this.#context.settings;
    return name === "stdout" ? duplicateStdoutFilters : duplicateStderrFilters;
  }

  /** The file with the chosen lines of all workers' stream `name`, if lines are to be chosen. */
  #openFiltered(name: StreamName): LineMix | undefined {
    if (this.#needles(name).length === 0 || this.#options.path === null) return undefined;
    const file = this.#openFile(`${this.#options.path}/filtered_${name}.log`);
    if (file === undefined) return undefined;
    return new LineMix((bytes) => file.push(bytes), { isTerminal: false });
  }

  #openFile(path: string): FileSink | undefined {
    const onFailed = (reason: string) =>
      this.#context.warn(`Cannot write "${path}": ${reason}. The workers go on, what is missing is counted`);
    const file = this.#makeFile(path, () => new FileSink(Deno.openSync(path, NEW_FILE), { path, onFailed }));
    if (file !== undefined) this.#files.push(file);
    return file;
  }

  #makeFile<T>(path: string, make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      const failure = new SystemError(`Cannot make the log file "${path}": ${(error as Error).message}`);
      if (this.#options.isFirst) throw failure;
      this.#context.warn(`${failure.message}. The console takes its place`);
      return undefined;
    }
  }
}

/** Files get this long after streams that took all the time. */
const MIN_FILE_DEADLINE_MS = 100;

async function settledWithin(promise: Promise<unknown>, deadlineMs: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const isLate = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), deadlineMs));
  const isSettled = await Promise.race([promise.then(() => true), isLate]);
  clearTimeout(timer);
  return isSettled;
}

/** The last lines of a file that its worker wrote alone; none where it can't be read. */
function fileTail(path: string): string[] {
  try {
    using file = Deno.openSync(path);
    const size = file.statSync().size;
    const bytes = new Uint8Array(Math.min(size, TAIL_BYTES_MAX));
    file.seekSync(size - bytes.length, Deno.SeekMode.Start);
    const count = file.readSync(bytes) ?? 0;
    return tailLines(bytes.subarray(0, count), { isCut: size > bytes.length });
  } catch {
    return [];
  }
}
