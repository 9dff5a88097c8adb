import { assertEquals, assertMatch } from "@std/assert";
import {
  type KernelState,
  parseKernelState,
  UninterruptibleWatch,
} from "../../lib/supervise/uninterruptible.ts";

const TIMEOUT_MS = 1000;

/** Looks at one process once a line: [time, state letter or null, context switches]. */
function stuckAt(looks: readonly [number, string | null, number][]): number[] {
  const watch = new UninterruptibleWatch(TIMEOUT_MS);
  return looks.filter(([now, letter, switches]) => {
    const state: KernelState | null = letter === null ? null : { letter, switches };
    return watch.observe([{ pid: 7, state }], now).length > 0;
  }).map(([now]) => now);
}

Deno.test("UninterruptibleWatch.observe() reports once when a process has not run for the timeout", () => {
  assertEquals(stuckAt([[0, "R", 5], [100, "D", 5], [1099, "D", 5], [1100, "D", 5], [1500, "D", 5]]), [1100]);
});

Deno.test("UninterruptibleWatch.observe() forgets a process that ran in between", () => {
  assertEquals(stuckAt([[0, "D", 5], [900, "S", 5], [1000, "D", 5], [1900, "D", 5]]), []);
  assertEquals(stuckAt([[0, "D", 5], [900, null, 0], [1000, "D", 5]]), []);
});

Deno.test("UninterruptibleWatch.observe() is not deceived by a process that is often found waiting", () => {
  assertEquals(stuckAt([[0, "D", 5], [500, "D", 9], [1000, "D", 12], [1400, "D", 20]]), []);
});

Deno.test("UninterruptibleWatch.observe() tells processes apart, and says for how long", () => {
  const watch = new UninterruptibleWatch(TIMEOUT_MS);
  const look = (pid: number) => ({ pid, state: { letter: "D", switches: 1 } });
  watch.observe([look(7)], 0);
  watch.observe([look(7), look(8)], 600);
  const stuck = watch.observe([look(7), look(8)], 1200);
  assertEquals(stuck.map(({ pid }) => pid), [7]);
  assertMatch(stuck[0]!.reason, /^stuck in the kernel for 1\.2 s \(/);
});

Deno.test("UninterruptibleWatch.intervalMs follows the timeout within limits", () => {
  const intervals = [100, 8000, 3_600_000].map((timeoutMs) => new UninterruptibleWatch(timeoutMs).intervalMs);
  assertEquals(intervals, [125, 1000, 5000]);
});

Deno.test("parseKernelState() reads what the kernel writes", () => {
  const status = "Name:\tState: D\nUmask:\t0022\nState:\tD (disk sleep)\nTgid:\t7\n" +
    "voluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
  assertEquals(parseKernelState(status), { letter: "D", switches: 695 });
  assertEquals(parseKernelState("Name:\tx\n"), null);
  assertEquals(parseKernelState(""), null);
});
