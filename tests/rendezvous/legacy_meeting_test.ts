import { assertEquals, assertStringIncludes } from "@std/assert";
import { LegacyDouble, type LegacyNode } from "./legacy_store_double.ts";

const worlds = ({ seats }: LegacyNode) =>
  seats.map(({ round, groupRank, groupWorldSize }) => `${round}: ${groupRank} of ${groupWorldSize}`);

function codeOf({ news }: LegacyNode): number | null {
  const last = news.at(-1);
  return last?.kind === "job-over" ? last.outcome.code : null;
}

function textOf({ news }: LegacyNode): string | null {
  const last = news.at(-1);
  return last?.kind === "job-over" ? last.outcome.text : null;
}

const failure = { kind: "worker", text: "lost rank 0", exitCode: 1 } as const;

Deno.test("LegacyMeeting: nodes join in order, start at MAX at once, and end together", () => {
  const etcd = new LegacyDouble(), size = { nodesMin: 2, nodesMax: 2 };
  const a = etcd.add("a", size), b = etcd.add("b", size);
  etcd.pass(200);
  assertEquals([worlds(a), worlds(b)], [["0: 0 of 2"], ["0: 1 of 2"]]);
  assertEquals(b.seats[0]!.store, { address: "a", port: 1, hostedByLauncher: false });
  etcd.tell(a, { kind: "succeeded", round: 0 });
  assertEquals(codeOf(a), null, "it waits for the other");
  etcd.tell(b, { kind: "succeeded", round: 0 });
  etcd.pass(200);
  assertEquals([codeOf(a), codeOf(b)], [0, 0]);
  assertEquals(JSON.parse(etcd.state!.text).status, "closed");
});

Deno.test("LegacyMeeting: who makes it MIN holds the last call, longer than the state would live", () => {
  const etcd = new LegacyDouble(), size = { nodesMin: 1, nodesMax: 2 };
  const a = etcd.add("a", size);
  etcd.pass(900);
  assertEquals(worlds(a), []);
  etcd.pass(300);
  assertEquals(worlds(a), ["0: 0 of 1"]);
});

Deno.test("LegacyMeeting: after a failure all begin again once the old round's signs of life are over", () => {
  const etcd = new LegacyDouble(), size = { nodesMin: 2, nodesMax: 2, maxRestarts: 1 };
  const a = etcd.add("a", size), b = etcd.add("b", size);
  etcd.pass(200);
  etcd.tell(a, { kind: "failed", round: 0, failure });
  etcd.tell(a, { kind: "cleared", round: 0, report: null });
  etcd.pass(9_000);
  assertEquals(worlds(b).length, 1);
  etcd.pass(3_000);
  assertEquals([worlds(a).length, worlds(b).length], [2, 2]);
  assertEquals([a.seats[1]!.restartCount, b.seats[1]!.restartCount], [1, 0]);
  etcd.tell(a, { kind: "failed", round: 1, failure });
  etcd.tell(a, { kind: "cleared", round: 1, report: null });
  etcd.pass(200);
  assertEquals([codeOf(a), codeOf(b)], [1, 1], "closed for the other, too");
});

Deno.test("LegacyMeeting: a newcomer ends the round, a lost node does within ten seconds", () => {
  const etcd = new LegacyDouble(), size = { nodesMin: 1, nodesMax: 2 };
  const a = etcd.add("a", size);
  etcd.pass(1_200);
  const b = etcd.add("b", size);
  etcd.pass(13_000);
  assertEquals([worlds(a).at(-1)!.slice(3), worlds(b).at(-1)!.slice(3)].sort(), ["0 of 2", "1 of 2"]);
  b.alive = false;
  etcd.pass(25_000);
  assertEquals(worlds(a).at(-1)!.slice(3), "0 of 1");
});

Deno.test("LegacyMeeting: a job that has ended is refused, and a wait says for what it was", () => {
  const etcd = new LegacyDouble(), size = { nodesMin: 1, nodesMax: 1 };
  const a = etcd.add("a", size);
  etcd.pass(200);
  etcd.tell(a, { kind: "succeeded", round: 0 });
  etcd.pass(200);
  const late = etcd.add("late", size);
  etcd.pass(200);
  assertEquals(codeOf(late), 1);
  assertStringIncludes(textOf(late)!, "delete /f in etcd");

  const other = new LegacyDouble();
  const lonely = other.add("lonely", { nodesMin: 2, nodesMax: 2 });
  other.pass(61_000);
  assertEquals(textOf(lonely), "Waited 1 min for nodes: 1 of 2 is here, in vain");
});

Deno.test("LegacyMeeting: of a node that is stopped the others hear at once; a job that is stopped is closed", () => {
  for (const scope of ["node", "job"] as const) {
    const etcd = new LegacyDouble(), size = { nodesMin: 1, nodesMax: 2 };
    const a = etcd.add("a", size), b = etcd.add("b", size);
    etcd.pass(200);
    etcd.tell(a, { kind: "leave", signal: "SIGTERM", scope });
    etcd.tell(a, { kind: "cleared", round: 0, report: null });
    etcd.pass(1_500);
    assertEquals(codeOf(a), 143);
    assertEquals(codeOf(b), scope === "job" ? 1 : null);
    assertEquals(worlds(b), scope === "job" ? ["0: 1 of 2"] : ["0: 1 of 2", "1: 0 of 1"]);
  }
});

Deno.test("LegacyMeeting: a state that is none of torchrun's is not guessed at", () => {
  const etcd = new LegacyDouble();
  etcd.state = { text: "<html>", endsAt: Infinity };
  const a = etcd.add("a", { nodesMin: 1, nodesMax: 1 });
  etcd.pass(6_000);
  assertEquals(codeOf(a), 1);
  assertStringIncludes(textOf(a)!, "/f/rdzv/active_version");
});

Deno.test("LegacyMeeting: a node waits aloud for one that has joined and does not confirm, until its time is over", () => {
  const etcd = new LegacyDouble(), size = { nodesMin: 2, nodesMax: 2 };
  const a = etcd.add("a", size);
  etcd.pass(200);
  // It is lost: its state says that it has joined.
  a.alive = false;
  const b = etcd.add("b", size);
  etcd.pass(1_000);
  const last = b.news.at(-1);
  assertEquals(
    last?.kind === "waiting" && last.waiting?.text,
    "for those who have joined the round to confirm it",
  );
  etcd.add("c", size);
  etcd.pass(12_000);
  assertEquals(worlds(b), ["1: 0 of 2"]);
});

Deno.test("LegacyMeeting: who waits while another closes the job is told so, not that it ended before", () => {
  const etcd = new LegacyDouble(), size = { nodesMin: 3, nodesMax: 3 };
  const a = etcd.add("a", size), b = etcd.add("b", size);
  etcd.pass(200);
  etcd.tell(b, { kind: "leave", signal: "SIGINT", scope: "job" });
  etcd.pass(1_500);
  assertEquals([codeOf(a), codeOf(b)], [1, 130]);
  assertEquals(textOf(a), "The job is over: another node has closed it");
});
