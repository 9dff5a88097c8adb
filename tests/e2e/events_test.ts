/** `--events` of a real job, and what `muster report` makes of it. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseEventLine } from "../../lib/agent/job_event.ts";
import { killMarked, newMark } from "./processes.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

Deno.test("events: a job that is restarted leaves its story, a page and a trace, and says what it cost", async () => {
  const mark = newMark();
  const directory = await Deno.makeTempDir({ prefix: "events-" });
  const muster = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", `${ROOT}main.ts`, ...args],
      env: mark.env,
      stdin: "null",
    }).output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  };
  try {
    const file = `${directory}/events.jsonl`;
    const script = 'test "$TORCHELASTIC_RESTART_COUNT" = 1 || test "$RANK" = 0 && exec sleep 0.2; exit 7';
    const ran = await muster(
      ...[`--events=${file}`, `--metrics-file=${directory}/m.prom`, "--nproc-per-node=2", "--max-restarts=1"],
      ...["--no-python", "sh", "-c", script],
    );
    assertEquals(ran.code, 0);
    assertMatch(ran.stderr, /muster: 2 attempts in .+, .+ lost to failures, first worker after .+\n/);
    const events = (await Deno.readTextFile(file)).trimEnd().split("\n").map((line) => parseEventLine(line)!);
    assert(events.every((event) => event !== null));
    const kinds = events.map(({ event }) => event);
    assertEquals([kinds[0], kinds.at(-1)], ["job-started", "job-ended"]);
    assertEquals(kinds.filter((kind) => kind === "worker-started").length, 4);
    const failed = events.find((event) => event.event === "worker-ended" && event.outcome === "failed");
    assert(failed?.event === "worker-ended" && failed.rank === 1 && failed.exitCode === 7);
    const metrics = await Deno.readTextFile(`${directory}/m.prom`);
    assertStringIncludes(metrics, '\nmuster_job_phase{phase="succeeded"} 1\n');
    assertStringIncludes(metrics, "\nmuster_restarts_total 1\n");

    assertEquals((await muster("report", file)).stdout, `${directory}/events.html\n`);
    assertStringIncludes(await Deno.readTextFile(`${directory}/events.html`), ") failed: exit code 7");
    const trace = await muster("report", file, "--format=perfetto", "-o", "-");
    assert(JSON.parse(trace.stdout).traceEvents.length > 10);
    const missing = await muster("report", `${directory}/other.jsonl`);
    assertEquals(missing.code, 71);
    assertStringIncludes(missing.stderr, `Cannot read "${directory}/other.jsonl": No such file`);
  } finally {
    killMarked(mark);
    await Deno.remove(directory, { recursive: true });
  }
});
