/**
 * Stopping is a list of steps, each with a time limit, so that it can grow (a stack dump, a hook) without new
 * states. The worker alone is asked first: its data loaders must outlive its last checkpoint. Its whole process
 * group follows only when the grace is over.
 */

import type { SignalName } from "../core/errors.ts";

export interface StopStep {
  readonly signal: SignalName;
  /** "worker": the main process alone; "group": all processes that stayed in its process group. */
  readonly target: "worker" | "group";
  /** How long the step may take before the next one begins. */
  readonly limitMs: number;
}

/** After the grace, the group has this long to follow a SIGTERM before it is killed. */
export const GROUP_GRACE_MS = 500;
/** A killed process that is still there after this long is in the kernel's hands: it is named and left. */
export const KILL_WAIT_MS = 5_000;
/** What a failed or stopped attempt left behind gets no more than this before it is killed. */
export const LEFTOVER_GRACE_MS = 1_000;

/** The steps for a stop with `signal`, which leave the workers `graceMs` to end by themselves. */
export function stopSteps(signal: SignalName, graceMs: number): readonly StopStep[] {
  const kill: StopStep = { signal: "SIGKILL", target: "group", limitMs: KILL_WAIT_MS };
  if (graceMs === 0) return [{ signal, target: "worker", limitMs: 0 }, kill];
  return [
    { signal, target: "worker", limitMs: graceMs },
    { signal: "SIGTERM", target: "group", limitMs: GROUP_GRACE_MS },
    kill,
  ];
}

/** The steps for processes that a worker left behind. */
export function leftoverSteps(graceMs: number): readonly StopStep[] {
  const kill: StopStep = { signal: "SIGKILL", target: "worker", limitMs: KILL_WAIT_MS };
  return graceMs === 0 ? [kill] : [{ signal: "SIGTERM", target: "worker", limitMs: graceMs }, kill];
}

/** The only step of a stop that waits for nobody: a second Ctrl-C. */
export const KILL_STEPS: readonly StopStep[] = [{
  signal: "SIGKILL",
  target: "group",
  limitMs: KILL_WAIT_MS,
}];
