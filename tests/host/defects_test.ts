import { assertEquals, assertStringIncludes } from "@std/assert";
import { killMarked, type Mark, waitUntilGone } from "../e2e/processes.ts";

const FIXTURE = new URL("../fixtures/defective_launcher.ts", import.meta.url).pathname;

for (
  const [way, message] of [["reject", "planted in a promise"], ["throw", "planted in a callback"]] as const
) {
  Deno.test(`endByDefects() ends with code 70, the reason, and no worker left (${way})`, async () => {
    const id = crypto.randomUUID().replaceAll("-", "");
    const mark: Mark = { env: {}, needle: `MUSTER_MARK=${id}` };
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", FIXTURE, id, way],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    try {
      const ready = child.stdout.getReader();
      await ready.read();
      await ready.cancel();
      await child.stdin.close();
      const [status, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
      assertEquals(status.code, 70);
      assertStringIncludes(stderr, "a defect of muster itself");
      assertStringIncludes(stderr, message);
      assertEquals(await waitUntilGone(mark, 5_000), []);
    } finally {
      killMarked(mark);
    }
  });
}
