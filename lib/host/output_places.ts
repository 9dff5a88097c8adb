/** Where the streams of one attempt's workers go: by the options, or by the user's own module. */

import type { LogsPlan, StreamLogs } from "../logs/logs_specs.ts";
import { isShown, routeStream, type StreamName, type StreamRoute } from "../logs/routing.ts";
import type { AttemptPlace, OutputContext } from "./output.ts";

export interface OutputPlacesOptions {
  /** The attempt's log directory; null: there is none. */
  readonly path: string | null;
  readonly attempt: number;
  readonly round: number;
  readonly place: AttemptPlace;
  /** A module that fails is an error; in later attempts the options take its place. */
  readonly isFirst: boolean;
}

export class OutputPlaces {
  readonly place: AttemptPlace;
  readonly #context: OutputContext;
  readonly #path: string | null;
  readonly #chosen: LogsPlan | null;

  /** Throws SystemError. */
  constructor(context: OutputContext, options: OutputPlacesOptions) {
    this.#context = context;
    this.place = options.place;
    this.#path = options.path;
    this.#chosen = this.#ask(options);
  }

  /** The user's module has chosen: folders may have to be made. */
  get areChosen(): boolean {
    return this.#chosen !== null;
  }

  route(localRank: number, stream: StreamName): StreamRoute {
    const { settings, directory } = this.#context;
    const rank = this.place.firstRank + localRank;
    const logs = this.#chosen?.workers[localRank]?.[stream];
    if (logs === undefined) {
      return routeStream(settings, { localRank, rank, stream, hasLogDirectory: directory.path !== null });
    }
    const toFile = logs.file !== null;
    if (!logs.console) return { toFile, toConsole: "none" };
    if (isShown(settings, rank)) return { toFile, toConsole: toFile ? "labelled" : "raw" };
    return { toFile, toConsole: toFile || stream === "stdout" ? "none" : "kept" };
  }

  /** Path of the file of one stream; null: it has none. */
  file(localRank: number, stream: StreamName): string | null {
    const logs = this.#chosen?.workers[localRank]?.[stream];
    if (logs !== undefined) return logs.file;
    if (this.#path === null || !this.route(localRank, stream).toFile) return null;
    return `${this.#path}/${localRank}/${stream}.log`;
  }

  /** Where worker `localRank` may leave its error; null: nowhere. */
  errorFile(localRank: number): string | null {
    const chosen = this.#chosen?.workers[localRank]?.errorFile;
    if (chosen !== undefined) return chosen;
    return this.#path === null ? null : `${this.#path}/${localRank}/error.json`;
  }

  #ask({ path, attempt, round, place, isFirst }: OutputPlacesOptions): LogsPlan | null {
    const { specs, settings, warn } = this.#context;
    if (specs === undefined) return null;
    const { jobId, role, hostName, workerCount } = settings;
    const logs = (localRank: number, stream: StreamName): StreamLogs => ({
      file: this.file(localRank, stream),
      console: ["raw", "labelled"].includes(this.route(localRank, stream).toConsole),
    });
    const workers = Array.from({ length: workerCount }, (_, localRank) => ({
      ...{ localRank, rank: place.firstRank + localRank },
      ...{ stdout: logs(localRank, "stdout"), stderr: logs(localRank, "stderr") },
    }));
    try {
      return specs({ jobId, role, hostName, attempt, round, directory: path, workers });
    } catch (error) {
      if (isFirst) throw error;
      warn(`${(error as Error).message}. Output goes where it would without the module`);
      return null;
    }
  }
}
