import { assertEquals } from "@std/assert";
import { KernelLog } from "../../lib/host/kernel_log.ts";
import { libc } from "../../lib/host/libc.ts";

// Once for the process: no test is to be blamed for opening it.
libc();

function canWriteKernelLog(): boolean {
  try {
    Deno.openSync("/dev/kmsg", { write: true }).close();
    return true;
  } catch {
    return false;
  }
}

Deno.test({
  name: "KernelLog.take() gives what was logged since, once, and never waits for more",
  // Only root may write into the log, and some containers have none.
  ignore: !canWriteKernelLog(),
  fn: () => {
    const write = (name: string) =>
      Deno.writeTextFileSync(
        "/dev/kmsg",
        `muster-${name}[1]: segfault at 0 ip 0 sp 0 error 4 in libtest.so[0]\n`,
      );
    const id = crypto.randomUUID();
    const taken = (log: KernelLog) =>
      log.take()?.filter((line) => line.includes(id)).map((line) => line.split(`-${id}`)[0]);
    write(`before-${id}`);
    const log = new KernelLog();
    try {
      assertEquals(taken(log), []);
      write(`first-${id}`);
      write(`second-${id}`);
      assertEquals(taken(log), ["muster-first", "muster-second"]);
      assertEquals(taken(log), []);
    } finally {
      log.close();
    }
  },
});

Deno.test("KernelLog.take() answers null where there is no log to read", () => {
  const log = new KernelLog("/nowhere/kmsg");
  assertEquals(log.take(), null);
  log.close();
});
