/** The main job, as a newcomer runs it: `deno task demo`. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { killMarked, markedProcesses, newMark } from "./processes.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

Deno.test("deno task demo trains, loses a worker, restarts and converges", async () => {
  const mark = newMark();
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "demo"],
      cwd: ROOT,
      env: mark.env,
      stdin: "null",
    }).output();
    const [said, launcherSaid] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)) as [
      string,
      string,
    ];
    assertEquals(code, 0, `${said}\n${launcherSaid}`);
    assertStringIncludes(said, "attempt 0: 4 workers, from step 0 of 60\n");
    assertStringIncludes(said, "worker 3: dies at step 25, on purpose\n");
    assertStringIncludes(said, "attempt 1: 4 workers, from step 20 of 60\n");
    assertMatch(said, /^demo: as it should be: .+$/m);
    assertMatch(launcherSaid, /^muster: .*SIGKILL/m);
    assertEquals(markedProcesses(mark), []);
  } finally {
    killMarked(mark);
  }
});
