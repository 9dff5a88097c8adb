/** What the options of a job of several nodes do to it: sizes, the order of ranks, restarts, its end. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Fleet, fleet, lastRank, type Node, ranksOf } from "./fleet.ts";

const codes = (nodes: readonly Node[]) => Promise.all(nodes.map(({ ended }) => ended));

/** Waits until each of the nodes runs in a world of so many workers. */
async function world(until: Fleet["until"], nodes: readonly Node[], size: number): Promise<void> {
  await until(`a world of ${size}`, () => nodes.every((node) => lastRank(node)?.[1] === String(size)));
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

Deno.test("fleet: with static rendezvous a failure restarts all, at the same port, and costs one restart of the job's", () =>
  fleet(async ({ start }) => {
    const port = freePort();
    const script = 'if [ "$TORCHELASTIC_RESTART_COUNT" = 1 ]; then exit 0; fi; ' +
      'if [ "$RANK" = 1 ]; then sleep 1; exit 7; fi; exec sleep 60';
    const nodes = [0, 1].map((rank) =>
      start([
        ...["--nnodes=2", "--rdzv-backend=static", "--rdzv-endpoint=", "--max-restarts=1"],
        ...["--master-addr=127.0.0.1", `--master-port=${port}`, `--node-rank=${rank}`],
      ], script)
    );
    assertEquals(await codes(nodes), [0, 0]);
    for (const [rank, node] of nodes.entries()) {
      assertEquals(
        ranksOf(node).map((match) => match.slice(1)),
        ["0", "1"].map((restart) => [String(rank), "2", `127.0.0.1:${port}`, restart]),
      );
    }
  }));

Deno.test("fleet: --nnodes MIN:MAX:STEP runs with the sizes of its steps only, and the node between two waits", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=1:3:2", "--rdzv-conf=last_call_timeout=1"];
    const script = 'if [ "$WORLD_SIZE" = 3 ]; then exit 0; fi; exec sleep 60';
    const nodes = [start(options, script)];
    await world(until, nodes, 1);
    nodes.push(start(options, script));
    await until("the second waits", () => nodes[1]!.output().includes("Waiting for a free seat"));
    nodes.push(start(options, script));
    assertEquals(await codes(nodes), [0, 0, 0]);
    assertEquals(ranksOf(nodes[0]!).map((match) => [match[2], match[4]]), [["1", "0"], ["3", "0"]]);
    assertEquals(ranksOf(nodes[1]!).map((match) => match[2]), ["3"]);
  }));

Deno.test("fleet: --topology-key brings neighbours together", () =>
  fleet(async ({ start }) => {
    const nodes = ["rack-b", "rack-a", "rack-b", "rack-a"].map((key, index) =>
      start(["--nnodes=4", `--node-id=n${index}`, `--topology-key=${key}`], "exit 0")
    );
    assertEquals(await codes(nodes), [0, 0, 0, 0]);
    assertEquals(nodes.map((node) => lastRank(node)![0]), ["0", "2", "1", "3"]);
  }));

Deno.test("fleet: --node-rank orders the ranks; where two nodes have the same it decides nothing, with one warning", () =>
  fleet(async ({ start }) => {
    const nodes = ["1", "0"].map((rank, index) =>
      start(["--nnodes=2", `--node-id=n${index}`, `--node-rank=${rank}`], "exit 0")
    );
    assertEquals(await codes(nodes), [0, 0]);
    assertEquals(nodes.map((node) => lastRank(node)![0]), ["1", "0"]);
    for (const node of nodes) assertEquals(node.output().match(/--node-rank/), null, node.output());
  }).then(() =>
    fleet(async ({ start }) => {
      const nodes = [0, 1].map((index) =>
        start(["--nnodes=2", `--node-id=n${index}`, "--node-rank=1"], "exit 0")
      );
      assertEquals(await codes(nodes), [0, 0]);
      assertEquals(nodes.map((node) => lastRank(node)![0]), ["0", "1"]);
      const said = nodes.map((node) => node.output()).join("");
      assertEquals(said.match(/--node-rank=1 was given to more than one node/g)?.length, 1, said);
    })
  ));

Deno.test("fleet: a node that was given the host's --node-id is refused, and the job is not disturbed", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=2", "--rdzv-conf=join_timeout=20"];
    const host = start([...options, "--node-id=a"], "sleep 3");
    await until("it hosts", () => /Waiting for nodes/.test(host.output()));
    const double = start(["--nnodes=2", "--rdzv-conf=join_timeout=1", "--node-id=a"], "exit 0");
    await until("it is refused", () => /another agent under the same name/.test(double.output()));
    const guest = start([...options, "--node-id=b"], "sleep 3");
    assertEquals(await codes([host, guest, double]), [0, 0, 1], host.output());
    assertEquals(ranksOf(host).length, 1);
  }));

