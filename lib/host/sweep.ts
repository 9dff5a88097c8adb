/**
 * Finds what the workers left behind, wherever it went, and reaps the orphans that come to the launcher.
 *
 * What counts as ours: a process that carries our mark, or that is in a worker's session or process group and
 * started after the launcher, and everything below such a process. Nothing else is ever touched: a child that the
 * launcher inherited from the shell it was `exec`ed by is a stranger.
 */

import type { Leftover } from "../supervise/group.ts";
import { endedChild, reap } from "./libc.ts";
import { allProcesses, carriesMark, childrenView, commandOf, processInfo } from "./process_table.ts";

export interface SweepScope {
  readonly launcherId: string;
  /** Pids of the workers of this attempt: each leads a session and a process group. */
  readonly workers: ReadonlySet<number>;
  /** Children that Deno started and still watches (the guard, running workers): never looked at. */
  readonly ownChildren: ReadonlySet<number>;
  /** Orphans of this launcher's descendants come to it; where they do not, all of /proc is searched. */
  readonly subreaper: boolean;
}

/** Reaps zombies among the launcher's orphans and returns what of the attempt is still alive. */
export function sweepLeftovers(scope: SweepScope): Leftover[] {
  const children = childrenView();
  const launcherStart = processInfo(Deno.pid)?.startTicks ?? 0;
  const isOurs = (pid: number): boolean => {
    if (carriesMark(pid, scope.launcherId)) return true;
    const info = processInfo(pid);
    if (info === undefined || info.startTicks < launcherStart) return false;
    return scope.workers.has(info.session) || scope.workers.has(info.processGroup);
  };
  const candidates = scope.subreaper ? children(Deno.pid) : allProcesses();
  const found = new Set<number>();
  const visit = (pid: number) => {
    if (found.has(pid)) return;
    found.add(pid);
    for (const child of children(pid)) visit(child);
  };
  for (const pid of candidates) {
    if (pid === Deno.pid || scope.ownChildren.has(pid)) continue;
    if (isOurs(pid)) visit(pid);
  }
  const leftovers: Leftover[] = [];
  for (const pid of found) {
    const info = processInfo(pid);
    if (info === undefined || scope.ownChildren.has(pid)) continue;
    if (info.state === "Z") {
      if (info.parent === Deno.pid) reap(pid);
      continue;
    }
    leftovers.push({ pid, command: commandOf(pid) });
  }
  return leftovers;
}

/**
 * Reaps every orphan that has ended, ours or not: as PID 1 of a container nobody else would. Returns how many. A
 * child that Deno is about to reap hides the others: call this after every SIGCHLD and after every child's end.
 */
export function reapOrphans(ownChildren: ReadonlySet<number>): number {
  for (let count = 0;; count++) {
    const pid = endedChild();
    if (pid === 0 || ownChildren.has(pid)) return count;
    reap(pid);
  }
}
