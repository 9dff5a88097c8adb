/** Asks launchers how their jobs stand. */

import { fromUtf8, utf8 } from "../core/bytes.ts";
import { decodeStatus, encodeStatusRequest, type JobStatus, type StatusRequest } from "../view/status.ts";
import { LineReader } from "./line_reader.ts";
import { isPrivate, statusDirectories } from "./status_directory.ts";
import { writeAll } from "./status_socket.ts";

/** Of 4,096 ranks with their last lines, some 2 MB. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** A launcher that does not answer in this time is stopped or in trouble. */
const ANSWER_LIMIT_MS = 5_000;

export interface StatusAsker {
  /** Null: the launcher has ended, or does not answer. */
  ask(request: StatusRequest): Promise<JobStatus | null>;
  close(): void;
}

/** A connection to one launcher of this machine. */
export class StatusClient implements StatusAsker {
  readonly #connection: Deno.Conn;
  readonly #reader: LineReader;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
    this.#reader = new LineReader(connection, ANSWER_BYTES_MAX);
  }

  static async connect(path: string): Promise<StatusClient> {
    return new StatusClient(await Deno.connect({ transport: "unix", path }));
  }

  async ask(request: StatusRequest): Promise<JobStatus | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await writeAll(this.#connection, utf8(`${encodeStatusRequest(request)}\n`));
      const isLate = new Promise<null>((resolve) => timer = setTimeout(() => resolve(null), ANSWER_LIMIT_MS));
      const line = await Promise.race([this.#reader.next(), isLate]);
      return line === null ? null : decodeStatus(fromUtf8(line));
    } catch {
      return null;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#connection.close();
  }
}

/** A launcher that answered, and what it said. */
export interface FoundJob {
  readonly client: StatusAsker;
  readonly status: JobStatus;
}

/** The running jobs of this user on this machine, in the order of their start. Sockets of dead launchers are removed. */
export async function findJobs(
  request: StatusRequest,
  directories = statusDirectories(),
): Promise<FoundJob[]> {
  const paths = directories.filter(isPrivate).flatMap((directory) =>
    [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".sock")).map(({ name }) =>
      `${directory}/${name}`
    )
  );
  const found = await Promise.all(paths.map((path) => askAt(path, request)));
  const jobs = found.filter((one) => one !== null).sort((a, b) => b.status.elapsedMs - a.status.elapsedMs);
  // Several launchers of one job on one machine: each tells of all nodes, so one of them will do.
  return jobs.filter((one, index) => {
    const isFirst = jobs.findIndex(({ status }) => isSameJob(status, one.status)) === index;
    if (!isFirst) one.client.close();
    return isFirst;
  });
}

/** Jobs of one name may run side by side; a launcher is in one of them only. */
function isSameJob(one: JobStatus, other: JobStatus): boolean {
  const pids = new Set(one.nodes.map(({ host, launcherPid }) => `${host} ${launcherPid}`));
  return one.job === other.job &&
    other.nodes.some(({ host, launcherPid }) => pids.has(`${host} ${launcherPid}`));
}

async function askAt(path: string, request: StatusRequest): Promise<FoundJob | null> {
  let client: StatusClient;
  try {
    client = await StatusClient.connect(path);
  } catch (error) {
    // Nobody listens and nobody will: the name was of one launcher only.
    if (error instanceof Deno.errors.ConnectionRefused) Deno.removeSync(path);
    return null;
  }
  const status = await client.ask(request);
  if (status !== null) return { client, status };
  client.close();
  return null;
}
