/** How a process ended, and what that is called. */

import { exitCodeOfSignal, SIGNAL_NUMBERS, type SignalName } from "../core/errors.ts";

/** How a process ended: by itself with a code, or by a signal. */
export type ExitStatus =
  | { readonly kind: "exited"; readonly code: number }
  | {
    readonly kind: "signalled";
    readonly signal: SignalName | `signal ${number}`;
    readonly coreDumped?: boolean;
  };

export function succeeded(status: ExitStatus): boolean {
  return status.kind === "exited" && status.code === 0;
}

/** Python's convention, which torchrun's reports use: −n for signal n. */
export function pythonExitCode(status: ExitStatus): number {
  if (status.kind === "exited") return status.code;
  if (status.signal in SIGNAL_NUMBERS) return -SIGNAL_NUMBERS[status.signal as SignalName];
  return -Number(status.signal.slice("signal ".length));
}

/** The shell's convention, which `--exit-code worker` passes on: 128 + n for signal n. */
export function shellExitCode(status: ExitStatus): number {
  if (status.kind === "exited") return status.code;
  if (status.signal in SIGNAL_NUMBERS) return exitCodeOfSignal(status.signal as SignalName);
  return 128 + Number(status.signal.slice("signal ".length));
}
