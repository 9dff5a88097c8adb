import { assertEquals, assertStringIncludes } from "@std/assert";
import { interopTest } from "./harness.ts";
import { type MixedJob, type MixedRun, runMixedJob, type Seen, type Side } from "./mixed_job.ts";
import { releaseTest } from "./torch_releases.ts";

/** Both launchers end with these codes. */
function assertCodes({ runs }: MixedRun, torchrun: number, muster: number): void {
  const said = `${runs.torchrun.stderr}\n${runs.muster.stderr}`;
  assertEquals([runs.torchrun.code, runs.muster.code], [torchrun, muster], said);
}

/** One world: ranks from 0 on, one size, one store; `first` has rank 0, null: either side. */
function assertWorld(seen: readonly Seen[] | undefined, first: Side | null, { runs }: MixedRun): void {
  const said = `${runs.torchrun.stderr}\n${runs.muster.stderr}`;
  assertEquals(seen?.map(({ rank, worldSize }) => [rank, worldSize]), [[0, 3], [1, 3], [2, 3]], said);
  assertEquals(new Set(seen!.map(({ store }) => store)).size, 1, said);
  assertEquals([seen![0]!.side, seen![0]!.groupRank], [first ?? seen![0]!.side, 0]);
}

const WAYS: readonly Pick<MixedJob, "host" | "first">[] = [
  { host: "torchrun", first: "torchrun" },
  { host: "torchrun", first: "muster" },
  { host: "muster", first: "muster" },
  { host: "muster", first: "torchrun" },
];

for (const way of WAYS) {
  const name = `${way.host} hosts and ${way.first} has rank 0`;

  interopTest(
    `mixed job: a failed worker of either launcher has all start again, then all end (${name})`,
    async () => {
      for (const fail of ["0.0", "2.0"]) {
        const run = await runMixedJob({ ...way, maxRestarts: 1, fail, seconds: 5 });
        assertCodes(run, 0, 0);
        assertEquals(run.rounds.length, 2);
        run.rounds.forEach((seen) => assertWorld(seen, way.first, run));
        const failed = run.rounds[0]!.find(({ rank }) => `${rank}.0` === fail)!.side;
        assertEquals(run.rounds[1]!.map(({ side, restart }) => restart === (side === failed ? 1 : 0)), [
          true,
          true,
          true,
        ]);
      }
    },
  );
}

for (const host of ["torchrun", "muster"] as const) {
  interopTest(`mixed job: a failure for good ends it for both at once (${host} hosts)`, async () => {
    for (const fail of ["0.0", "2.0"]) {
      // Workers that would go on for longer than the test may.
      assertCodes(await runMixedJob({ host, first: host, fail, seconds: 200 }), 1, 1);
    }
  });

  interopTest(
    `mixed job: the other's agent is lost, and this one goes on alone (${host} hosts)`,
    async () => {
      const lost = host === "muster" ? "torchrun" : "muster";
      const run = await runMixedJob({
        ...{ host, first: host, nodes: "1:2", conf: "last_call_timeout=3", seconds: 24, maxRestarts: 1 },
        // It is killed before its first beat in the round. torchrun's agent goes by the failure of its own workers.
        fail: host === "torchrun" ? "1.0" : "never",
        onStarted: (pids) => Promise.resolve(Deno.kill(pids[lost], "SIGKILL")),
      });
      assertEquals(run.runs[host].code, 0, run.runs[host].stderr);
      assertEquals(
        run.rounds.at(-1)!.map(({ side, worldSize }) => [side, worldSize === (host === "muster" ? 1 : 2)]),
        [
          [host, true],
          ...(host === "muster" ? [] : [[host, true] as const]),
        ].map(([side, isRight]) => [side, isRight]),
      );
    },
  );
}

