/** Answers on a unix socket how this launcher's part of the job stands. Costs nothing while nobody asks. */

import { fromUtf8, utf8 } from "../core/bytes.ts";
import {
  decodeStatusRequest,
  encodeStatus,
  type JobStatus,
  STATUS_REQUEST_BYTES_MAX,
  type StatusRequest,
} from "../view/status.ts";
import { LineReader } from "./line_reader.ts";
import { openStatusDirectory } from "./status_directory.ts";

/** People who look at one job at once. */
const CONNECTIONS_MAX = 32;

export type Answer = (request: StatusRequest) => JobStatus | Promise<JobStatus>;

export interface StatusSocket {
  readonly path: string;
  close(): void;
}

/**
 * Opens the socket; null where there is no safe place for it: a job runs without being looked at.
 * @param candidates Directories to use, best first.
 */
export function openStatusSocket(
  answer: Answer,
  candidates?: readonly string[],
): StatusSocket | null {
  const directory = openStatusDirectory(candidates === undefined ? undefined : [...candidates]);
  if (directory === null) return null;
  // Containers may share the directory and have equal pids.
  const path = `${directory}/${Deno.pid}-${crypto.randomUUID().slice(0, 8)}.sock`;
  let listener: Deno.Listener<Deno.UnixConn>;
  try {
    listener = Deno.listen({ transport: "unix", path });
  } catch {
    return null;
  }
  const connections = new Set<Deno.Conn>();
  void accept(listener, connections, answer);
  return {
    path,
    close() {
      listener.close();
      for (const connection of connections) closeQuietly(connection);
      try {
        Deno.removeSync(path);
      } catch {
        // Whoever looked for jobs may have found it dead already.
      }
    },
  };
}

async function accept(
  listener: Deno.Listener<Deno.UnixConn>,
  connections: Set<Deno.Conn>,
  answer: Answer,
): Promise<void> {
  while (true) {
    let connection: Deno.Conn;
    try {
      connection = await listener.accept();
    } catch {
      // Closed, or no descriptors are left: workers come first.
      return;
    }
    if (connections.size >= CONNECTIONS_MAX) {
      closeQuietly(connection);
      continue;
    }
    connections.add(connection);
    serve(connection, answer).catch(() => {}).finally(() => {
      connections.delete(connection);
      closeQuietly(connection);
    });
  }
}

/** A line is a request, and gets a line. Whoever sends something else is closed. */
async function serve(connection: Deno.Conn, answer: Answer): Promise<void> {
  const reader = new LineReader(connection, STATUS_REQUEST_BYTES_MAX);
  for (let line = await reader.next(); line !== null; line = await reader.next()) {
    const request = decodeStatusRequest(fromUtf8(line));
    if (request === null) return;
    await writeAll(connection, utf8(`${encodeStatus(await answer(request))}\n`));
  }
}

export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await connection.write(rest));
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed by the other side's end already.
  }
}
