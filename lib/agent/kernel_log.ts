/**
 * What the kernel's log says about processes and devices: kills for lack of memory, faults with the library in which
 * they happened, errors of the NVIDIA driver (Xid). Pure: the host reads /dev/kmsg.
 *
 * Pids in it are those of the machine; in a container with pids of its own none of them match, and nothing is claimed.
 */

/** Lines kept of one attempt, and characters of each: a broken device may fill the log. */
export const KERNEL_LINES_MAX = 20;
export const KERNEL_LINE_MAX = 300;

const RELEVANT: readonly RegExp[] = [
  /Killed process \d+ \(/,
  /^\S+\[\d+\]: segfault at /,
  /^traps: \S+\[\d+\] /,
  /^NVRM: Xid \(/,
];

/**
 * The relevant lines of `text`, records of /dev/kmsg. Source: Documentation/ABI/testing/dev-kmsg of Linux
 * ("priority,sequence,microseconds,flags;message", then " KEY=value" lines).
 */
export function kernelLines(text: string): string[] {
  const lines: string[] = [];
  for (const record of text.split("\n")) {
    const message = /^\d+,\d+,\d+,[^;]*;(.*)$/.exec(record)?.[1];
    if (message === undefined) continue;
    const line = message.slice(0, KERNEL_LINE_MAX);
    if (RELEVANT.some((pattern) => pattern.test(line)) && !lines.includes(line)) lines.push(line);
    if (lines.length === KERNEL_LINES_MAX) break;
  }
  return lines;
}

/** The kernel's word that `pid` was killed for lack of memory, and how much it used then; null: there is none. */
export function memoryKill(
  lines: readonly string[],
  pid: number,
): { readonly residentBytes: number | null } | null {
  const line = lines.find((candidate) => candidate.includes(`Killed process ${pid} (`));
  if (line === undefined) return null;
  const kib = /anon-rss:(\d+)kB/.exec(line)?.[1];
  return { residentBytes: kib === undefined ? null : Number(kib) * 1024 };
}

/** The library or program in which `pid` faulted: "libc.so.6"; null: not known. */
export function faultPlace(lines: readonly string[], pid: number): string | null {
  const line = lines.find((candidate) => candidate.includes(`[${pid}]`) && !candidate.startsWith("NVRM"));
  return / in (\S+?)\[/.exec(line ?? "")?.[1] ?? null;
}

/** The first error of a device that is none of another error's echoes: "Xid (PCI:0000:44:00): 79, GPU has …". */
export function deviceError(lines: readonly string[]): string | null {
  const errors = lines.filter((line) => line.startsWith("NVRM: Xid ("));
  const first = errors.find((line) => !line.includes("caused by previous Xid")) ?? errors[0];
  return first?.slice("NVRM: ".length) ?? null;
}

/** True where a device is gone until its machine is looked after. */
export function isDeviceLost(error: string): boolean {
  return /\): 79,|fallen off the bus/.test(error);
}