Deno.test("fleet: a node that is done waits for the others for --exit-barrier-timeout, then leaves with 0", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=2", "--exit-barrier-timeout=1"];
    const host = start([...options, "--node-id=a"], "exec sleep 60");
    await until("it hosts", () => /Waiting for nodes/.test(host.output()));
    const guest = start([...options, "--node-id=b"], "exit 0");
    assertEquals(await guest.ended, 0);
    assertMatch(guest.output(), /Others are still running after 1 s; leaving/);
    assertEquals(ranksOf(host).length, 1, "its end is no reason for another round");
    host.signal("SIGTERM");
    assertEquals(await host.ended, 143);
  }));

Deno.test("fleet: a node that waits for others' ends hears a signal at once", () =>
  fleet(async ({ start, until }) => {
    const host = start(["--nnodes=2", "--node-id=a"], "exec sleep 60");
    await until("it hosts", () => /Waiting for nodes/.test(host.output()));
    const guest = start(["--nnodes=2", "--node-id=b", "--verbose"], "echo done");
    await until("its worker is done", () => /^done$/m.test(guest.output()));
    guest.signal("SIGTERM");
    assertEquals(await guest.ended, 143);
    host.signal("SIGINT");
    assertEquals(await host.ended, 130);
  }));

Deno.test("fleet: a frozen node is taken for lost after keep_alive_interval × keep_alive_max_attempt", () =>
  fleet(async ({ start, until }) => {
    const options = [
      "--nnodes=1:2",
      "--rdzv-conf=last_call_timeout=20,keep_alive_interval=1,keep_alive_max_attempt=1",
    ];
    const host = start(options, 'if [ "$WORLD_SIZE" = 1 ]; then exit 0; fi; exec sleep 60');
    await until("it hosts", () => /Waiting for nodes/.test(host.output()));
    const guest = start(options, "exec sleep 60");
    await world(until, [host, guest], 2);
    guest.signal("SIGSTOP");
    assertEquals(await host.ended, 0);
    assertStringIncludes(host.output(), "was lost: nothing was heard of it any more");
    assert(!guest.output().includes("lost"));
  }));

Deno.test("fleet: a host that gets SIGTERM stays for the others where nobody may take over, and ends last with 143", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=2:4", "--rdzv-conf=last_call_timeout=1"];
    const script = 'if [ "$WORLD_SIZE" = 2 ]; then sleep 1; exit 0; fi; exec sleep 60';
    const host = start(options, script);
    await until("it hosts", () => /Waiting for nodes/.test(host.output()));
    const others = [start(options, script), start(options, script)];
    await world(until, [host, ...others], 3);
    host.signal("SIGTERM");
    assertEquals(await codes([host, ...others]), [143, 0, 0]);
    assertStringIncludes(host.output(), "The other nodes meet here, so this agent stays for them");
    assertEquals(ranksOf(host).length, 1, "it has no workers any more");
    assertEquals(others.map((node) => lastRank(node)![3]), ["0", "0"], "that is free");
  }));

Deno.test("fleet: a node whose terminal hangs up leaves as with SIGTERM, with that signal's code", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=1:2", "--rdzv-conf=last_call_timeout=20"];
    const host = start(options, 'if [ "$WORLD_SIZE" = 1 ]; then exit 0; fi; exec sleep 60');
    await until("it hosts", () => /Waiting for nodes/.test(host.output()));
    const guest = start(options, "exec sleep 60");
    await world(until, [host, guest], 2);
    guest.signal("SIGHUP");
    assertEquals(await codes([host, guest]), [0, 129]);
    assertEquals(lastRank(host)![3], "0");
  }));

Deno.test("fleet: with --no-failover the loss of the host ends all with 1, whatever MIN", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=2:3", "--no-failover", "--max-restarts=3"];
    const host = start(options, "exec sleep 60");
    await until("it hosts", () => /Waiting for nodes/.test(host.output()));
    const others = [start(options, "exec sleep 60"), start(options, "exec sleep 60")];
    await world(until, [host, ...others], 3);
    host.signal("SIGKILL");
    assertEquals(await codes(others), [1, 1]);
    for (const node of others) assertMatch(node.output(), /The job's host at \S+ was lost/);
  }));
