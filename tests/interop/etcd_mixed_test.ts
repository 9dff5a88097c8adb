/** Jobs over etcd's v2 API whose nodes are torchrun's and ours, with both of torchrun's back ends: whole launchers on real etcd. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { EtcdMembers, etcdTest, startTorchrun, torchEtcdTest } from "./etcd_members.ts";
import { freePort } from "./harness.ts";
import { type MusterNode, startMuster } from "./muster_node.ts";

type Backend = "etcd" | "etcd-v2";

/** What each worker of ours prints first; torchrun's write their environments down. */
const SCRIPT =
  'echo "rank $RANK of $WORLD_SIZE group $GROUP_RANK of $GROUP_WORLD_SIZE at $MASTER_ADDR:$MASTER_PORT ' +
  'restart $TORCHELASTIC_RESTART_COUNT"; ';
/** Runs long in the node's first round, and ends at once in later ones. */
const LONG_FIRST = '[ -e "$D/began" ] || { touch "$D/began"; sleep 60; }';
const FAIL_FIRST = '[ -e "$D/began" ] || { touch "$D/began"; sleep 2; exit 1; }';

function startOurs(etcd: EtcdMembers, backend: Backend, script: string, ...args: string[]): MusterNode {
  return startMuster([
    `--rdzv-backend=${backend}`,
    `--rdzv-endpoint=${etcd.endpoints}`,
    "--rdzv-id=job",
    "--local-addr=127.0.0.1",
    ...args,
  ], SCRIPT + script);
}

async function disposed(...nodes: (AsyncDisposable | null)[]): Promise<void> {
  for (const node of nodes) await node?.[Symbol.asyncDispose]();
}

for (const backend of ["etcd", "etcd-v2"] as const) {
  etcdTest(
    `${backend}: nodes of ours restart and end together, though members of etcd are killed on the way`,
    async () => {
      await using etcd = await EtcdMembers.start({ members: 3 });
      const args = ["--nnodes=2", "--max-restarts=1"];
      const a = startOurs(
        etcd,
        backend,
        '[ "$TORCHELASTIC_RESTART_COUNT" = 1 ] || { sleep 3; exit 1; }',
        ...args,
      );
      await etcd.kill(0);
      const b = startOurs(etcd, backend, LONG_FIRST, ...args);
      try {
        await Promise.all([a.says(/rank \d of 2/), b.says(/rank \d of 2/)]);
        await etcd.restart(0);
        await etcd.kill(1);
        assertEquals([await a.code, await b.code], [0, 0], `${a.output}\n-----\n${b.output}`);
        assertStringIncludes(a.output, "restart 1");
      } finally {
        await disposed(a, b);
      }
    },
  );

  torchEtcdTest(`${backend} with torchrun: both see the same ranks, and end with 0`, async () => {
    await using etcd = await EtcdMembers.start();
    await using theirs = startTorchrun(etcd, backend, ["--nnodes=2", "--nproc-per-node=1"], "sleep 1");
    const ours = startOurs(etcd, backend, "sleep 1", "--nnodes=2", "--nproc-per-node=2");
    try {
      assertEquals([await ours.code, await theirs.code], [0, 0], `${ours.output}\n-----\n${theirs.output}`);
      const [worker] = theirs.workers();
      const isFirst = worker!.GROUP_RANK === "1";
      assertEquals([worker!.WORLD_SIZE, worker!.RANK], ["3", isFirst ? "2" : "0"]);
      const place = `group ${isFirst ? 0 : 1} of 2 at ${worker!.MASTER_ADDR}:${
        worker!.MASTER_PORT
      } restart 0`;
      for (const rank of isFirst ? [0, 1] : [1, 2]) {
        assertStringIncludes(ours.output, `rank ${rank} of 3 ${place}`);
      }
    } finally {
      await disposed(ours);
    }
  });

  for (const failing of ["our", "torchrun's"]) {
    torchEtcdTest(
      `${backend} with torchrun: after a failure of ${failing} worker both run again`,
      async () => {
        await using etcd = await EtcdMembers.start();
        const isOurs = failing === "our", args = ["--nnodes=2", "--max-restarts=1"];
        await using theirs = startTorchrun(etcd, backend, args, isOurs ? LONG_FIRST : FAIL_FIRST);
        const ours = startOurs(etcd, backend, isOurs ? FAIL_FIRST : LONG_FIRST, ...args);
        try {
          assertEquals(
            [await ours.code, await theirs.code],
            [0, 0],
            `${ours.output}\n-----\n${theirs.output}`,
          );
          assertEquals(theirs.workers().length, 2);
          assertEquals(ours.output.match(/rank \d of 2 group/g)?.length, 2, ours.output);
          assertStringIncludes(ours.output, `restart ${isOurs ? 1 : 0}`);
        } finally {
          await disposed(ours);
        }
      },
    );
  }

  torchEtcdTest(
    `${backend} with torchrun: its agent is lost, and a node of ours takes its place`,
    async () => {
      await using etcd = await EtcdMembers.start();
      // Each watches over the other with its own interval.
      const conf = backend === "etcd" ? [] : ["--rdzv-conf=keep_alive_interval=1"];
      const theirs = startTorchrun(etcd, backend, ["--nnodes=2", ...conf], "sleep 60");
      const ours = startOurs(etcd, backend, LONG_FIRST, "--nnodes=2", "--max-restarts=1", ...conf);
      let replacement: MusterNode | null = null;
      try {
        await Promise.all([theirs.running(1), ours.says(/rank \d of 2/)]);
        await theirs[Symbol.asyncDispose]();
        replacement = startOurs(etcd, backend, "true", "--nnodes=2", "--max-restarts=1", ...conf);
        const said = () => `${ours.output}\n-----\n${replacement!.output}`;
        assertEquals([await ours.code, await replacement.code], [0, 0], said());
      } finally {
        await disposed(ours, replacement, theirs);
      }
    },
  );
}

