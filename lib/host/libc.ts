/**
 * The few calls into the C library that Deno has no API for. Linux with glibc only; everywhere else `libc()` is
 * undefined and each caller says what it does without it. Opened at first use: it costs under a millisecond.
 */

const SYMBOLS = {
  prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" },
  waitid: { parameters: ["i32", "u32", "buffer", "i32"], result: "i32" },
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  /** `handler` is SIG_DFL (0) or SIG_IGN (1); no function of ours is ever installed. */
  signal: { parameters: ["i32", "usize"], result: "usize" },
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  /** A second descriptor of the same file; -1: there is none such, or no room for one more. */
  dup: { parameters: ["i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  /** `path` ends with a zero byte. */
  open: { parameters: ["buffer", "i32"], result: "i32" },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  mkfifo: { parameters: ["buffer", "u32"], result: "i32" },
  /** In glibc since 2.34. */
  close_range: { parameters: ["u32", "u32", "i32"], result: "i32", optional: true },
} as const;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let opened: Libc | null | undefined;

/** The C library's calls above, or null where they can't be had. */
export function libc(): Libc | null {
  if (opened === undefined) opened = openLibc(SYMBOLS)?.symbols ?? null;
  return opened;
}

/** The C library with other calls; null where it can't be had: another system, musl, no permission for FFI. */
export function openLibc<const Symbols extends Deno.ForeignLibraryInterface>(
  symbols: Symbols,
): Deno.DynamicLibrary<Symbols> | null {
  try {
    return Deno.build.os === "linux" ? Deno.dlopen("libc.so.6", symbols) : null;
  } catch {
    // Not an error: every use has a way without it.
    return null;
  }
}

const RLIMIT_NOFILE = 7;

/** How many files this process may have open; null where that can't be known. */
export function openFilesMax(): number | null {
  const limits = new BigUint64Array(2);
  return libc()?.getrlimit(RLIMIT_NOFILE, limits) === 0 ? Number(limits[0]) : null;
}

const PR_SET_CHILD_SUBREAPER = 36;

/** Makes orphans of this process's descendants its own children (prctl(2)); false where that is not possible. */
export function becomeSubreaper(): boolean {
  return libc()?.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n) === 0;
}

const CLOSE_RANGE_CLOEXEC = 4;
const FIRST_AFTER_STANDARD_STREAMS = 3;

/**
 * Keeps descriptors that the launcher inherited (a lock's, another program's pipe) from its children, as torchrun
 * does: a worker that runs on would hold them open.
 */
export function keepDescriptorsFromChildren(): void {
  libc()?.close_range?.(FIRST_AFTER_STANDARD_STREAMS, 0xffff_ffff, CLOSE_RANGE_CLOEXEC);
}

const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;
/** siginfo_t on 64-bit Linux: si_pid follows three ints and four bytes of padding (signal.h). */
const SIGINFO_BYTES = 128;
const SIGINFO_PID = 4;

/** The pid of some child that has ended and not been reaped, or 0. It stays unreaped. */
export function endedChild(): number {
  const info = new Int32Array(SIGINFO_BYTES / 4);
  const result = libc()?.waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT);
  return result === 0 ? info[SIGINFO_PID]! : 0;
}

/**
 * Reaps the zombie `pid`. Never call it for a child that Deno started: its `status` would reject. Never reaps any
 * child (`waitpid(-1)`), for the same reason.
 */
export function reap(pid: number): void {
  libc()?.waitpid(pid, new Int32Array(1), WNOHANG);
}
