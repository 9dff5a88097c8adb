/** Real programs fail in every way that the report knows, and the report says what happened. */

import { assertEquals, assertMatch } from "@std/assert";
import { judge } from "../../lib/agent/report.ts";
import { RECORDED, type Sample, sampleStatus, writeSample } from "../agent/samples.ts";
import { failedAttempt, workerFacts } from "../agent/attempts.ts";
import { interopTest, PYTHON, ROOT, type Run, runProgram, TORCH_HOME } from "./harness.ts";

const REWRITE = Deno.env.get("MUSTER_REWRITE_SAMPLES") === "1";

for (const sample of RECORDED) {
  interopTest(`judge() understands what a real worker prints: ${sample.name}`, async () => {
    const { signal, stderr } = await runSample(sample);
    assertEquals(signal, sample.signal ?? null);
    if (REWRITE) writeSample(sample.name, withoutPlaces(stderr));
    const worker = workerFacts(0, { status: sampleStatus(sample), tail: stderr.trimEnd().split("\n") });
    const { explanation } = judge(failedAttempt([worker])).rootCause!;
    assertEquals([explanation.kind, explanation.isConsequence], [sample.kind, sample.isConsequence ?? false]);
    assertMatch(explanation.summary, sample.summary);
  });
}

/** Runs one worker, or two that meet through a file, and returns the one that is looked at. */
async function runSample({ name, ranks = 1, sampledRank = 0 }: Sample): Promise<Run> {
  const directory = await Deno.makeTempDir({ prefix: "muster-sample-" });
  try {
    const ended = await Promise.all(
      Array.from(
        { length: ranks },
        (_, rank) =>
          runProgram([PYTHON, "-u", `${ROOT}tests/interop/report_worker.py`, name], {
            env: { RANK: `${rank}`, WORLD_SIZE: `${ranks}`, MEETING_FILE: `${directory}/meeting` },
          }),
      ),
    );
    return ended[sampledRank]!;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Where things lie on the recording machine is no part of the sample. */
function withoutPlaces(text: string): string {
  return text
    .replaceAll(TORCH_HOME, "/opt/venv")
    .replaceAll(ROOT, "/job/")
    .replace(/\/\S*\/lib\/python3\.11\/(?!site-packages)/g, "/usr/lib/python3.11/")
    .replace(/\/\S*\/tmp\w+\.py/g, "/job/train.py");
}
