/** The two watchdogs that torchrun's users may have switched on, each loaded only then. */

import type { AgentEvent } from "../agent/event.ts";
import { type SignalName, signalName } from "../core/errors.ts";
import type { LaunchPlan } from "../options/launch_plan.ts";
import type { FileTimer } from "./file_timer.ts";

export interface WatchdogHooks {
  readonly post: (event: AgentEvent) => void;
  readonly warn: (text: string) => void;
  /** The workers that run now. */
  readonly running: () => readonly { readonly localRank: number; readonly pid: number }[];
}

export interface Watchdogs {
  /** A worker ended. */
  forget(pid: number): void;
  /** An attempt ended. */
  clear(): void;
  close(): Promise<void>;
}

const TIMER_FILE_VARIABLE = "TORCHELASTIC_TIMER_FILE";

/** The plan with the timer's FIFO named, for the workers too, where the user left the choice to us. */
export function withTimerFile(plan: LaunchPlan): LaunchPlan {
  if (plan.fileTimer === undefined) return plan;
  const directory = Deno.env.get("TMPDIR") || "/tmp";
  const path = plan.fileTimer.path ?? `${directory}/watchdog_timer_${crypto.randomUUID()}`;
  return {
    ...plan,
    fileTimer: { path },
    environment: { ...plan.environment, [TIMER_FILE_VARIABLE]: path },
  };
}

/** Starts what `plan` asks for. Throws `SystemError` when the FIFO can't be made. */
export async function startWatchdogs(plan: LaunchPlan, hooks: WatchdogHooks): Promise<Watchdogs> {
  const fileTimer = await openFileTimer(plan, hooks);
  const guard = await openGuard(plan, hooks);
  return {
    forget: (pid) => fileTimer?.forget(pid),
    clear: () => fileTimer?.clear(),
    close: async () => {
      guard?.close();
      await fileTimer?.close();
    },
  };
}

async function openFileTimer(plan: LaunchPlan, hooks: WatchdogHooks): Promise<FileTimer | undefined> {
  const path = plan.fileTimer?.path;
  if (path == null) return undefined;
  const { startFileTimer } = await import("./file_timer.ts");
  return startFileTimer({
    path,
    warn: hooks.warn,
    onExpired: ({ pid, scope, signal }) => {
      const reason = `its own timer ran out (scope "${scope}")`;
      if (signal <= 0) return hooks.warn(`Process ${pid}: ${reason}; it asks for no signal`);
      // No runtime sends a signal without a name; who sets such a timer wants the process gone.
      const name: SignalName = signalName(signal) ?? "SIGKILL";
      hooks.post({ kind: "watchdog-expired", pid, signal: name, reason });
    },
  });
}

async function openGuard(plan: LaunchPlan, hooks: WatchdogHooks): Promise<{ close(): void } | undefined> {
  const timeoutMs = plan.uninterruptibleTimeoutMs;
  if (timeoutMs === null) return undefined;
  const { startUninterruptibleGuard } = await import("./uninterruptible.ts");
  return startUninterruptibleGuard({
    timeoutMs,
    pids: () => hooks.running().map(({ pid }) => pid),
    onStuck: ({ pid, reason }) => {
      const worker = hooks.running().find((running) => running.pid === pid);
      if (worker !== undefined) {
        hooks.post({ kind: "uninterruptible", localRank: worker.localRank, reason });
      }
    },
  });
}
