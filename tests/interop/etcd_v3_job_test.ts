import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { EtcdMembers, etcdTest, makeCertificates } from "./etcd_members.ts";
import { freePort } from "./harness.ts";
import { type MusterNode, startMuster } from "./muster_node.ts";

const NODES_MAX = 3;

interface Job {
  readonly etcd: EtcdMembers;
  readonly nodes: MusterNode[];
  /** Node ids are n0, n1, …; `script` is the workers', a shell's. */
  start(count: number, script: string, ...args: string[]): MusterNode[];
  /** Index of the node that hosts the job, as etcd has it. */
  host(): Promise<number>;
}

async function withJob(members: number, body: (job: Job) => Promise<void>): Promise<void> {
  await using etcd = await EtcdMembers.start({ members });
  const nodes: MusterNode[] = [];
  const start = (count: number, script: string, ...args: string[]) => {
    const started = Array.from({ length: count }, () =>
      startMuster(
        [
          "--rdzv-backend=etcd-v3",
          `--rdzv-endpoint=${etcd.endpoints}`,
          "--rdzv-id=job",
          `--node-id=n${nodes.length}`,
          ...args,
        ],
        script,
        nodes,
      ));
    return started;
  };
  const host = async () => {
    for (let attempt = 0; attempt < 200; attempt++) {
      const value = await etcd.control("get", "/muster/job/host", "--print-value-only").catch(() => "");
      const [, index] = /"node":"n(\d)"/.exec(value) ?? [];
      if (index !== undefined) return Number(index);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("etcd has no host of the job");
  };
  try {
    await body({ etcd, nodes, start, host });
  } finally {
    for (const node of nodes) await node[Symbol.asyncDispose]();
  }
}

/** Carries connections to a port of this machine, until it is cut. */
class Relay {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  readonly #targetPort: number;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  cut(): void {
    this.#listener.close();
    for (const connection of this.#open) connection.close();
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    try {
      this.cut();
    } catch {
      // It is cut already.
    }
  }

  async #accept(): Promise<void> {
    for await (const near of this.#listener) {
      const far = await Deno.connect({ hostname: "127.0.0.1", port: this.#targetPort });
      for (const [from, to] of [[near, far], [far, near]] as const) {
        this.#open.add(from);
        from.readable.pipeTo(to.writable).catch(() => {}).finally(() => this.#open.delete(from));
      }
    }
  }
}

const codes = (nodes: readonly MusterNode[]) => Promise.all(nodes.map(({ code }) => code));
const said = (nodes: readonly MusterNode[]) => nodes.map(({ output }) => output).join("\n-----\n");

/** What each worker that began has printed: "rank 0 of 2 at 127.0.0.1:40001". */
const SCRIPT =
  'echo "rank $RANK of $WORLD_SIZE at $MASTER_ADDR:$MASTER_PORT restart $TORCHELASTIC_RESTART_COUNT"; ';

etcdTest(
  "etcd-v3: two nodes meet, work and end together; who comes late ends too, and later the id is free again",
  () =>
    withJob(1, async ({ etcd, start }) => {
      const nodes = start(2, SCRIPT, "--nnodes=2", "--nproc-per-node=2");
      assertEquals(await codes(nodes), [0, 0], said(nodes));
      const worlds = said(nodes).match(/rank \d of 4 at \S+/g)!.sort();
      assertEquals(worlds.map((line) => line.slice(0, 6)), ["rank 0", "rank 1", "rank 2", "rank 3"]);
      assertEquals(new Set(worlds.map((line) => line.split(" at ")[1])).size, 1, "one store for all");
      const left = await etcd.control("get", "/muster/", "--prefix", "--keys-only");
      assertEquals(left, "/muster/job/ended\n\n/muster/job/epoch\n\n");

      const late = start(1, SCRIPT, "--nnodes=1:2");
      assertEquals(await codes(late), [0], said(late));
      assertStringIncludes(said(late), "The job has ended already, with exit code 0, so nothing is started");
      assertEquals(said(late).match(/rank/), null, said(late));

      // As its lease does after two minutes.
      await etcd.control("del", "/muster/job/ended");
      const again = start(2, SCRIPT, "--nnodes=2");
      assertEquals(await codes(again), [0, 0], said(again));
      assertEquals(said(again).match(/rank \d of 2/g)?.length, 2, said(again));
    }),
);

etcdTest(
  "etcd-v3: a worker's failure starts all again, and the spent budget ends all with 1",
  () =>
    withJob(1, async ({ start }) => {
      const nodes = start(
        2,
        `${SCRIPT} [ "$RANK" = 1 ] && { sleep 1; exit 7; }; sleep 60`,
        "--nnodes=2",
        "--max-restarts=1",
      );
      assertEquals(await codes(nodes), [1, 1], said(nodes));
      assertEquals(said(nodes).match(/rank \d of 2 at \S+ restart 1/g)?.length, 2, said(nodes));
    }),
);

for (const victim of ["host", "guest"] as const) {
  etcdTest(
    `etcd-v3: the ${victim}'s agent is killed; the others go on, with one host`,
    () =>
      withJob(1, async ({ etcd, nodes, start, host }) => {
        const args = ["--nnodes=2:3", "--rdzv-conf=last_call_timeout=10"];
        start(NODES_MAX, `${SCRIPT} [ "$WORLD_SIZE" = 2 ] || sleep 60`, ...args);
        await Promise.all(nodes.map((node) => node.says(/rank \d of 3/)));
        const first = await host();
        const killed = victim === "host" ? first : (first + 1) % NODES_MAX;
        const start0 = performance.now();
        nodes[killed]!.kill();
        const others = nodes.filter((_, index) => index !== killed);
        await Promise.all(others.map((node) => node.says(/rank \d of 2/)));
        // Far below the time of a lease, which is 15 s.
        assert(performance.now() - start0 < 10_000, said(nodes));
        assertEquals(await codes(others), [0, 0], said(nodes));
        const epoch = await etcd.control("get", "/muster/job/epoch", "--print-value-only");
        assertEquals(epoch.trim(), victim === "host" ? "2" : "1");
      }),
  );
}

etcdTest(
  "etcd-v3: a killed host of a job that needs every node is replaced",
  () =>
    withJob(1, async ({ nodes, start, host }) => {
      const args = ["--nnodes=2", "--max-restarts=2"];
      start(2, `${SCRIPT} [ -e "$D/began" ] || { touch "$D/began"; sleep 60; }`, ...args);
      await Promise.all(nodes.map((node) => node.says(/rank \d of 2/)));
      const killed = await host();
      nodes[killed]!.kill();
      const [replacement] = start(1, SCRIPT, ...args);
      const alive = [nodes[1 - killed]!, replacement!];
      assertEquals(await codes(alive), [0, 0], said(nodes));
    }),
);

etcdTest(
  "etcd-v3: the host leaves by SIGTERM, and another goes on without it",
  () =>
    withJob(1, async ({ nodes, start, host }) => {
      start(
        2,
        `${SCRIPT} [ "$WORLD_SIZE" = 1 ] || sleep 60`,
        "--nnodes=1:2",
        "--rdzv-conf=last_call_timeout=10",
      );
      await Promise.all(nodes.map((node) => node.says(/rank \d of 2/)));
      const leaving = await host();
      nodes[leaving]!.terminate();
      assertEquals(await nodes[leaving]!.code, 128 + 15, said(nodes));
      assertEquals(await nodes[1 - leaving]!.code, 0, said(nodes));
      assertMatch(nodes[1 - leaving]!.output, /rank 0 of 1/);
    }),
);

etcdTest(
  "etcd-v3: a member of etcd is killed while nodes meet, and another while they work",
  () =>
    withJob(3, async ({ etcd, nodes, start, host }) => {
      start(1, `${SCRIPT} sleep 4`, "--nnodes=2");
      await host();
      await etcd.kill(0);
      start(1, `${SCRIPT} sleep 4`, "--nnodes=2");
      await Promise.all(nodes.map((node) => node.says(/rank \d of 2/)));
      await etcd.restart(0);
      await etcd.kill(1);
      assertEquals(await codes(nodes), [0, 0], said(nodes));
    }),
);

etcdTest(
  "etcd-v3: a host that etcd loses ends its round before another can begin one, and all go on afterwards",
  () =>
    withJob(1, async ({ etcd, nodes, start, host }) => {
      // Leases of 3 s, and nothing but the lease ends the round.
      const conf = "--rdzv-conf=keep_alive_interval=1,keep_alive_max_attempt=3";
      start(2, `${SCRIPT} [ -e "$D/thawed" ] || sleep 60`, "--nnodes=2", conf);
      await Promise.all(nodes.map((node) => node.says(/rank \d of 2/)));
      const first = await host();
      etcd.freeze(0);
      await nodes[first]!.says(/host no longer/);
      await nodes[1 - first]!.says(/was lost|host is it no longer/);
      for (const { directory } of nodes) await Deno.writeTextFile(`${directory}/thawed`, "");
      etcd.thaw(0);
      assertEquals(await codes(nodes), [0, 0], said(nodes));
      assertStringIncludes(said(nodes), "etcd answers again");
    }),
);

etcdTest(
  "etcd-v3: workers of a host that etcd has lost are gone before another host begins, whatever they do about it",
  () =>
    withJob(1, async ({ etcd, nodes, start, host }) => {
      const shared = await Deno.makeTempDir({ prefix: "muster-pids-" });
      using relay = new Relay(Number(etcd.endpoints.split(":")[1]));
      try {
        // The first round's worker of the host ends for SIGKILL only; those of the next round look for it.
        const script = `${SCRIPT} cd ${shared}; ` +
          'if [ "$WORLD_SIZE" = 2 ]; then read -r me rest </proc/self/stat; echo "$me" >"pid.$RANK"; [ "$RANK" = 1 ] || trap "" TERM; ' +
          "while :; do sleep 0.1; done; fi; " +
          'for pid in $(cat pid.*); do ! kill -0 "$pid" 2>/dev/null || echo "beside $pid"; done';
        const args = [
          "--nnodes=1:2",
          "--rdzv-conf=keep_alive_interval=1,keep_alive_max_attempt=3,last_call_timeout=10",
        ];
        start(1, script, ...args, `--rdzv-endpoint=127.0.0.1:${relay.port}`);
        assertEquals(await host(), 0);
        start(1, script, ...args);
        await Promise.all(nodes.map((node) => node.says(/rank \d of 2/)));
        relay.cut();
        // Far sooner than --shutdown-timeout, which is 30 s.
        await nodes[0]!.says(/Another node may host the job soon; stopping 1 worker \(up to \d{3} ms\)/);
        assertEquals(await nodes[1]!.code, 0, said(nodes));
        assertMatch(nodes[1]!.output, /rank 0 of 1/);
        assertEquals(said(nodes).match(/beside/), null, said(nodes));
      } finally {
        await Deno.remove(shared, { recursive: true });
      }
    }),
);

etcdTest(
  "etcd-v3: a host that is paused loses the job, and takes part in it again as a guest when it comes back",
  () =>
    withJob(1, async ({ etcd, nodes, start, host }) => {
      const conf = "--rdzv-conf=keep_alive_interval=1,keep_alive_max_attempt=3,last_call_timeout=10";
      // Ends when all three are together for the second time; where two are, they go on.
      const script = `${SCRIPT} echo "$WORLD_SIZE" >>"$D/worlds"; ` +
        '[ "$(grep -c 3 "$D/worlds")" = 2 ] || sleep 60';
      start(NODES_MAX, script, "--nnodes=2:3", conf);
      await Promise.all(nodes.map((node) => node.says(/rank \d of 3 at/)));
      const paused = await host();
      nodes[paused]!.freeze();
      const others = nodes.filter((_, index) => index !== paused);
      await Promise.all(others.map((node) => node.says(/rank \d of 2 at/)));
      assert(await host() !== paused);
      nodes[paused]!.thaw();
      assertEquals(await codes(nodes), [0, 0, 0], said(nodes));
      assertMatch(nodes[paused]!.output, /host no longer/);
      const epoch = await etcd.control("get", "/muster/job/epoch", "--print-value-only");
      assertEquals(epoch.trim(), "2", "the old host made no trouble for the new one");
    }),
);

/** Two nodes that reach etcd with these settings run a job to its end. */
async function mustRun(etcd: EtcdMembers, conf: string): Promise<void> {
  const nodes: MusterNode[] = [];
  const args = ["--rdzv-backend=etcd-v3", `--rdzv-endpoint=${etcd.endpoints}`, "--rdzv-id=job", "--nnodes=2"];
  try {
    for (let index = 0; index < 2; index++) startMuster([...args, `--rdzv-conf=${conf}`], SCRIPT, nodes);
    assertEquals(await codes(nodes), [0, 0], said(nodes));
    assertEquals(said(nodes).match(/rank \d of 2/g)?.length, 2, said(nodes));
  } finally {
    for (const node of nodes) await node[Symbol.asyncDispose]();
  }
}

etcdTest(
  "etcd-v3: a job over TLS with a client's certificate, by either of torchrun's spellings",
  async () => {
    const directory = await Deno.makeTempDir({ prefix: "muster-tls-" });
    try {
      const tls = await makeCertificates(directory);
      const { ca, certificate, key } = tls;
      for (
        const files of [
          `ca_cert=${ca},ssl_cert=${certificate},ssl_cert_key=${key}`,
          `cacert=${ca},cert=${certificate},key=${key}`,
        ]
      ) {
        await using etcd = await EtcdMembers.start({ tls });
        await mustRun(etcd, `protocol=https,${files}`);
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);

etcdTest("etcd-v3: a job as etcd's user, with the password from a file", async () => {
  await using etcd = await EtcdMembers.start();
  await etcd.control("user", "add", "root:secret");
  await etcd.control("user", "grant-role", "root", "root");
  await etcd.control("auth", "enable");
  const file = await Deno.makeTempFile({ prefix: "muster-password-" });
  try {
    await Deno.writeTextFile(file, "secret\nnot this\n");
    await mustRun(etcd, `user=root,password_file=${file}`);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("etcd-v3: etcd that is not there is said, with every member, until the time is over", async () => {
  const [a, b] = [freePort(), freePort()];
  const node = startMuster([
    "--nnodes=2",
    "--rdzv-backend=etcd-v3",
    `--rdzv-endpoint=127.0.0.1:${a},127.0.0.1:${b}`,
    "--rdzv-id=job",
    "--rdzv-conf=join_timeout=2",
  ], "true");
  try {
    assertEquals(await node.code, 1);
    const refused = (port: number) => `http://127.0.0.1:${port} (connection refused)`;
    assertStringIncludes(node.output, `${refused(a)}, ${refused(b)}; trying again`);
    assertStringIncludes(
      node.output,
      `Waited 2 s for a host of the job by etcd at 127.0.0.1:${a},127.0.0.1:${b}`,
    );
  } finally {
    await node[Symbol.asyncDispose]();
  }
});