torchEtcdTest("etcd with torchrun: our agent is lost, and another of ours takes its place", async () => {
  await using etcd = await EtcdMembers.start();
  await using theirs = startTorchrun(etcd, "etcd", ["--nnodes=2", "--max-restarts=1"], LONG_FIRST);
  const ours = startOurs(etcd, "etcd", "sleep 60", "--nnodes=2");
  let replacement: MusterNode | null = null;
  try {
    await Promise.all([theirs.running(1), ours.says(/rank \d of 2/)]);
    ours.kill();
    replacement = startOurs(etcd, "etcd", "true", "--nnodes=2");
    const said = () => `${theirs.output}\n-----\n${replacement!.output}`;
    assertEquals([await replacement.code, await theirs.code], [0, 0], said());
    assertEquals(theirs.workers().length, 2);
  } finally {
    await disposed(ours, replacement);
  }
});

// Among torchrun's agents alone the first is a job that stands still, the second one of two worlds with a store each.
for (const first of ["torchrun", "muster"] as const) {
  const what = first === "torchrun" ? "another takes its place in one world" : "nobody forms a second world";
  torchEtcdTest(
    `etcd-v2 with torchrun: our agent is lost while ${first} has rank 0, and ${what}`,
    async () => {
      await using etcd = await EtcdMembers.start();
      const args = (side: string) => [
        "--nnodes=2",
        "--max-restarts=1",
        "--rdzv-conf=keep_alive_interval=1",
        `--local-addr=${side === first ? "127.0.0.1" : "127.0.0.2"}`,
      ];
      await using theirs = startTorchrun(etcd, "etcd-v2", args("torchrun"), LONG_FIRST);
      const ours = startOurs(etcd, "etcd-v2", "sleep 60", ...args("muster"));
      let replacement: MusterNode | null = null;
      try {
        await Promise.all([theirs.running(1), ours.says(/rank \d of 2/)]);
        ours.kill();
        replacement = startOurs(etcd, "etcd-v2", "true", ...args("muster"));
        const said = () => `${theirs.output}\n-----\n${ours.output}\n-----\n${replacement!.output}`;
        const [before, after] = [theirs.workers()[0]!, replacement];
        const store = `${before.MASTER_ADDR}:${before.MASTER_PORT}`;
        if (first === "torchrun") {
          assertEquals([await after.code, await theirs.code], [0, 0], said());
          const [, again] = theirs.workers();
          assertEquals(
            [again!.RANK, again!.WORLD_SIZE, `${again!.MASTER_ADDR}:${again!.MASTER_PORT}`],
            ["0", "2", store],
            said(),
          );
          assertStringIncludes(after.output, `rank 1 of 2 group 1 of 2 at ${store} restart 0`);
        } else {
          assertStringIncludes(ours.output, `rank 0 of 2 group 0 of 2 at ${store}`);
          assertEquals(await after.code, 1, said());
          assertStringIncludes(after.output, `torchrun's agents remember the store at ${store}`);
          assertEquals(after.output.match(/rank \d of/), null, said());
          assertEquals(theirs.workers().length, 1, said());
        }
      } finally {
        await disposed(ours, replacement);
      }
    },
  );
}

for (const backend of ["etcd", "etcd-v2"] as const) {
  Deno.test(`${backend}: etcd that is not there is waited for as long as the other nodes, and said`, async () => {
    const endpoint = `127.0.0.1:${freePort()}`;
    const node = startMuster([
      ...["--nnodes=2", `--rdzv-backend=${backend}`, `--rdzv-endpoint=${endpoint}`, "--rdzv-id=job"],
      // Once etcd has answered the first of these says how long.
      "--rdzv-conf=read_timeout=1,timeout=3,join_timeout=3",
    ], "true");
    try {
      assertEquals(await node.code, 1);
      const text = `etcd can't be reached: http://${endpoint} (connection refused); `;
      assertStringIncludes(node.output, `${text}trying again`);
      assertStringIncludes(node.output, `${text}tried for 3 s`);
    } finally {
      await disposed(node);
    }
  });
}

etcdTest("etcd: a closed job lets nobody in, and says what to do; a wait has its end", async () => {
  await using etcd = await EtcdMembers.start();
  const first = startOurs(etcd, "etcd", "true", "--nnodes=2"),
    second = startOurs(etcd, "etcd", "true", "--nnodes=2");
  const late: MusterNode[] = [];
  try {
    assertEquals([await first.code, await second.code], [0, 0], first.output + second.output);
    late.push(startOurs(etcd, "etcd", "true", "--nnodes=2"));
    assertEquals(await late[0]!.code, 1);
    assertStringIncludes(late[0]!.output, "delete /torchelastic/p2p/run_job in etcd");
    await using other = await EtcdMembers.start();
    late.push(startOurs(other, "etcd", "true", "--nnodes=2", "--rdzv-conf=timeout=5"));
    assertEquals(await late[1]!.code, 1);
    assertStringIncludes(late[1]!.output, "Waited 5 s for nodes: 1 of 2 is here, in vain");
  } finally {
    await disposed(first, second, ...late);
  }
});
