/**
 * The directories that torchrun's users know: `<base>/<job>_<random>/attempt_<n>/<local rank>/` with stdout.log,
 * stderr.log and error.json (torchrun.md 5.1). Without `--log-dir` the base is a temporary directory that goes
 * after success. An attempt's directory is never reused.
 */

import { SystemError } from "../core/errors.ts";

/** A file name has at most 255 bytes; a character at most four. */
const JOB_NAME_CHARACTERS_MAX = 50;

export interface LogDirectorySettings {
  /** `--log-dir`; null: a temporary directory; "/dev/null": none. */
  readonly baseDirectory: string | null;
  readonly jobId: string;
}

export class LogDirectory {
  /** The run's directory; null: nothing is kept on disk. */
  readonly path: string | null;
  /** Removed after success. */
  readonly #temporaryBase: string | null;

  private constructor(path: string | null, temporaryBase: string | null) {
    this.path = path;
    this.#temporaryBase = temporaryBase;
  }

  /** Makes the run's directory, mode 0700. Throws SystemError. */
  static create(settings: LogDirectorySettings): LogDirectory {
    const { baseDirectory } = settings;
    if (baseDirectory === "/dev/null") return new LogDirectory(null, null);
    const temporaryBase = baseDirectory === null ? makeTemporaryBase() : null;
    const base = temporaryBase ?? baseDirectory!;
    return tried(`make a log directory in "${base}"`, () => {
      if (temporaryBase === null) Deno.mkdirSync(base, { recursive: true });
      const path = Deno.makeTempDirSync({ dir: base, prefix: `${fileName(settings.jobId)}_` });
      return new LogDirectory(path, temporaryBase);
    });
  }

  get isTemporary(): boolean {
    return this.#temporaryBase !== null;
  }

  /**
   * Makes the directory of one attempt with one for each worker, and returns its path; null: there is none.
   * `round` tells incarnations of one attempt apart: 0 for the first. Throws SystemError.
   */
  startAttempt(
    options: { readonly attempt: number; readonly round: number; readonly workerCount: number },
  ): string | null {
    const run = this.path;
    if (run === null) return null;
    const name = options.round === 0
      ? `attempt_${options.attempt}`
      : `attempt_${options.attempt}.r${options.round}`;
    const path = `${run}/${name}`;
    return tried(`make the log directory "${path}"`, () => {
      makeNew(path);
      for (let localRank = 0; localRank < options.workerCount; localRank++) {
        Deno.mkdirSync(`${path}/${localRank}`);
      }
      return path;
    });
  }

  /** Whether there is more than empty directories. */
  get hasFiles(): boolean {
    return this.path !== null && holdsFile(this.path);
  }

  /** Removes a temporary directory with everything in it; one that the user asked for stays. */
  remove(): void {
    if (this.#temporaryBase === null) return;
    try {
      Deno.removeSync(this.#temporaryBase, { recursive: true });
    } catch {
      // A leftover of a worker may still write into it: what can't be removed is left to the system's cleaner.
    }
  }
}

/** Makes a directory that must not be there: an attempt's logs are never overwritten. */
function makeNew(path: string): void {
  try {
    Deno.mkdirSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new Error("it is there already, and the logs of an attempt are never overwritten");
  }
}

function holdsFile(directory: string): boolean {
  for (const entry of Deno.readDirSync(directory)) {
    if (!entry.isDirectory || holdsFile(`${directory}/${entry.name}`)) return true;
  }
  return false;
}

/** Tried when the system's own place can't be written, as in a container with a read-only root. */
const OTHER_TEMPORARY_PLACES = ["/var/tmp", "/dev/shm"];

function makeTemporaryBase(): string {
  const prefix = "muster_";
  return tried("make a temporary log directory", () => {
    try {
      return Deno.makeTempDirSync({ prefix });
    } catch (error) {
      for (const dir of OTHER_TEMPORARY_PLACES) {
        try {
          return Deno.makeTempDirSync({ dir, prefix });
        } catch {
          // The first place's error says what to mend.
        }
      }
      throw error;
    }
  });
}

/** A job id as part of a file name: it may hold slashes, and be longer than a name may be. */
function fileName(jobId: string): string {
  return jobId.replaceAll(/[/\0]/g, "_").slice(0, JOB_NAME_CHARACTERS_MAX);
}

/** Runs `make`; a refusal of the system becomes a SystemError that says what was tried and what to do. */
function tried<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new SystemError(
      `Cannot ${what}: ${systemReason(error)}. Choose another place with --log-dir, ` +
        `or keep no files with --log-dir=/dev/null`,
    );
  }
}

/** What the system said, without Deno's additions. */
export function systemReason(error: unknown): string {
  const { code, message } = error as Error & { code?: string };
  return code === "EEXIST" || code === "ENOTDIR" ? "it is a file" : message.replace(/ \(os error.*$/s, "");
}
