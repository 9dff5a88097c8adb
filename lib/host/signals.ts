/**
 * Operating-system signals as events. A signal that the launcher was started with ignored (nohup) stays ignored,
 * for the launcher and for its workers: Deno's first listener takes HUP and INT away from the ignored ones, so
 * they are set back.
 */

import { SIGNAL_NUMBERS, type SignalName } from "../core/errors.ts";
import { libc } from "./libc.ts";
import { signalSet } from "./process_table.ts";

const SIG_IGN = 1n;

export interface SignalWatch {
  /** Signals that were asked for but are ignored by inheritance. */
  readonly keptIgnored: readonly SignalName[];
  close(): void;
}

/** Calls `onSignal` for each of `signals`, but for those inherited as ignored. */
export function watchSignals(
  signals: readonly SignalName[],
  onSignal: (signal: SignalName) => void,
): SignalWatch {
  const ignored = signalSet("SigIgn");
  const listeners: [Deno.Signal, () => void][] = [];
  const keptIgnored: SignalName[] = [];
  const listen = (signal: Deno.Signal, listener: () => void) => {
    Deno.addSignalListener(signal, listener);
    listeners.push([signal, listener]);
  };
  for (const signal of new Set(signals)) {
    if (ignored.has(SIGNAL_NUMBERS[signal])) {
      keptIgnored.push(signal);
      continue;
    }
    listen(signal as Deno.Signal, () => handlers.onSignal(signal));
  }
  listen("SIGCHLD", handlers.onChildEnded);
  listen("SIGWINCH", handlers.onResized);
  for (const signal of ["SIGHUP", "SIGINT"] as const) {
    if (ignored.has(SIGNAL_NUMBERS[signal])) libc()?.signal(SIGNAL_NUMBERS[signal], SIG_IGN);
  }
  return {
    keptIgnored,
    close() {
      for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
    },
  };
}
