/**
 * The kinds of trouble, and the exit code of each. Usage problems are collected and reported together;
 * operating failures are events or results; a broken invariant is an `AssertionError` (assert.ts).
 */

/**
 * Exit codes of the launcher, documented in README. A failed worker gives `workerFailed`, as under torchrun,
 * or the worker's own code with `--exit-code worker`; a signal gives 128 + its number (`exitCodeOfSignal`).
 */
export const EXIT_CODES = {
  success: 0,
  /** A worker failed and the restarts are spent (torchrun's code). */
  workerFailed: 1,
  /** The command line can't be used (argparse's code, so torchrun's). */
  usage: 2,
  /** muster itself is at fault: a broken invariant (EX_SOFTWARE of sysexits.h). */
  internal: 70,
  /** The system refused what the launcher needs: a port, a directory, a process (EX_OSERR). */
  system: 71,
} as const;

/** One thing wrong with a command line; all of them are reported at once. */
export interface UsageProblem {
  /** Sentence without full stop: what was given, why it can't be used, what would be right. */
  readonly message: string;
  /** What to try, when there is something better than the help. */
  readonly hint?: string;
}

/** Something the launcher needs from the system was refused; the message names action, reason and remedy. */
export class SystemError extends Error {
  override readonly name = "SystemError";
}

/** Numbers of the signals that a launcher meets, Linux x86-64 and arm64. Source: signal(7). */
export const SIGNAL_NUMBERS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

export type SignalName = keyof typeof SIGNAL_NUMBERS;

/** The name of signal `number`, or undefined for real-time and unknown ones. */
export function signalName(number: number): SignalName | undefined {
  for (const [name, value] of Object.entries(SIGNAL_NUMBERS)) {
    if (value === number) return name as SignalName;
  }
  return undefined;
}

/** What a shell reports for a process that a signal ended: 128 + n. */
export function exitCodeOfSignal(name: SignalName): number {
  return 128 + SIGNAL_NUMBERS[name];
}
