/**
 * What a signal that ended a worker means, in words, and what to do about it. The kernel's own reasons (lack of
 * memory, a full /dev/shm) are looked up in the machine's facts.
 */

import { SIGNAL_NUMBERS, type SignalName } from "../core/errors.ts";
import type { MachineFacts } from "./facts.ts";
import { faultPlace, memoryKill } from "./kernel_log.ts";

export interface SignalExplanation {
  readonly kind: "signal" | "out-of-memory" | "shared-memory-full";
  readonly summary: string;
  readonly advice: string | null;
}

/**
 * What a signal means that muster did not send. `exception`: what the program printed of its end, if anything; `pid`:
 * by which the kernel's log names it, null where it is a child of the worker.
 */
export function explainSignal(
  signal: SignalName | `signal ${number}`,
  { machine, exception, pid }: { machine: MachineFacts; exception: string | null; pid: number | null },
): SignalExplanation {
  if (signal === "SIGKILL") return explainKill(machine, pid);
  if (signal === "SIGBUS") return explainBusError(machine);
  const [meaning, advice] = SIGNAL_WORDS[signal as SignalName] ??
    ["a signal that the worker doesn't handle", null];
  const isDump = exception === null || exception.startsWith("Fatal Python error: ");
  const words = signal === "SIGABRT" && !isDump ? exception : meaning;
  const place = pid === null ? null : faultPlace(machine.kernelLog ?? [], pid);
  return {
    kind: "signal",
    summary: `${numbered(signal)}${place === null ? "" : ` in ${place}`}: ${words}`,
    advice: exception === null ? advice : null,
  };
}

const USE_LESS_MEMORY =
  "Give the job more memory, or use less: fewer data loader processes, smaller batches, fewer workers a node.";

function explainKill(machine: MachineFacts, pid: number | null): SignalExplanation {
  const { outOfMemoryKills, machineOutOfMemoryKills, memoryLimitBytes, kernelLog } = machine;
  const limit = memoryLimitBytes === null ? "" : `; the memory limit is ${bytesText(memoryLimitBytes)}`;
  const kill = pid === null ? null : memoryKill(kernelLog ?? [], pid);
  if (kill !== null) {
    const used = kill.residentBytes === null ? "" : ` when it used ${bytesText(kill.residentBytes)}`;
    return {
      kind: "out-of-memory",
      summary: `SIGKILL (9): out of memory, the kernel killed this worker${used}${limit}`,
      advice: USE_LESS_MEMORY,
    };
  }
  if (outOfMemoryKills !== null && outOfMemoryKills > 0) {
    const times = outOfMemoryKills === 1 ? "once" : `${outOfMemoryKills} times`;
    return {
      kind: "out-of-memory",
      summary:
        `SIGKILL (9): out of memory, the kernel killed in this cgroup ${times} in this attempt${limit}`,
      advice: USE_LESS_MEMORY,
    };
  }
  if (machineOutOfMemoryKills !== null && machineOutOfMemoryKills > 0) {
    return {
      kind: "out-of-memory",
      summary:
        "SIGKILL (9): the machine ran out of memory and the kernel killed processes in this attempt, " +
        `very likely this one${limit}`,
      advice: "dmesg | grep -i 'killed process' names them. Give the job more memory, or use less.",
    };
  }
  const isRuledOut = outOfMemoryKills === 0 || machineOutOfMemoryKills === 0;
  return {
    kind: "signal",
    summary: isRuledOut
      ? "SIGKILL (9): somebody killed the worker; it was neither muster nor the kernel for lack of memory"
      : "SIGKILL (9): killed from outside, by the kernel for lack of memory or by somebody's kill -9",
    advice: isRuledOut
      ? "Look at the scheduler's limits and at whoever may run kill -9 here."
      : "dmesg | grep -i 'killed process' tells which, with the rights to see it.",
  };
}

/** Below this much in all or free, /dev/shm is the first suspect; Docker's default is 64 MiB in all. */
const SHARED_MEMORY_SMALL_BYTES = 1 << 30;
const SHARED_MEMORY_FREE_SMALL_BYTES = 64 << 20;

function explainBusError({ sharedMemory }: MachineFacts): SignalExplanation {
  const isSuspect = sharedMemory !== null &&
    (sharedMemory.totalBytes < SHARED_MEMORY_SMALL_BYTES ||
      sharedMemory.freeBytes < SHARED_MEMORY_FREE_SMALL_BYTES);
  if (isSuspect) {
    const { freeBytes, totalBytes } = sharedMemory;
    return {
      kind: "shared-memory-full",
      // What the worker held is free again by now, so the size tells more than what is free.
      summary: "SIGBUS (7): very likely /dev/shm was full; data loaders hand their batches over through it " +
        `(it has ${bytesText(totalBytes)}, ${bytesText(freeBytes)} of them free by now)`,
      advice:
        "Make it larger: docker run --shm-size=8g or --ipc=host; in Kubernetes an emptyDir with medium " +
        "Memory at /dev/shm.",
    };
  }
  return {
    kind: "signal",
    summary:
      "SIGBUS (7): memory behind a mapped file was not there: the file was cut short, its file system " +
      "is full (/dev/shm, hugepages), or the hardware failed",
    advice: null,
  };
}

/** What happened, and what to do. Source: signal(7); the likely reasons are those of training jobs. */
const SIGNAL_WORDS: Partial<Record<SignalName, readonly [string, string | null]>> = {
  SIGSEGV: [
    "memory was used that isn't there, nearly always a defect in native code (an extension, a driver library)",
    "PYTHONFAULTHANDLER=1 in the environment makes Python print where it happened.",
  ],
  SIGABRT: [
    "the program aborted itself: a failed check in native code, or a C++ exception that nobody caught",
    "PYTHONFAULTHANDLER=1 in the environment makes Python print where it happened.",
  ],
  SIGILL: [
    "an instruction that this CPU doesn't have",
    "A library was built for a newer CPU: install one built for this machine.",
  ],
  SIGFPE: ["an integer division by zero in native code", null],
  SIGTRAP: ["a trap that only debuggers set, or a failed check in native code", null],
  SIGSYS: ["a system call that this container's seccomp profile forbids", null],
  SIGPIPE: ["wrote to a pipe that nobody reads any more", null],
  SIGXCPU: ["the limit of CPU time is used up (ulimit -t)", null],
  SIGXFSZ: ["a file grew beyond the limit (ulimit -f)", null],
  SIGTERM: ["somebody other than muster asked the worker to end", null],
  SIGINT: ["somebody other than muster interrupted the worker", null],
  SIGQUIT: ["somebody other than muster asked the worker to quit", null],
  SIGHUP: ["the worker's terminal or session went away", null],
  SIGUSR1: ["a signal that the worker doesn't handle; schedulers send it as a warning", null],
  SIGUSR2: ["a signal that the worker doesn't handle; schedulers send it as a warning", null],
};

/** "SIGSEGV (11)". */
function numbered(signal: SignalName | `signal ${number}`): string {
  const number = SIGNAL_NUMBERS[signal as SignalName];
  return number === undefined ? signal : `${signal} (${number})`;
}

/** "64 MiB", "7.5 GiB". */
function bytesText(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${units[unit]}`;
}
