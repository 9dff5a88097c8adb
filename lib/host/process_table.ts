/**
 * Reads of /proc: who is whose child, what started when, what carries our mark. Synchronous, since these files
 * never wait. On systems without /proc every question is answered with "nothing known".
 */

export interface ProcessInfo {
  readonly pid: number;
  /** One letter of proc(5): R, S, D, Z, T, … */
  readonly state: string;
  readonly parent: number;
  readonly processGroup: number;
  readonly session: number;
  /** Clock ticks after boot: with the pid it names one process for ever. */
  readonly startTicks: number;
}

/** What /proc/PID/stat says, or undefined when there is no such process. Source: proc(5). */
export function processInfo(pid: number): ProcessInfo | undefined {
  const fields = statFields(pid);
  if (fields.length < 20) return undefined;
  return {
    pid,
    state: fields[0]!,
    parent: Number(fields[1]),
    processGroup: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

/** Whether Deno lets us look for marked processes: without `-A` it keeps their environments closed. */
export function mayReadEnvironments(): boolean {
  try {
    Deno.openSync("/proc/self/environ").close();
    return true;
  } catch (error) {
    // A system without /proc is another matter.
    return !(error instanceof Deno.errors.NotCapable);
  }
}

/** Set from the moment a process takes its last steps. Source: include/linux/sched.h of Linux. */
const PF_EXITING = 0x4;

/**
 * True when `pid` has ended, or does so already whatever is sent to it now. False also where /proc tells nothing.
 * Source: proc(5), the fields `state` and `flags`.
 */
export function isEnding(pid: number): boolean {
  const fields = statFields(pid);
  return fields.length > 6 && ("ZX".includes(fields[0]!) || (Number(fields[6]) & PF_EXITING) !== 0);
}

/** Children by parent, for the processes below `pid` (with `/proc/PID/task/TID/children`) or for all. */
export type ChildrenOf = (pid: number) => readonly number[];

/**
 * A view of who is whose child. Kernels without CONFIG_PROC_CHILDREN make it read the whole of /proc once; ask
 * for a new view each time.
 */
export function childrenView(): ChildrenOf {
  if (kernelListsChildren()) return listedChildren;
  const byParent = new Map<number, number[]>();
  for (const pid of allProcesses()) {
    const parent = processInfo(pid)?.parent;
    if (parent === undefined) continue;
    const siblings = byParent.get(parent);
    if (siblings === undefined) byParent.set(parent, [pid]);
    else siblings.push(pid);
  }
  return (pid) => byParent.get(pid) ?? [];
}

function kernelListsChildren(): boolean {
  try {
    Deno.statSync(`/proc/${Deno.pid}/task/${Deno.pid}/children`);
    return true;
  } catch {
    return false;
  }
}

function listedChildren(pid: number): number[] {
  const children: number[] = [];
  try {
    for (const thread of Deno.readDirSync(`/proc/${pid}/task`)) {
      const list = readOrEmpty(`/proc/${pid}/task/${thread.name}/children`);
      for (const child of list.split(" ")) if (child !== "") children.push(Number(child));
    }
  } catch {
    // The process is gone.
  }
  return children;
}

/** Every process of the machine that this one can see. */
export function allProcesses(): number[] {
  const pids: number[] = [];
  try {
    for (const entry of Deno.readDirSync("/proc")) {
      const pid = Number(entry.name);
      if (pid > 0) pids.push(pid);
    }
  } catch {
    // No /proc.
  }
  return pids;
}

/** True when the environment that `pid` was started with names the launcher `id`. */
export function carriesMark(pid: number, id: string): boolean {
  return readOrEmpty(`/proc/${pid}/environ`).includes(id);
}

/** The command line of `pid` for people to read, cut to 60 characters. */
export function commandOf(pid: number): string {
  const line = readOrEmpty(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

/** Signals a blocked, ignored, … set of /proc/self/status names, by number. */
export function signalSet(name: "SigIgn" | "SigBlk"): Set<number> {
  const hex = readOrEmpty("/proc/self/status").match(new RegExp(`^${name}:\\s*([0-9a-f]+)`, "m"))?.[1] ?? "0";
  const bits = BigInt(`0x${hex}`);
  const numbers = new Set<number>();
  for (let number = 1; number <= 64; number++) if ((bits >> BigInt(number - 1)) & 1n) numbers.add(number);
  return numbers;
}

/** What follows the command's name, which may contain spaces and brackets itself. */
function statFields(pid: number): string[] {
  const text = readOrEmpty(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function readOrEmpty(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
