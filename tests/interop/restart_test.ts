/** Restarts of real process groups (gloo): each attempt must find an empty store at the same address. */

import { assertEquals } from "@std/assert";
import { FIXTURES, interopTest, runLauncher } from "./harness.ts";

const ATTEMPTS = `${FIXTURES}/gloo_attempts.py`;

interopTest("ten gloo restarts of ten succeed, where torchrun's attempts meet dead keys", async () => {
  await withMetFile(async (met) => {
    const run = await runLauncher("muster", [
      "--standalone",
      "--nproc-per-node=2",
      "--max-restarts=10",
      ATTEMPTS,
    ], {
      env: { MET: met, SUCCEED_AT: "10" },
      timeoutMs: 240_000,
    });
    assertEquals(run.code, 0, run.stderr);
    const lines = linesOf(met);
    assertEquals(lines.map((line) => Number(line.split(" ")[1])), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assertEquals(new Set(lines.map((line) => line.split(" ")[3])).size, 1, "the store keeps its address");
  });
});

interopTest("a restart works where rank 0 hosts the store itself", async () => {
  await withMetFile(async (met) => {
    const run = await runLauncher("muster", [
      "--standalone",
      "--nproc-per-node=2",
      "--max-restarts=2",
      ATTEMPTS,
    ], {
      env: { MET: met, SUCCEED_AT: "2", TORCH_DISABLE_SHARE_RDZV_TCP_STORE: "1" },
      timeoutMs: 120_000,
    });
    assertEquals(run.code, 0, run.stderr);
    assertEquals(linesOf(met).length, 3);
  });
});

interopTest("two stacked jobs run at once on one machine", async () => {
  const jobs = ["first", "second"].map((id) =>
    withMetFile(async (met) => {
      const options = [
        "--nproc-per-node=2",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=localhost:0",
        `--rdzv-id=${id}`,
      ];
      const run = await runLauncher("muster", [...options, ATTEMPTS], {
        env: { MET: met },
        timeoutMs: 120_000,
      });
      assertEquals(run.code, 0, run.stderr);
      return linesOf(met)[0]!.split(" ")[3];
    })
  );
  const ports = await Promise.all(jobs);
  assertEquals(new Set(ports).size, 2);
});

async function withMetFile<T>(body: (path: string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempFile({ prefix: "muster-met-" });
  try {
    return await body(path);
  } finally {
    await Deno.remove(path);
  }
}

function linesOf(path: string): string[] {
  return Deno.readTextFileSync(path).split("\n").filter((line) => line !== "");
}
