/** Our store against PyTorch's of every generation, both ways round: its clients at our server, our client at its servers. */

import { assertEquals } from "@std/assert";
import { startStoreServer } from "../../lib/host/store_server.ts";
import { type Dialect, OPERATIONS, type RequestKind } from "../../lib/store/wire.ts";
import { ROOT, runProgram } from "./harness.ts";
import { doEveryOperation } from "./store_operations.ts";
import {
  nameOf,
  pythonOf,
  PYTORCH_SERVERS,
  type PytorchServer,
  type Release,
  releaseTest,
  withPytorchServer,
} from "./torch_releases.ts";
import { socketTest } from "../host/socket_case.ts";

const EARLY = "set get add num_keys compare_set wait delete_key";

/** What `store_clients.py` says to have done. */
const CLIENTS: readonly { release: Release; version: string; dialect: Dialect; operations: string }[] = [
  { release: "1.13", version: "1.13.0a0", dialect: "a", operations: EARLY },
  { release: "2.0.1", version: "2.0.1", dialect: "a", operations: EARLY },
  {
    release: "2.1.0",
    version: "2.1.0",
    dialect: "b",
    operations: `${EARLY} append multi_set multi_get cancel_wait`,
  },
  {
    release: "2.2.0",
    version: "2.2.0",
    dialect: "c",
    operations: `${EARLY} append multi_set multi_get cancel_wait`,
  },
  {
    release: "2.15",
    version: "2.15.0",
    dialect: "c",
    operations:
      `${EARLY} list_keys check append multi_set multi_get queue_push queue_pop queue_len barrier clone ` +
      "cancel_wait",
  },
];

for (const { release, version, dialect, operations } of CLIENTS) {
  for (const pinned of [null, dialect]) {
    const way = pinned === null ? "whose generation it finds out" : `told that it is generation ${pinned}`;
    releaseTest(
      release,
      `startStoreServer() serves every operation of PyTorch ${release}'s client, ${way}`,
      async () => {
        const lines: string[] = [];
        const onLog = (line: string) => void lines.push(line);
        const server = startStoreServer({ host: "127.0.0.1", port: 0, dialect: pinned, onLog });
        try {
          const script = `${ROOT}tests/interop/store_clients.py`;
          const run = await runProgram([pythonOf(release), script, "127.0.0.1", String(server.port)]);
          assertEquals(run.stdout, `${version} ${operations}\n`, run.stderr);
          assertEquals(lines, []);
        } finally {
          server.close();
        }
      },
    );
  }
}

for (const server of PYTORCH_SERVERS) {
  const { release, dialect } = server;
  releaseTest(release, `StoreClient does every operation that PyTorch's server ${nameOf(server)} has`, () => {
    return withPytorchServer(server, (port) => doEveryOperation({ port, dialect, lacks: lackedBy(server) }));
  });
}

for (const dialect of ["a", "b", "c"] as const) {
  socketTest(
    `StoreClient does every operation of generation ${dialect} that our own server has`,
    async () => {
      const server = startStoreServer({ host: "127.0.0.1", port: 0 });
      try {
        await doEveryOperation({ port: server.port, dialect, lacks: notIn(dialect) });
      } finally {
        server.close();
      }
    },
  );
}

function notIn(dialect: Dialect): Set<RequestKind> {
  const ofLatest = OPERATIONS.c.filter((kind) => kind !== undefined);
  return new Set(ofLatest.filter((kind) => !OPERATIONS[dialect].includes(kind)));
}

const QUEUES: readonly RequestKind[] = ["queuePush", "queuePop", "queueLength"];
/** What came after 2.2. */
const LATE: readonly RequestKind[] = [...QUEUES, "ping", "listKeys", "barrier"];

function lackedBy({ release, backend, dialect }: PytorchServer): Set<RequestKind> {
  return new Set([
    ...notIn(dialect),
    ...(release === "2.2.0" ? LATE : []),
    ...(backend === "legacy" ? QUEUES : []),
  ]);
}
