import { assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { childrenView, isEnding, processInfo } from "../../lib/host/process_table.ts";

Deno.test("isEnding() tells what has ended and was not waited for from what runs, and from what it can't see", async () => {
  // The shell becomes a program that waits for nobody, so its child stays as a zombie.
  const parent = new Deno.Command("/bin/sh", { args: ["-c", "sleep 0.05 & exec sleep 60"] }).spawn();
  try {
    const [child] = await firstChildren(parent.pid);
    while (processInfo(child!)?.state !== "Z") await delay(5);
    assertEquals([isEnding(child!), isEnding(parent.pid), isEnding(Deno.pid)], [true, false, false]);
  } finally {
    parent.kill("SIGKILL");
    await parent.status;
  }
  assertEquals(isEnding(parent.pid), false);
});

async function firstChildren(pid: number): Promise<readonly number[]> {
  while (true) {
    const children = childrenView()(pid);
    if (children.length > 0) return children;
    await delay(5);
  }
}
