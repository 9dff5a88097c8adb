/** Our store against PyTorch's, both ways round: its clients at our server, our client at its servers. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { reservePort } from "../../lib/host/listener.ts";
import { StoreClient, StoreTimeoutError } from "../../lib/host/store_client.ts";
import { startStoreServer } from "../../lib/host/store_server.ts";
import { interopTest, PYTHON, ROOT, runProgram } from "./harness.ts";

const OPERATIONS =
  "set get add num_keys compare_set wait delete_key list_keys check append multi_set multi_get " +
  "queue_push queue_pop queue_len barrier clone cancel_wait";

interopTest("startStoreServer() serves every operation of PyTorch 2.15's client", async () => {
  const lines: string[] = [];
  const server = startStoreServer({ host: "127.0.0.1", port: 0, onLog: (line) => lines.push(line) });
  try {
    const run = await runProgram([
      ...[PYTHON, `${ROOT}tests/interop/store_clients.py`, "127.0.0.1", String(server.port)],
    ]);
    assertEquals(run.stdout, `2.15.0 ${OPERATIONS}\n`, run.stderr);
    assertEquals(lines, []);
  } finally {
    server.close();
  }
});

for (const backend of ["libuv", "legacy"] as const) {
  interopTest(
    `StoreClient works with PyTorch 2.15's ${backend} server`,
    () =>
      withPytorchServer(backend, async (port) => {
        const store = await StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 20_000 });
        const other = await StoreClient.connect({ host: "127.0.0.1", port, timeoutMs: 20_000 });
        try {
          await store.set("k", "v");
          assertEquals(await store.getText("k"), "v");
          const long = new Uint8Array(1_000_000).fill(7);
          await store.set("long", long);
          assertEquals(await store.get("long"), long);
          assertEquals(await store.add("n", -3), -3);
          assertEquals(await store.addInt64("n", 2n ** 53n), 2n ** 53n - 3n);
          assertEquals(text(await store.compareSet("k", "v", "w")), "w");
          assertEquals(text(await store.compareSet("k", "v", "x")), "w");
          assertEquals(await store.check(["k", "n"]), true);
          assertEquals(await store.check(["k", "absent"]), false);
          await store.multiSet([["m1", "1"], ["m2", "2"]]);
          assertEquals((await store.multiGet(["m2", "m1"])).map(text), ["2", "1"]);
          await store.append("k", "!");
          assertEquals(await store.getText("k"), "w!");
          assertEquals(await store.delete("m1"), true);
          assertEquals(await store.delete("m1"), false);
          assertEquals(await store.countKeys(), 4);
          await store.ping();

          const later = Promise.all([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => store.getText(`later${n}`)));
          for (let n = 10; n > 0; n--) await other.set(`later${n}`, String(n));
          assertEquals(await later, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
          let error: unknown;
          await store.wait(["never"], { timeoutMs: 100 }).catch((caught) => error = caught);
          assertEquals(error instanceof StoreTimeoutError, true);
          assertEquals(await store.prefixed("p").check(["k"]), false);
          assertEquals((await store.listKeys()).includes("later10"), true);

          const through = store.barrier("b", 2);
          await other.barrier("b", 2);
          await through;
          if (backend === "legacy") return;
          const popped = store.queuePop("q");
          await other.queuePush("q", "job");
          assertEquals(text((await popped)!), "job");
          assertEquals(await store.queueLength("q"), 0);
        } finally {
          store.close();
          other.close();
        }
      }),
  );
}

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

const SERVER = `
import sys, torch.distributed as dist
store = dist.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False, use_libuv=sys.argv[1] == "libuv")
print(store.port, flush=True)
sys.stdin.read()
`;

/** Runs `body` while PyTorch serves a store; the server ends when its stdin does. */
async function withPytorchServer(backend: string, body: (port: number) => Promise<void>): Promise<void> {
  const child = new Deno.Command(PYTHON, {
    args: ["-c", SERVER, backend],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  try {
    const { value } = await reader.read();
    await body(Number(text(value ?? new Uint8Array())));
  } finally {
    await reader.cancel();
    await child.stdin.close();
    await child.status;
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
