/** The verdict on jobs of several nodes: who failed first in the whole job, in one block that every node shows. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fleet, lastRank, type Node } from "./fleet.ts";

const SAMPLES = new URL("../agent/samples", import.meta.url).pathname;
const LOSE_PEER = `cat ${SAMPLES}/peer_raises.txt >&2; exit 1`;

/** The block as printed, which is where the whole of standard error is, too. */
function blockOf(node: Node): string {
  return /^=+\n(?:sh FAILED\n[\s\S]*?)^=+\n/m.exec(node.output())?.[0] ?? `no block in:\n${node.output()}`;
}

const endsOf = (nodes: readonly Node[]) => Promise.all(nodes.map(({ ended }) => ended));

Deno.test("fleet verdict: the culprit on one node is named on both, although its peers ended first", () =>
  fleet(async ({ start }) => {
    // Rank 1 has printed its exception when it loses its connections, and takes its time to go.
    const script = `if [ "$RANK" = 1 ]; then cat ${SAMPLES}/plain_exception.txt >&2; sleep 1; exit 1; fi; ` +
      `sleep 0.6; ${LOSE_PEER}`;
    const nodes = [start(["--nnodes=2"], script), start(["--nnodes=2"], script)];
    assertEquals(await endsOf(nodes), [1, 1]);
    const [a, b] = nodes.map(blockOf);
    assertEquals(a, b);
    assertStringIncludes(a!, "  rank      : 1 (local_rank: 0)\n");
    assertStringIncludes(a!, "  cause     : ValueError: the learning rate must be positive: got -1\n");
    assertStringIncludes(a!, "  rank 0 failed as a consequence: the connection to a peer broke\n");
  }));

Deno.test("fleet verdict: of failures on two nodes the first in time is named, whichever node hosts the job", () =>
  fleet(async ({ start }) => {
    const script =
      '[ "$RANK" = 1 ] && { echo first >&2; exit 5; }; trap "" TERM; sleep 0.3; kill -SEGV $$$$; sleep 60';
    const nodes = [start(["--nnodes=2"], script), start(["--nnodes=2"], script)];
    assertEquals(await endsOf(nodes), [1, 1]);
    const [a, b] = nodes.map(blockOf);
    assertEquals(a, b);
    assertMatch(a!, / {2}rank {6}: 1 .*\n {2}exitcode {2}: 5 /);
  }));

Deno.test("fleet verdict: a node that is lost comes before what its peers print of its loss", () =>
  fleet(async ({ start, until }) => {
    const options = ["--nnodes=2", "--max-restarts=0", "--rdzv-conf=join_timeout=3"];
    const script = `trap '${LOSE_PEER}' TERM; sleep 60 & wait`;
    const nodes = [start(options, script), start(options, script)];
    await until("both run", () => nodes.every((node) => lastRank(node) !== undefined));
    const host = nodes.find((node) => node.output().includes("take part"))!;
    const guest = nodes.find((node) => node !== host)!;
    const rank = lastRank(guest)![0];
    guest.signal("SIGKILL");
    assertEquals(await host.ended, 1, host.output());
    const block = blockOf(host);
    assertStringIncludes(block, `the node was lost with rank ${rank}`);
    assertStringIncludes(block, `rank ${rank} was lost with node `);
  }));

Deno.test("fleet: a signal reaches a node that is done and waits for the others (torchrun.md 7, 12)", () =>
  fleet(async ({ start, until }) => {
    const script = 'if [ "$RANK" = 1 ]; then exit 0; fi; exec sleep 60';
    const nodes = [start(["--nnodes=2"], script), start(["--nnodes=2"], script)];
    await until("both run", () => nodes.every((node) => lastRank(node) !== undefined));
    const waiting = nodes.find((node) => lastRank(node)![0] === "1")!;
    waiting.signal("SIGTERM");
    let hasEnded = false;
    void waiting.ended.then(() => hasEnded = true);
    // torchrun's agent hears it only when the other node is done, 60 s later.
    await until("it has ended", () => hasEnded);
  }));
