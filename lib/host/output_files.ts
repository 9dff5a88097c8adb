/**
 * The log files of one attempt, all made before its first worker starts, so that a directory that can't be used is
 * noticed then and not in the middle of a start.
 */

import { SystemError } from "../core/errors.ts";
import { LineMix } from "../logs/line_mix.ts";
import type { StreamName } from "../logs/routing.ts";
import { LimitedFile } from "./limited_file.ts";
import { systemReason } from "./log_directory.ts";
import type { OutputContext } from "./output.ts";
import type { OutputPlaces } from "./output_places.ts";
import { FileSink } from "./sinks.ts";

/** One stream's file: written by the launcher, or by the worker itself. */
export type StreamFile =
  | { readonly kind: "relayed"; readonly path: string; readonly sink: FileSink }
  | { readonly kind: "direct"; readonly path: string };

export interface AttemptFilesOptions {
  /** The attempt's log directory; null: none, and so no files. */
  readonly path: string | null;
  /** What can't be made is an error; in later attempts the console takes its place. */
  readonly isFirst: boolean;
  readonly places: OutputPlaces;
}

const STREAMS: readonly StreamName[] = ["stdout", "stderr"];
/** Whatever chose the path: what is there is never overwritten. */
const NEW_FILE = { write: true, createNew: true };

export class AttemptFiles {
  readonly path: string | null;
  readonly #places: OutputPlaces;
  readonly #isFirst: boolean;
  readonly #warn: (text: string) => void;
  readonly #fileBytesMax: number | null;
  readonly #streams = new Map<string, StreamFile>();
  readonly #filtered = new Map<StreamName, LineMix>();
  readonly #sinks: FileSink[] = [];
  #hasFailed = false;
  #closing: Promise<void> | undefined;

  /** Throws SystemError. */
  constructor(context: OutputContext, options: AttemptFilesOptions) {
    this.path = options.path;
    this.#isFirst = options.isFirst;
    this.#warn = context.warn;
    this.#fileBytesMax = context.settings.fileBytesMax;
    this.#places = options.places;
    const { settings } = context;
    for (let localRank = 0; localRank < settings.workerCount; localRank++) {
      for (const stream of STREAMS) {
        const path = this.#places.file(localRank, stream);
        if (path === null) continue;
        const route = this.#places.route(localRank, stream);
        // Only what passes through the launcher can be limited.
        const isDirect = route.toConsole === "none" && settings.fileBytesMax === null;
        const file = isDirect ? this.#makeDirect(path) : this.#makeRelayed(path);
        if (file !== undefined) this.#streams.set(`${localRank} ${stream}`, file);
      }
    }
    if (options.path === null) return;
    if (settings.duplicateStdoutFilters.length > 0) this.#makeFiltered("stdout");
    if (settings.duplicateStderrFilters.length > 0) this.#makeFiltered("stderr");
  }

  /** The file of one worker's stream, if it has one. */
  stream(localRank: number, stream: StreamName): StreamFile | undefined {
    return this.#streams.get(`${localRank} ${stream}`);
  }

  /** Where the chosen lines of all workers' `stream` go, if lines are to be chosen. */
  filtered(stream: StreamName): LineMix | undefined {
    return this.#filtered.get(stream);
  }

  /** Some file is written by the launcher itself, and so must be closed. */
  get areOpen(): boolean {
    return this.#sinks.length > 0;
  }

  /** Writes everything out and closes the files; a second call waits for the first. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.close()));
    const incomplete = this.#sinks.filter(({ lostBytes }) => lostBytes > 0);
    if (incomplete.length === 0) return;
    const lostBytes = incomplete.reduce((sum, sink) => sum + sink.lostBytes, 0).toLocaleString("en-US");
    const where = incomplete.length === 1
      ? `in "${incomplete[0]!.path}"`
      : `in ${incomplete.length} files below "${this.path}"`;
    this.#warn(`${lostBytes} bytes of output are missing ${where}`);
  }

  /** A file that costs the launcher nothing: it only makes sure that it can be made. */
  #makeDirect(path: string): StreamFile | undefined {
    const file = this.#open(path);
    file?.close();
    return file && { kind: "direct", path };
  }

  #makeRelayed(path: string): StreamFile | undefined {
    const sink = this.#makeSink(path);
    return sink && { kind: "relayed", path, sink };
  }

  #makeFiltered(stream: StreamName): void {
    const sink = this.#makeSink(`${this.path}/filtered_${stream}.log`);
    if (sink === undefined) return;
    this.#filtered.set(stream, new LineMix((bytes) => sink.push(bytes), { isTerminal: false }));
  }

  #makeSink(path: string): FileSink | undefined {
    const file = this.#open(path);
    if (file === undefined) return undefined;
    const onFailed = (reason: string) => {
      // A full disk fails all of them: one warning tells of it, the last one counts.
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.#warn(`Cannot write "${path}": ${reason}. The workers go on, what is missing is counted`);
    };
    const bytesMax = this.#fileBytesMax;
    const target = bytesMax === null ? file : new LimitedFile(file, { path, bytesMax });
    const sink = new FileSink(target, { path, onFailed });
    this.#sinks.push(sink);
    return sink;
  }

  #open(path: string): Deno.FsFile | undefined {
    try {
      if (this.#places.areChosen) Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      return Deno.openSync(path, NEW_FILE);
    } catch (error) {
      const reason = error instanceof Deno.errors.AlreadyExists
        ? "it is there already, and logs are never overwritten"
        : systemReason(error);
      const failure = new SystemError(`Cannot make the log file "${path}": ${reason}`);
      if (this.#isFirst) throw failure;
      this.#warn(`${failure.message}. The console takes its place`);
      return undefined;
    }
  }
}