for (const host of ["torchrun", "muster"] as const) {
  interopTest(`mixed job: the host's agent is lost, and the other ends at once (${host} hosts)`, async () => {
    const run = await runMixedJob({
      // Workers that would go on for longer than the test may.
      ...{ host, first: host, nodes: "1:2", conf: "last_call_timeout=2", seconds: 200, maxRestarts: 1 },
      onStarted: (pids) => Promise.resolve(Deno.kill(pids[host], "SIGKILL")),
    });
    const { code, stderr } = run.runs[host === "muster" ? "torchrun" : "muster"];
    assertEquals(code, 1, stderr);
    if (host === "torchrun") assertStringIncludes(stderr, "Cannot connect to the store at");
  });
}

for (const host of ["torchrun", "muster"] as const) {
  interopTest(
    `mixed job: our node leaves on SIGTERM, and torchrun's goes on alone (${host} hosts)`,
    async () => {
      const run = await runMixedJob({
        ...{ host, first: "torchrun", nodes: "1:2", conf: "last_call_timeout=2", seconds: 12 },
        onStarted: (pids) => Promise.resolve(Deno.kill(pids.muster, "SIGTERM")),
      });
      assertCodes(run, 0, 143);
      const last = run.rounds.at(-1)!;
      assertEquals(last.map(({ side, rank, worldSize }) => [side, rank, worldSize]), [
        ["torchrun", 0, 2],
        ["torchrun", 1, 2],
      ], run.runs.torchrun.stderr);
      const stays = run.runs.muster.stderr.includes(
        "The other nodes meet here, so this agent stays for them",
      );
      assertEquals(stays, host === "muster", run.runs.muster.stderr);
    },
  );
}

interopTest(
  "mixed job: our node joins a job of torchrun's that runs, which torchrun's own can't",
  async () => {
    const run = await runMixedJob({
      ...{
        host: "torchrun",
        first: "torchrun",
        nodes: "1:2",
        conf: "last_call_timeout=2",
        late: "muster",
        seconds: 12,
      },
    });
    assertCodes(run, 0, 0);
    assertEquals(run.runs.torchrun.stdout.match(/SEEN \d+ 3 /g)?.length, 2);
  },
);

interopTest("mixed job: a torchrun node joins a job of ours that runs", async () => {
  const run = await runMixedJob({
    ...{
      host: "muster",
      first: "muster",
      nodes: "1:2",
      conf: "last_call_timeout=2",
      late: "torchrun",
      seconds: 12,
    },
  });
  assertCodes(run, 0, 0);
  assertEquals(run.runs.muster.stdout.match(/SEEN 0 3 /g)?.length, 1);
});

interopTest(
  "mixed job: with TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 rank 0 may move to a node that joins",
  async () => {
    const run = await runMixedJob({
      ...{
        host: "torchrun",
        first: "muster",
        nodes: "1:2",
        conf: "last_call_timeout=2",
        late: "muster",
        seconds: 12,
      },
      env: { TORCH_DISABLE_SHARE_RDZV_TCP_STORE: "1" },
    });
    assertCodes(run, 0, 0);
    assertWorld(
      run.rounds.at(-1)!.length === 3
        ? run.rounds.at(-1)
        : [...run.rounds[1]!, ...run.rounds[0]!.filter(({ side }) => side === "muster")].sort((a, b) =>
          a.rank - b.rank
        ),
      // Where muster completes the round, rank 0 stays where it was; torchrun's order moves it. Both are one world.
      null,
      run,
    );
  },
);

for (const release of ["2.2.0", "2.6.0"] as const) {
  releaseTest(
    release,
    `mixed job with PyTorch ${release}: start, failure, restart and end, both ways round`,
    async () => {
      for (const host of ["torchrun", "muster"] as const) {
        const run = await runMixedJob({
          release,
          host,
          first: host,
          maxRestarts: 1,
          fail: "2.0",
          seconds: 12,
          // These agents beat every five seconds all the same.
          conf: "keep_alive_interval=1",
        });
        assertCodes(run, 0, 0);
        assertEquals(run.rounds.length, 2);
        run.rounds.forEach((seen) => assertWorld(seen, host, run));
      }
    },
  );
}

