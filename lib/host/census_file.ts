/**
 * What a machine keeps on its disk of a job that was begun there (`rendezvous/census.ts`): a line for each change, written
 * at once, so that it outlives a launcher that is killed. Files are in a directory that only their user can enter.
 */

import { sha256 } from "@noble/hashes/sha2";
import { utf8 } from "../core/bytes.ts";
import { type Begun, begunAfter, type CensusChange, NEVER_BEGUN } from "../rendezvous/census.ts";
import { isPrivate } from "./status_directory.ts";

const DIRECTORY_VARIABLE = "MUSTER_STATE_DIRECTORY";

export interface CensusPlace {
  readonly jobId: string;
  /** HOST:PORT as the job's nodes were told. */
  readonly endpoint: string;
}

export class CensusFile {
  /** As launchers before this one have left it. */
  readonly begun: Begun;
  readonly #directory: string;
  readonly #path: string;
  readonly #say: (text: string) => void;
  #file: Deno.FsFile | null = null;
  #isBroken = false;

  /** `say`: told once why nothing can be kept. */
  constructor(place: CensusPlace, say: (text: string) => void, directory = stateDirectory()) {
    this.#directory = directory;
    this.#path = `${directory}/${fileName(place)}`;
    this.#say = say;
    this.begun = this.#try(() => this.#read()) ?? NEVER_BEGUN;
  }

  note(change: CensusChange): void {
    if (this.#isBroken) return;
    this.#try(() => {
      if (change.kind === "clear") return this.#clear();
      this.#file ??= this.#open();
      const line = utf8(lineOf(change));
      for (let written = 0; written < line.length;) written += this.#file.writeSync(line.subarray(written));
    });
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  #open(): Deno.FsFile {
    Deno.mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    requirePrivate(this.#directory);
    return Deno.openSync(this.#path, { create: true, append: true, mode: 0o600 });
  }

  /** The file has nothing that is out of date then. */
  #read(): Begun {
    const text = readIfThere(this.#path);
    if (text === null) return NEVER_BEGUN;
    requirePrivate(this.#directory);
    const begun = begunAfter(text.split("\n").flatMap((line) => readChange(line) ?? []));
    if (begun.nodes.length === 0) {
      this.#clear();
      return NEVER_BEGUN;
    }
    const changes: CensusChange[] = [
      { kind: "begin", count: begun.count },
      ...begun.nodes.map((node): CensusChange => ({ kind: "add", ...node })),
      ...begun.gone.map((nodeId): CensusChange => ({ kind: "gone", nodeId })),
    ];
    Deno.writeTextFileSync(`${this.#path}.new`, changes.map(lineOf).join(""), { mode: 0o600 });
    Deno.renameSync(`${this.#path}.new`, this.#path);
    return begun;
  }

  #clear(): void {
    this.close();
    try {
      Deno.removeSync(this.#path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  #try<Result>(run: () => Result): Result | null {
    try {
      return run();
    } catch (error) {
      this.#isBroken = true;
      this.#say(
        `Cannot keep in ${this.#path} who takes part: ${
          (error as Error).message
        }. If this launcher is lost and started ` +
          `again, it may begin the job anew beside nodes that it can't reach (${DIRECTORY_VARIABLE} names another place)`,
      );
      return null;
    }
  }
}

/** One that outlives a boot, as /tmp does not. */
function stateDirectory(): string {
  return Deno.env.get(DIRECTORY_VARIABLE) || `/var/tmp/muster-${Deno.uid()}`;
}

function requirePrivate(directory: string): void {
  if (!isPrivate(directory)) throw new Error("its directory is not this user's alone (mode 0700)");
}

/** One for each job, whatever characters its id has. */
function fileName({ jobId, endpoint }: CensusPlace): string {
  return `${sha256(utf8(JSON.stringify([jobId, endpoint]))).subarray(0, 12).toHex()}.jsonl`;
}

function readIfThere(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function lineOf(change: CensusChange): string {
  return `${JSON.stringify(change)}\n`;
}

/** A line that can't be read is the last one, which was cut short: nobody was told of it yet. */
function readChange(line: string): CensusChange | null {
  try {
    return JSON.parse(line) as CensusChange;
  } catch {
    return null;
  }
}
