/** `torch.distributed` of PyTorch 2.15 with gloo on our store: what a training job does with it. */

import { assertEquals } from "@std/assert";
import { startStoreServer } from "../../lib/host/store_server.ts";
import { interopTest, PYTHON, ROOT, runProgram } from "./harness.ts";
import { socketTest } from "../host/socket_case.ts";

interopTest("startStoreServer() serves DDP, every collective, objects, groups and barriers", () => {
  return assertDone(4, ["collectives", "objects", "barriers", "groups", "stores", "training"]);
}, socketTest);

interopTest("startStoreServer() serves 64 processes at once", () => {
  return assertDone(64, ["stores", "objects", "barriers"]);
}, socketTest);

/** Runs `world` processes that do all `parts` on a new store, which has nothing to complain of. */
async function assertDone(world: number, parts: readonly string[]): Promise<void> {
  const lines: string[] = [];
  const server = startStoreServer({ host: "127.0.0.1", port: 0, onLog: (line) => lines.push(line) });
  try {
    const run = await runProgram([
      PYTHON,
      `${ROOT}tests/interop/store_collectives.py`,
      String(world),
      ...parts,
    ], {
      env: {
        MASTER_ADDR: "127.0.0.1",
        MASTER_PORT: String(server.port),
        GLOO_SOCKET_IFNAME: "lo",
        OMP_NUM_THREADS: "1",
      },
      timeoutMs: 200_000,
    });
    assertEquals(run.stdout, `${parts.join(" ")}\n`, run.stderr);
    assertEquals(run.survivors, []);
    assertEquals(lines, []);
    assertEquals(server.stats.closedConnections, 0);
  } finally {
    server.close();
  }
}