for (const first of ["torchrun", "muster"] as const) {
  interopTest(
    `mixed job, static: each node restarts by itself, then all end (${first} is node 0)`,
    async () => {
      for (const fail of ["0.0", "2.0"]) {
        const run = await runMixedJob({
          backend: "static",
          host: first,
          first,
          maxRestarts: 1,
          fail,
          seconds: 5,
        });
        assertCodes(run, 0, 0);
        assertWorld(run.rounds[0], first, run);
        const failed = run.rounds[0]!.find(({ rank }) => `${rank}.0` === fail)!.side;
        assertEquals(new Set(run.rounds[1]!.map(({ side }) => side)), new Set([failed]));
        assertStringIncludes(run.runs.muster.stderr, "each node restarts its workers by itself");
      }
    },
  );

  interopTest(`mixed job through a file: start, failure, restart and end (${first} has rank 0)`, async () => {
    for (const fail of ["0.0", "2.0"]) {
      const run = await runMixedJob({
        backend: "file",
        host: first,
        first,
        maxRestarts: 1,
        fail,
        seconds: 5,
      });
      assertCodes(run, 0, 0);
      run.rounds.forEach((seen) => assertWorld(seen, first, run));
    }
  });
}

interopTest(
  "mixed job, static: torchrun's agent is lost, and ours ends by itself, or with the store",
  async () => {
    for (const first of ["torchrun", "muster"] as const) {
      const run = await runMixedJob({
        ...{ backend: "static", host: first, first, seconds: 6, ourOptions: ["--exit-barrier-timeout=2"] },
        onStarted: (pids) => Promise.resolve(Deno.kill(pids.torchrun, "SIGKILL")),
      });
      const { code, stderr } = run.runs.muster;
      assertEquals(code, first === "muster" ? 0 : 1, stderr);
      const why = first === "muster"
        ? "Others are still running after 2 s; leaving"
        : "Cannot connect to the store";
      assertStringIncludes(stderr, why);
      assertEquals(run.rounds.length, 1);
    }
  },
);

for (const backend of ["c10d", "static"] as const) {
  interopTest(
    `mixed job, ${backend}: with TORCH_ELASTIC_WORKER_IDENTICAL=1 each side works its ranks out for itself`,
    async () => {
      for (const first of ["torchrun", "muster"] as const) {
        const run = await runMixedJob({
          ...{ backend, host: first, first, ourWorkers: 2, seconds: 2 },
          env: { TORCH_ELASTIC_WORKER_IDENTICAL: "1" },
        });
        assertCodes(run, 0, 0);
        assertEquals(run.rounds.length, 1);
        const other = first === "muster" ? "torchrun" : "muster";
        assertEquals(
          run.rounds[0]!.map(({ side, rank, worldSize }) => [side, rank, worldSize]),
          [[first, 0, 4], [first, 1, 4], [other, 2, 4], [other, 3, 4]],
        );
        assertEquals(new Set(run.rounds[0]!.map(({ store }) => store)).size, 1);
      }
    },
  );
}

releaseTest("2.2.0", "mixed job, static, with PyTorch 2.2: start and end, either as node 0", async () => {
  for (const first of ["torchrun", "muster"] as const) {
    const run = await runMixedJob({ release: "2.2.0", backend: "static", host: first, first, seconds: 2 });
    assertCodes(run, 0, 0);
    assertWorld(run.rounds[0], first, run);
  }
});

interopTest("mixed job: our launcher says that it goes over to torchrun's rendezvous", async () => {
  const run = await runMixedJob({ host: "muster", first: "muster", seconds: 1 });
  assertStringIncludes(run.runs.muster.stderr, "torchrun's agents take part in the job");
});
