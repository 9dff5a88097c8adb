import { assertEquals } from "@std/assert";
import {
  deviceError,
  faultPlace,
  isDeviceLost,
  kernelLines,
  memoryKill,
} from "../../lib/agent/kernel_log.ts";
import { judge } from "../../lib/agent/report.ts";
import { failedAttempt, UNKNOWN_MACHINE, workerFacts } from "./attempts.ts";
import { KERNEL_LOG, sampleLines } from "./samples.ts";

const TEXT = sampleLines(KERNEL_LOG).join("\n");
const LINES = kernelLines(TEXT);

Deno.test("kernelLines() keeps what concerns workers and devices, each line once", () => {
  assertEquals(LINES.map((line) => line.split(" ").slice(0, 3).join(" ")), [
    "Memory cgroup out",
    "python3[5415]: segfault at",
    "traps: python3[5456] trap",
    "NVRM: Xid (PCI:0000:44:00):",
    "NVRM: Xid (PCI:0000:dc:00):",
  ]);
  assertEquals(kernelLines(`${TEXT}\n${TEXT}`), LINES);
  assertEquals(kernelLines("nonsense\n6,1\n\n"), []);
});

Deno.test("memoryKill() and faultPlace() know a worker by its pid only", () => {
  assertEquals(memoryKill(LINES, 1411), { residentBytes: 502_528 * 1024 });
  assertEquals([memoryKill(LINES, 141), faultPlace(LINES, 541)], [null, null]);
  assertEquals([faultPlace(LINES, 5415), faultPlace(LINES, 5456)], ["libc.so.6", "dev/zero"]);
});

Deno.test("deviceError() names the error that the others came of", () => {
  assertEquals(deviceError(LINES), "Xid (PCI:0000:44:00): 79, GPU has fallen off the bus");
  assertEquals(deviceError(LINES.toReversed()), "Xid (PCI:0000:44:00): 79, GPU has fallen off the bus");
  assertEquals([isDeviceLost(deviceError(LINES)!), isDeviceLost(LINES.at(-1)!)], [true, false]);
  assertEquals(deviceError([]), null);
});

function causeOf(facts: Parameters<typeof workerFacts>[1]) {
  const machine = { ...UNKNOWN_MACHINE, kernelLog: LINES };
  const { kind, summary } = judge(failedAttempt([workerFacts(0, facts)], { machine })).rootCause!.explanation;
  return [kind, summary];
}

Deno.test("judge() takes the kernel's word for a kill, a fault and a lost device", () => {
  assertEquals(causeOf({ pid: 1411, status: { kind: "signalled", signal: "SIGKILL" } }), [
    "out-of-memory",
    "SIGKILL (9): out of memory, the kernel killed this worker when it used 490.8 MiB",
  ]);
  assertEquals(causeOf({ pid: 5456, status: { kind: "signalled", signal: "SIGILL" } }), [
    "signal",
    "SIGILL (4) in dev/zero: an instruction that this CPU doesn't have",
  ]);
  assertEquals(causeOf({ tail: sampleLines("device_launch_failure") }), [
    "device-lost",
    "RuntimeError: CUDA error: unspecified launch failure CUDA kernel errors might be asynchronously reported at " +
    "some other API call, so the stacktrace below might be incorrect.; the driver reported " +
    "Xid (PCI:0000:44:00): 79, GPU has fallen off the bus",
  ]);
  // Another worker's kill, and a device error beside a failure that has nothing to do with devices.
  assertEquals(causeOf({ pid: 1, status: { kind: "signalled", signal: "SIGKILL" } })[0], "signal");
  assertEquals(causeOf({ tail: sampleLines("import_error") })[0], "module-not-found");
});
