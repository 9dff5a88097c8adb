import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { SIGNAL_NUMBERS, type SignalName } from "../../lib/core/errors.ts";
import { explainSignal } from "../../lib/agent/explain_signal.ts";
import type { MachineFacts } from "../../lib/agent/facts.ts";
import { UNKNOWN_MACHINE } from "./attempts.ts";

function explained(signal: SignalName | `signal ${number}`, machine: Partial<MachineFacts> = {}) {
  return explainSignal(signal, { machine: { ...UNKNOWN_MACHINE, ...machine }, exception: null, pid: null });
}

const GIB = 2 ** 30;

Deno.test("explainSignal() believes the cgroup's counter about SIGKILL", () => {
  const { kind, summary } = explained("SIGKILL", { outOfMemoryKills: 1, memoryLimitBytes: 1.5 * GIB });
  assertEquals(kind, "out-of-memory");
  assertStringIncludes(
    summary,
    "the kernel killed in this cgroup once in this attempt; the memory limit is 1.5 GiB",
  );
});

Deno.test("explainSignal() takes the machine's counter where the cgroup's says nothing", () => {
  const { kind, summary } = explained("SIGKILL", { outOfMemoryKills: 0, machineOutOfMemoryKills: 2 });
  assertEquals(kind, "out-of-memory");
  assertStringIncludes(summary, "the machine ran out of memory");
});

Deno.test("explainSignal() says who it was not, and what it does not know", () => {
  assertStringIncludes(
    explained("SIGKILL", { outOfMemoryKills: 0 }).summary,
    "neither muster nor the kernel",
  );
  assertStringIncludes(explained("SIGKILL").summary, "killed from outside, by the kernel");
});

Deno.test("explainSignal() suspects a small or full /dev/shm of SIGBUS, and no other", () => {
  const kindOf = (freeBytes: number, totalBytes: number) =>
    explained("SIGBUS", { sharedMemory: { freeBytes, totalBytes } }).kind;
  assertEquals(kindOf(64 << 20, 64 << 20), "shared-memory-full");
  assertEquals(kindOf(0, 64 * GIB), "shared-memory-full");
  assertEquals(kindOf(32 * GIB, 64 * GIB), "signal");
  assertEquals(explained("SIGBUS").kind, "signal");
});

Deno.test("explainSignal() gives what an aborting program printed, and advice only where nothing was", () => {
  const options = { machine: UNKNOWN_MACHINE, exception: "c10::Error: no kernel image", pid: null };
  assertEquals(explainSignal("SIGABRT", options), {
    kind: "signal",
    summary: "SIGABRT (6): c10::Error: no kernel image",
    advice: null,
  });
  assertMatch(explained("SIGABRT").advice ?? "", /PYTHONFAULTHANDLER=1/);
  const dump = { machine: UNKNOWN_MACHINE, exception: "Fatal Python error: Aborted", pid: null };
  assertMatch(explainSignal("SIGABRT", dump).summary, /the program aborted itself/);
});

Deno.test("explainSignal() has words for every signal, also for those without a name", () => {
  for (const name of Object.keys(SIGNAL_NUMBERS) as SignalName[]) {
    assertMatch(explained(name).summary, new RegExp(`^${name} \\(\\d+\\): \\S`));
  }
  assertEquals(explained("signal 34").summary, "signal 34: a signal that the worker doesn't handle");
});
