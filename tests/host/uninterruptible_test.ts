import { assertEquals, assertStringIncludes } from "@std/assert";
import { startUninterruptibleGuard } from "../../lib/host/uninterruptible.ts";
import type { StuckProcess } from "../../lib/supervise/uninterruptible.ts";
import { canFreeze, newFreezer } from "./freezer.ts";

Deno.test({
  name: "startUninterruptibleGuard() finds a process that is really stuck, and only that one",
  ignore: !canFreeze(),
  fn: async () => {
    await using frozen = newFreezer();
    const sleeper = () => new Deno.Command("sleep", { args: ["60"] }).spawn();
    const [stuck, idle] = [sleeper(), sleeper()];
    frozen.freeze(stuck.pid);
    const found: StuckProcess[] = [];
    const guard = await new Promise<{ close(): void }>((resolve) => {
      const started = startUninterruptibleGuard({
        timeoutMs: 300,
        pids: () => [stuck.pid, idle.pid],
        onStuck: (one) => {
          found.push(one);
          resolve(started);
        },
      });
    });
    guard.close();
    frozen.thaw();
    for (const child of [stuck, idle]) child.kill("SIGKILL");
    await Promise.all([stuck.status, idle.status]);
    assertEquals(found.map(({ pid }) => pid), [stuck.pid]);
    assertStringIncludes(found[0]!.reason, "stuck in the kernel for");
  },
});
