/** The file of `--events`: lines are appended in order, and a file that can't be written costs a warning, not the job. */

import { utf8 } from "../core/bytes.ts";
import { eventLine, type JobEvent } from "../agent/job_event.ts";
import { systemReason } from "./log_directory.ts";
import { FileSink } from "./sinks.ts";

export interface EventFile {
  write(events: readonly JobEvent[]): void;
  /** Writes what is queued. */
  close(): Promise<void>;
}

/** Opens `path` for appending: several launchers, or one that is started again, may share it. */
export function openEventFile(path: string, warn: (text: string) => void): EventFile {
  const failed = (reason: string) => warn(`Cannot write events to "${path}" (--events): ${reason}`);
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { append: true, create: true });
  } catch (error) {
    failed(systemReason(error));
    return { write: () => {}, close: () => Promise.resolve() };
  }
  const sink = new FileSink(file, { path, onFailed: failed });
  return {
    write: (events) => {
      for (const event of events) sink.push(utf8(eventLine(event)));
    },
    close: () => sink.close(),
  };
}
