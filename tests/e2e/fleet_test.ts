/** Nodes of one job meet, restart, leave, are lost and end together. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { fleet, lastRank, type Node, ranksOf } from "./fleet.ts";

Deno.test("fleet: two nodes make one world with one address, and end together", () =>
  fleet(async ({ start }) => {
    const nodes = [start(["--nnodes=2"], "sleep 0.2"), start(["--nnodes=2"], "sleep 0.2")];
    assertEquals(await Promise.all(nodes.map(({ ended }) => ended)), [0, 0]);
    const [a, b] = nodes.map((node) => lastRank(node)!);
    assertEquals([a![0], b![0]].sort(), ["0", "1"]);
    assertEquals([a![1], b![1]], ["2", "2"]);
    assertEquals(a![2], b![2]);
  }));

Deno.test("fleet: a worker's failure restarts all, with one budget, and ends all with one code and one verdict", () =>
  fleet(async ({ start }) => {
    const options = ["--nnodes=2", "--max-restarts=1"];
    // Not before the other node has started its worker, too.
    const script = 'if [ "$RANK" = 1 ]; then sleep 1; echo boom >&2; exit 7; fi; sleep 60';
    const nodes = [start(options, script), start(options, script)];
    assertEquals(await Promise.all(nodes.map(({ ended }) => ended)), [1, 1]);
    for (const node of nodes) {
      assertEquals(ranksOf(node).map((match) => match[4]), ["0", "1"]);
      const verdict = node.output().match(/Root Cause[\s\S]*?-{20}/)?.[0] ?? "";
      assertStringIncludes(verdict, "rank      : 1 (local_rank: 0)");
      assertStringIncludes(verdict, "exitcode  : 7");
      assertStringIncludes(verdict, "boom");
    }
  }));

Deno.test("fleet: a node that is stopped leaves, and the others go on without it at no cost", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=1:2", "--rdzv-conf=last_call_timeout=1"];
    const host = start(options, 'if [ "$WORLD_SIZE" = 1 ]; then exit 0; fi; exec sleep 60');
    const guest = start(options, "exec sleep 60");
    await until("both run", () => lastRank(guest)?.[1] === "2");
    guest.signal("SIGTERM");
    assertEquals(await guest.ended, 143);
    assertEquals(await host.ended, 0);
    assertEquals(lastRank(host)?.slice(0, 2), ["0", "1"]);
    assertEquals(lastRank(host)?.[3], "0");
  }));

Deno.test("fleet: a killed launcher is noticed, and a new one takes its place and its rank", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=2", "--max-restarts=1", "--rdzv-conf=join_timeout=20"];
    const script = 'if [ "$TORCHELASTIC_RESTART_COUNT" = 1 ]; then exit 0; fi; exec sleep 60';
    const host = start(options, script);
    const first = start(options, script);
    await until("both run", () => lastRank(host) !== undefined && lastRank(first) !== undefined);
    first.signal("SIGKILL");
    const second = start(options, script);
    assertEquals(await Promise.all([host.ended, second.ended]), [0, 0]);
    assertEquals(lastRank(second)?.slice(0, 2), lastRank(first)?.slice(0, 2));
    assertStringIncludes(host.output(), "was lost: its connection broke");
  }));

Deno.test("fleet: when the host is killed another node takes over, where MIN is more than half of MAX", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=2:3", "--rdzv-conf=last_call_timeout=20"];
    const script = 'if [ "$WORLD_SIZE" = 2 ]; then exit 0; fi; exec sleep 60';
    const nodes = [start(options, script)];
    nodes.push(start(options, script), start(options, script));
    await until("all run", () => nodes.every((node) => lastRank(node)?.[1] === "3"));
    const host = nodes.find((node) => node.output().includes("take part"))!;
    host.signal("SIGKILL");
    const others = nodes.filter((node) => node !== host);
    assertEquals(await Promise.all(others.map(({ ended }) => ended)), [0, 0]);
    assertEquals(others.map((node) => lastRank(node)?.[1]), ["2", "2"]);
    assertEquals(lastRank(others[0]!)?.[2], lastRank(others[1]!)?.[2]);
  }));

Deno.test("fleet: a job of two nodes outlives host after host: one hands it over, one is killed", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=2", "--max-restarts=1", "--rdzv-conf=join_timeout=20"];
    const script = 'if [ "$TORCHELASTIC_RESTART_COUNT" = 1 ]; then exit 0; fi; exec sleep 60';
    const both = (what: string, ...nodes: Node[]) =>
      until(what, () => nodes.every((node) => lastRank(node)?.[1] === "2"));
    const first = start(options, script);
    await until("it waits", () => first.output().includes("Waiting for nodes"));
    const second = start(options, script);
    await both("two nodes run", first, second);
    first.signal("SIGTERM");
    assertEquals(await first.ended, 143);
    const third = start(options, script);
    await both("another has come for the first", second, third);
    assertEquals(lastRank(third)?.[3], "0", "who hands over costs no restart");
    second.signal("SIGKILL");
    const fourth = start(options, script);
    assertEquals(await Promise.all([third.ended, fourth.ended]), [0, 0]);
    assertEquals(lastRank(fourth)?.slice(1), lastRank(third)?.slice(1));
    assertEquals(lastRank(fourth)?.[3], "1");
  }));

Deno.test("fleet: nodes that don't belong together are told why, and the others are not disturbed", () =>
  fleet(async ({ start }) => {
    const host = start(["--nnodes=2", "--rdzv-conf=join_timeout=5"], "exit 0");
    const refused = [
      start(["--nnodes=3", "--rdzv-conf=join_timeout=5"], "exit 0"),
      start(["--nnodes=2", "--rdzv-id=other", "--rdzv-conf=join_timeout=5"], "exit 0"),
      start(["--nnodes=2", "--no-failover", "--rdzv-conf=join_timeout=5"], "exit 0"),
    ];
    // Whoever binds the port first is the host: the others are strangers to it.
    const codes = await Promise.all([host, ...refused].map(({ ended }) => ended));
    assertEquals(codes, [1, 1, 1, 1]);
    const texts = [host, ...refused].map((node) => node.output());
    assertEquals(
      texts.filter((text) => /refused this node: it (was started with other settings|serves job)/.test(text))
        .length,
      3,
    );
    assertEquals(texts.filter((text) => text.includes("Waited 5 s for nodes: 1 of")).length, 1);
  }));

Deno.test("fleet: a port at which something else answers is tried until the host is there, and said once", () =>
  fleet(async ({ start, until, endpointPort }) => {
    const stranger = Deno.listen({ hostname: "127.0.0.1", port: endpointPort });
    const answering = (async () => {
      for await (const socket of stranger) {
        await socket.read(new Uint8Array(64));
        await socket.write(new TextEncoder().encode("HTTP/1.1 503 Service Unavailable\r\n\r\n")).catch(
          () => {},
        );
        socket.close();
      }
    })();
    const options = ["--nnodes=2", "--rdzv-conf=join_timeout=20"];
    const guest = start(options, "exit 0");
    try {
      await until("it says so", () => guest.output().includes("which speaks no protocol known here"));
    } finally {
      stranger.close();
      await answering;
    }
    const host = start(options, "exit 0");
    assertEquals(await Promise.all([host.ended, guest.ended]), [0, 0], guest.output());
    assertEquals(guest.output().match(/speaks no protocol/g)?.length, 1, guest.output());
  }));

Deno.test("fleet: SIGINT on one node ends the job on all", () =>
  fleet(async ({ start, until }) => {
    const nodes = [start(["--nnodes=2"], "exec sleep 60"), start(["--nnodes=2"], "exec sleep 60")];
    await until("both run", () => nodes.every((node) => lastRank(node) !== undefined));
    nodes[1]!.signal("SIGINT");
    assertEquals(await Promise.all(nodes.map(({ ended }) => ended)), [130, 130]);
  }));

Deno.test("fleet: a job that has ended leaves nothing on the host's disk", () =>
  fleet(async ({ start, until }) => {
    const directory = await Deno.makeTempDir({ prefix: "muster-state-" });
    try {
      const env = { MUSTER_STATE_DIRECTORY: directory };
      const mark = `${directory}/go`;
      const script = `until [ -e ${mark} ]; do sleep 0.1; done`;
      const nodes = [start(["--nnodes=2"], script, env), start(["--nnodes=2"], script, env)];
      const names = () => [...Deno.readDirSync(directory)].map(({ name }) => name);
      await until("both run", () => nodes.every((node) => lastRank(node) !== undefined));
      assertEquals(names().length, 1, "the host knows who takes part");
      await Deno.writeTextFile(mark, "");
      assertEquals(await Promise.all(nodes.map(({ ended }) => ended)), [0, 0]);
      assertEquals(names(), ["go"], "only what this test wrote");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }));

for (const host of ["127.0.0.2", "[::1]"]) {
  Deno.test(`fleet: nodes meet at ${host} as they do at 127.0.0.1, in either way`, () =>
    fleet(async ({ start }) => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = listener.addr;
      listener.close();
      for (const backend of ["c10d", "static"]) {
        const nodes = [0, 1].map((rank) =>
          start([
            ...["--nnodes=2", `--rdzv-backend=${backend}`, `--rdzv-endpoint=${host}:${port}`],
            `--node-rank=${rank}`,
          ], "exit 0")
        );
        assertEquals(await Promise.all(nodes.map(({ ended }) => ended)), [0, 0], nodes[0]!.output());
        assertEquals(nodes.map((node) => lastRank(node)![0]), ["0", "1"]);
        if (backend === "static") {
          assertEquals(lastRank(nodes[1]!)![2], `${host.replace(/[[\]]/g, "")}:${port}`);
        }
      }
    }));
}

Deno.test("fleet: a job that was stopped does not go on where its host goes before the others have ended", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=2", "--shutdown-timeout=2"];
    const host = start(options, "exec sleep 60");
    await until("the host is there", () => host.output().includes("Waiting") || lastRank(host) !== undefined);
    const other = start(options, "trap '' INT TERM; while :; do sleep 1; done");
    await until("both run", () => [host, other].every((node) => lastRank(node) !== undefined));
    host.signal("SIGINT");
    await until("the other ends its worker", () => other.output().includes("stopped the job"));
    host.signal("SIGKILL");
    assertEquals(await other.ended, 130, other.output());
  }));

Deno.test("fleet: static rendezvous meets at its port, whoever starts first, with the ranks that were given", () =>
  fleet(async ({ start, until }) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const options = (rank: number) => [
      ...["--nnodes=2", "--rdzv-backend=static", "--rdzv-endpoint="],
      ...["--master-addr=127.0.0.1", `--master-port=${port}`, `--node-rank=${rank}`],
    ];
    const guest = start(options(1), "exit 0");
    await until("it says what it waits for", () => guest.output().includes("Waiting for the job's host"));
    const host = start(options(0), "exit 0");
    assertEquals(await Promise.all([host.ended, guest.ended]), [0, 0]);
    assertEquals(lastRank(host)?.slice(0, 3), ["0", "2", `127.0.0.1:${port}`]);
    assertEquals(lastRank(guest)?.slice(0, 3), ["1", "2", `127.0.0.1:${port}`]);
  }));
