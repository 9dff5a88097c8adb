/**
 * Operating-system signals as events. A signal that the launcher was started with ignored (nohup) stays ignored,
 * for the launcher and for its workers: Deno's first listener takes HUP and INT away from the ignored ones, so
 * they are set back.
 */

import { SIGNAL_NUMBERS, type SignalName } from "../core/errors.ts";
import { libc } from "./libc.ts";
import { signalSet } from "./process_table.ts";

const SIG_IGN = 1n;

export interface SignalHandlers {
  readonly onSignal: (signal: SignalName) => void;
  /** Some child of this process ended, started by Deno or not. */
  readonly onChildEnded: () => void;
  /** The terminal has a new size. */
  readonly onResized: () => void;
}

export interface SignalWatch {
  close(): void;
}

/** Calls `onSignal` for each of `signals`, but for those inherited as ignored. */
export function watchSignals(signals: readonly SignalName[], handlers: SignalHandlers): SignalWatch {
  const ignored = signalSet("SigIgn");
  const listeners: [Deno.Signal, () => void][] = [];
  const listen = (signal: Deno.Signal, listener: () => void) => {
    Deno.addSignalListener(signal, listener);
    listeners.push([signal, listener]);
  };
  for (const signal of new Set(signals)) {
    if (ignored.has(SIGNAL_NUMBERS[signal])) continue;
    listen(signal as Deno.Signal, () => handlers.onSignal(signal));
  }
  listen("SIGCHLD", handlers.onChildEnded);
  listen("SIGWINCH", handlers.onResized);
  for (const signal of ["SIGHUP", "SIGINT"] as const) {
    if (ignored.has(SIGNAL_NUMBERS[signal])) libc()?.signal(SIGNAL_NUMBERS[signal], SIG_IGN);
  }
  return {
    close() {
      for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
    },
  };
}
