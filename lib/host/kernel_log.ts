/**
 * The kernel's log from now on, where it may be read. Without waiting, which is why it goes through the C library:
 * Deno's own files wait for the next record.
 */

import { kernelLines } from "../agent/kernel_log.ts";
import { fromUtf8, utf8 } from "../core/bytes.ts";
import { libc } from "./libc.ts";

const O_RDONLY = 0;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const SEEK_END = 2;

/** The kernel's own limit of a record (LOG_LINE_MAX and its prefix, printk.c), and more. */
const RECORD_BYTES_MAX = 8192;
/** Records read at most: a broken device may write without end. */
const RECORDS_MAX = 20_000;
/** A read fails at the log's end, and once where records were overwritten before they were read. */
const FAILED_READS_MAX = 2;

export class KernelLog {
  readonly #descriptor: number;

  /** Everything that is logged from now on can be read; takes well under a millisecond. */
  constructor(path = "/dev/kmsg") {
    const descriptor = libc()?.open(utf8(`${path}\0`), O_RDONLY | O_NONBLOCK | O_CLOEXEC) ?? -1;
    if (descriptor >= 0) libc()!.lseek(descriptor, 0n, SEEK_END);
    this.#descriptor = descriptor;
  }

  /**
   * What has been logged since the last call, or since the beginning, that concerns workers or devices; null: this log
   * can't be read (most containers and many machines keep it from users).
   */
  take(): string[] | null {
    if (this.#descriptor < 0) return null;
    const record = new Uint8Array(RECORD_BYTES_MAX);
    let text = "";
    for (let count = 0, failed = 0; count < RECORDS_MAX && failed < FAILED_READS_MAX; count++) {
      const length = Number(libc()!.read(this.#descriptor, record, BigInt(record.length)));
      if (length > 0) text += fromUtf8(record.subarray(0, length));
      else failed++;
    }
    return kernelLines(text);
  }

  close(): void {
    if (this.#descriptor >= 0) libc()!.close(this.#descriptor);
  }
}
