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

Deno.test("endByDefects() names a permission that Deno refuses, and what to do", async () => {
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-read", main, "--no-python", "true"],
    stdin: "null",
  }).output();
  assertEquals(code, 71);
  assertStringIncludes(new TextDecoder().decode(stderr), "Start it with 'deno run -A'");
});
