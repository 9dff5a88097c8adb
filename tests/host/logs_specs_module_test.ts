import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { SystemError } from "../../lib/core/errors.ts";
import { loadLogsSpecs } from "../../lib/host/logs_specs_module.ts";
import type { LogsAttempt } from "../../lib/logs/logs_specs.ts";
import { ROOT, runLauncher } from "../interop/harness.ts";

const STREAM = { file: null, console: true };
const ATTEMPT: LogsAttempt = {
  ...{ jobId: "job", role: "default", hostName: "node1", attempt: 0, round: 0, directory: "/logs" },
  workers: [{ localRank: 0, rank: 4, stdout: STREAM, stderr: STREAM }],
};

/** Writes `text` as a module and hands its path and directory on. */
async function withModule(
  text: string,
  test: (path: string, directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "muster-specs-" });
  try {
    const path = `${directory}/logs.ts`;
    await Deno.writeTextFile(path, text);
    await test(path, directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("loadLogsSpecs() asks the module for each attempt", () =>
  withModule(
    "export default ({ workers, attempt }: any) => ({ workers: workers.map(({ rank, stdout, stderr }: any) => " +
      "({ stdout: { file: `/x/${attempt}/${rank}`, console: false }, stderr })) });",
    async (path) => {
      const specs = await loadLogsSpecs(path);
      assertEquals(specs({ ...ATTEMPT, attempt: 2 }).workers, [
        { stdout: { file: "/x/2/4", console: false }, stderr: STREAM },
      ]);
    },
  ));

Deno.test("loadLogsSpecs() names the module and what is wrong with it", async () => {
  const wrong: [string, RegExp][] = [
    ["export default 3;", /Cannot use .*logs\.ts": its default export must be a function/],
    ["this is no module", /Cannot load the module of --logs-specs, ".*logs\.ts": /],
  ];
  for (const [text, message] of wrong) {
    await withModule(text, async (path) => {
      const error = await assertRejects(() => loadLogsSpecs(path), SystemError);
      assertMatch(error.message, message);
    });
  }
  await withModule("export default () => { throw new Error('no disk today'); };", async (path) => {
    const specs = await loadLogsSpecs(path);
    assertMatch(assertThrows(() => specs(ATTEMPT), SystemError).message, /logs\.ts", failed: no disk today$/);
  });
  await withModule("export default async () => ({ workers: [] });", async (path) => {
    const specs = await loadLogsSpecs(path);
    assertMatch(
      assertThrows(() => specs(ATTEMPT), SystemError).message,
      /returned: it must return an object/,
    );
  });
});

const EXAMPLE = `import type { LogsSpecs } from "${ROOT}lib/logs/logs_specs.ts";
const specs: LogsSpecs = ({ jobId, attempt, workers }) => ({
  workers: workers.map(({ rank, stderr }) => ({
    stdout: { file: \`DIRECTORY/\${jobId}/\${attempt}/rank\${rank}.out\`, console: rank === 0 },
    stderr: { ...stderr, file: \`DIRECTORY/\${jobId}/\${attempt}/rank\${rank}.err\` },
    errorFile: \`DIRECTORY/\${rank}.error\`,
  })),
});
export default specs;`;

Deno.test("--logs-specs puts each stream where the module says, and nothing over what is there", () =>
  withModule("", async (path, directory) => {
    await Deno.writeTextFile(path, EXAMPLE.replaceAll("DIRECTORY", directory));
    const args = [
      "--rdzv-id=job",
      "--rdzv-backend=c10d",
      "--nproc-per-node=2",
      `--logs-specs=${path}`,
      "--no-python",
    ];
    const script = 'echo out $RANK; echo err $RANK >&2; echo "$TORCHELASTIC_ERROR_FILE"';
    const first = await runLauncher("muster", [...args, "sh", "-c", script]);
    assertEquals([first.code, first.stderr.split("\n").toSorted()], [0, [
      "",
      "[default0]:err 0",
      "[default1]:err 1",
    ]]);
    assertEquals(first.stdout, `[default0]:out 0\n[default0]:${directory}/0.error\n`);
    const file = (name: string) => Deno.readTextFile(`${directory}/job/0/${name}`);
    assertEquals(await file("rank1.out"), `out 1\n${directory}/1.error\n`);
    assertEquals(await file("rank0.err"), "err 0\n");
    const again = await runLauncher("muster", [...args, "sh", "-c", script]);
    assertEquals([again.code, again.stdout], [71, ""]);
    assertMatch(again.stderr, /rank0\.out": it is there already, and logs are never overwritten/);
  }));
