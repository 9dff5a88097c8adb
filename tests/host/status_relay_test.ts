import { assertEquals } from "@std/assert";
import { StatusRelay } from "../../lib/host/status_relay.ts";
import type { JobStatus } from "../../lib/view/status.ts";
import { jobStatus, rankStatus } from "../view/sample_status.ts";

const REQUEST = { lastLines: [], output: null };

function ownStatus(nodeRank: number): JobStatus {
  const workers = [rankStatus(nodeRank)];
  return jobStatus(3, { nodes: [{ host: `n${nodeRank}`, nodeRank, launcherPid: 1, workers }] });
}

/** A host and two guests whose messages arrive at once; `deaf` ones hear nothing. */
function fleet(deaf: readonly number[] = []) {
  const names = ["n0", "n1", "n2"];
  const relays: StatusRelay[] = names.map((_, index) =>
    new StatusRelay({
      own: () => ownStatus(index),
      guests: () => index === 0 ? names.slice(1) : null,
      tellNode: (nodeId, message) => {
        const node = names.indexOf(nodeId);
        if (!deaf.includes(node)) relays[node]?.hearHost(message);
      },
      tellHost: (message) => void relays[0]!.hearNode(names[index]!, message),
    })
  );
  return relays;
}

const hosts = (status: JobStatus | null) => status?.nodes.map(({ host }) => host);

Deno.test("StatusRelay shows the whole job on every node", async () => {
  for (const relay of fleet()) assertEquals(hosts(await relay.status(REQUEST)), ["n0", "n1", "n2"]);
});

Deno.test("StatusRelay leaves out who does not answer, and a guest without its host shows itself", async () => {
  const [host, guest] = fleet([2]);
  assertEquals(hosts(await host!.status(REQUEST)), ["n0", "n1"]);
  assertEquals(hosts(await guest!.status(REQUEST)), ["n0", "n1"]);
  const alone = new StatusRelay({
    own: () => ownStatus(1),
    guests: () => null,
    tellNode: () => {},
    tellHost: () => {},
  });
  assertEquals(hosts(await alone.status(REQUEST)), ["n1"]);
});

Deno.test("StatusRelay passes over what is about something else", () => {
  const [host, guest] = fleet();
  const message = { type: 1, payload: new Uint8Array() };
  assertEquals([host!.hearNode("n1", message), guest!.hearHost(message)], [false, false]);
});
