/** A worker that hosts the store itself, as PyTorch's static rendezvous has it. */

import { assertStringIncludes } from "@std/assert";
import { reservePort } from "../../lib/host/listener.ts";
import { interopTest, PYTHON, runProgram } from "./harness.ts";

interopTest("reservePort() leaves its port to a worker that hosts the store itself", async () => {
  const reserved = reservePort({ host: "127.0.0.1", port: 0 });
  try {
    const run = await runProgram([PYTHON, "-c", HOST_ITSELF, String(reserved.port)]);
    assertStringIncludes(run.stdout, `listens on ${reserved.port}`, run.stderr);
  } finally {
    reserved.release();
  }
});

const HOST_ITSELF = `
import sys, torch.distributed as dist
for use_libuv in (True, False):
    store = dist.TCPStore("127.0.0.1", int(sys.argv[1]), 1, True, use_libuv=use_libuv)
    store.set("k", "v")
    print("listens on", store.port)
    del store
`;
