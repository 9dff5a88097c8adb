/**
 * Collects what the machine knows of a failed attempt: error files, kills for lack of memory, /dev/shm, the kernel's log.
 *
 * Rules: before an attempt only counters are noted (well under a millisecond). After it everything has a limit in
 * size and time: a file server that hangs costs the report its traceback, never the launcher its end.
 */

import type { ErrorFileFacts, MachineFacts } from "../agent/facts.ts";
import { type ExitStatus, shellExitCode } from "../supervise/exit_status.ts";
import {
  findMemoryCgroup,
  machineOutOfMemoryKills,
  type MemoryCgroup,
  memoryLimitBytes,
  outOfMemoryKills,
} from "./cgroup.ts";
import { KernelLog } from "./kernel_log.ts";

export interface Evidence {
  readonly machine: MachineFacts;
  /** By local rank; null where there was no error file to look for. */
  readonly errorFiles: readonly (ErrorFileFacts | null)[];
}

export interface EvidenceRequest {
  /** TORCHELASTIC_ERROR_FILE by local rank; "": none was given. */
  readonly errorFiles: readonly string[];
  /** How the workers ended: what is looked up depends on it. */
  readonly statuses: readonly ExitStatus[];
}

/** What was noted before an attempt, to tell what changed in it. */
export interface EvidenceBaseline {
  gather(request: EvidenceRequest): Promise<Evidence>;
}

/** Notes the machine's counters; call it before the first worker of an attempt starts. */
export function startEvidence(): EvidenceBaseline {
  cgroup ??= { found: findMemoryCgroup(readText) };
  const before = countKills(cgroup.found);
  kernelLog ??= new KernelLog();
  // What was logged before this attempt is not about it.
  kernelLog.take();
  return {
    async gather({ errorFiles, statuses }) {
      const after = countKills(cgroup!.found);
      const [files, sharedMemory] = await Promise.all([
        Promise.all(errorFiles.map((path) => (path === "" ? null : readWithin(path)))),
        statuses.some((status) => shellExitCode(status) === BUS_ERROR_CODE) ? readSharedMemory() : null,
      ]);
      return {
        machine: {
          outOfMemoryKills: difference(after.cgroup, before.cgroup),
          machineOutOfMemoryKills: difference(after.machine, before.machine),
          memoryLimitBytes: cgroup!.found === null ? null : memoryLimitBytes(cgroup!.found, readText),
          sharedMemory,
          kernelLog: kernelLog!.take(),
        },
        errorFiles: files,
      };
    },
  };
}

/** Larger is no record of an exception; PyTorch's have a few KiB. */
export const ERROR_FILE_BYTES_MAX = 4 << 20;
const READ_LIMIT_MS = 2_000;
const BUS_ERROR_CODE = 128 + 7;

let kernelLog: KernelLog | undefined;
/** Where the counters are; the launcher stays in one cgroup. */
let cgroup: { readonly found: MemoryCgroup | null } | undefined;

interface Kills {
  readonly cgroup: number | null;
  readonly machine: number | null;
}

function countKills(found: MemoryCgroup | null): Kills {
  return {
    cgroup: found === null ? null : outOfMemoryKills(found, readText),
    machine: machineOutOfMemoryKills(readText),
  };
}

function difference(after: number | null, before: number | null): number | null {
  return after === null || before === null ? null : Math.max(0, after - before);
}

function readText(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // Not there or not ours to read: the caller's null says so.
    return null;
  }
}

async function readWithin(path: string): Promise<ErrorFileFacts> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${READ_LIMIT_MS} ms`)), READ_LIMIT_MS);
  });
  try {
    return await Promise.race([readErrorFile(path), late]);
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound;
    const problem = isMissing ? null : `can't be read: ${(error as Error).message}`;
    return { path, text: null, writtenAt: null, problem };
  } finally {
    clearTimeout(timer);
  }
}

async function readErrorFile(path: string): Promise<ErrorFileFacts> {
  const { isFile, size, mtime } = await Deno.stat(path);
  const facts = { path, text: null, writtenAt: mtime?.getTime() ?? null, problem: null };
  if (!isFile) return { ...facts, problem: "isn't a regular file" };
  if (size > ERROR_FILE_BYTES_MAX) {
    return { ...facts, problem: `is larger than ${ERROR_FILE_BYTES_MAX >> 20} MiB` };
  }
  // What is written after the look at the size is left out: the limit holds whatever the worker's children do.
  using file = await Deno.open(path);
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const count = await file.read(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return { ...facts, text: new TextDecoder().decode(bytes.subarray(0, length)) };
}

/** node:fs is imported only here: it is the one way to statfs(2), and costs more than everything else together. */
async function readSharedMemory(): Promise<MachineFacts["sharedMemory"]> {
  try {
    const { statfs } = await import("node:fs/promises");
    const { bavail, blocks, bsize } = await statfs("/dev/shm");
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return null;
  }
}
