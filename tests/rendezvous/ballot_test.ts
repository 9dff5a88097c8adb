/** The rule that keeps two sides of a cut from both going on, case by case and on histories drawn from seeds. */

import { assert, assertEquals } from "@std/assert";
import { Prng } from "../../lib/core/prng.ts";
import { Ballot, type BallotOptions, type Memory } from "../../lib/rendezvous/ballot.ts";
import { formedNumber, type JobRecord } from "../../lib/rendezvous/job_record.ts";

const SILENCE_MS = 10_000;

const record = (seats: string, changes: Partial<JobRecord> = {}): JobRecord => ({
  ...{ epoch: 8, round: 0, restarts: 0, seats: [...seats], hostId: "a" },
  ...changes,
});
const since = (first: JobRecord, latest = first): Memory => ({ first, latest });

/** A host that takes over from the one of `base`; `here` are there and know that round. */
function heir(base: JobRecord, here: string, changes: Partial<BallotOptions> = {}): Ballot {
  const ballot = new Ballot({
    ...{ selfId: here[0]!, isOn: true, chain: [base], deadHost: null, silenceMs: SILENCE_MS, begun: 0 },
    ...changes,
  });
  for (const nodeId of here) ballot.hear(nodeId, since(base));
  return ballot;
}

/** The host a of a round of `seats`, all of which have accepted it. */
function host(seats: string): Ballot {
  const ballot = new Ballot({
    ...{ selfId: "a", isOn: true, chain: [], deadHost: null, silenceMs: SILENCE_MS, begun: 0 },
  });
  for (const nodeId of seats) ballot.hear(nodeId, null);
  const proposal = record(seats);
  assertEquals(ballot.propose(proposal, [...seats], true), [...seats]);
  for (const nodeId of seats) {
    assertEquals(ballot.settle(), null, "not before all have accepted");
    ballot.accept(nodeId, proposal);
  }
  assertEquals(ballot.settle(), proposal);
  return ballot;
}

const right = (ballot: Ballot, ready: string, now = 0) => ballot.right([...ready], [], now).kind;

Deno.test("More than half of the last round's nodes may go on, and newcomers do not count", () => {
  assertEquals(right(heir(record("abc"), "bc"), "bcxyz"), "granted");
  assertEquals(right(heir(record("abc"), "c"), "cxyz"), "refused");
  assertEquals(right(heir(record("abcd"), "cd"), "cd"), "refused");
  assertEquals(right(heir(record("abcde"), "cde"), "cde"), "granted");
});

Deno.test("The host of the last round is left out for those who found it dead, nobody else is", () => {
  assertEquals(right(heir(record("ab"), "b", { deadHost: "a" }), "b"), "granted");
  assertEquals(right(heir(record("abcd"), "cd", { deadHost: "a" }), "cd"), "granted");
  assertEquals(right(heir(record("abcd"), "c", { deadHost: "a" }), "c"), "refused");
  assertEquals(right(heir(record("abcd"), "ac", { deadHost: "b" }), "ac"), "refused");
});

Deno.test("A host whose round has lost half waits until none of them can have found it dead", () => {
  const ballot = host("abcd");
  ballot.lose("c", false, 1_000);
  ballot.lose("d", false, 2_000);
  assertEquals(ballot.right(["a", "b"], [], 3_000), { kind: "later", at: 12_000 });
  assertEquals(right(ballot, "ab", 12_000), "granted");
  assertEquals(
    ballot.right(["a", "b"], ["d"], 12_000).kind,
    "refused",
    "d is back, with what is not known yet",
  );
  ballot.hear("d", since(record("abcd")));
  assertEquals(right(ballot, "ab", 12_000), "refused");
  assertEquals(right(ballot, "abd", 12_000), "granted");
});

Deno.test("A host leaves out one node that is proved dead, and all that left in good order", () => {
  const ballot = host("ab");
  ballot.lose("b", false, 1_000);
  assertEquals(right(ballot, "a", 1_300), "later");
  ballot.proveDead("b");
  assertEquals(right(ballot, "a", 1_300), "granted");

  const other = host("abcde");
  for (const nodeId of "cde") other.lose(nodeId, true, 1_000);
  assertEquals(right(other, "ab", 1_000), "granted");
});

Deno.test("A node that was started again under its name has no vote, and shows that the lost one is dead", () => {
  const ballot = host("ab");
  ballot.lose("b", false, 1_000);
  assertEquals(right(ballot, "a", 1_300), "later");
  ballot.hear("b", null);
  assertEquals(right(ballot, "ab", 1_300), "granted");

  const next = heir(record("ab"), "b");
  assertEquals(right(next, "b"), "refused");
  next.hear("a", null);
  assertEquals(right(next, "ab"), "refused", "a may have formed a round with others before");
});

Deno.test("The loss of one that was started again says nothing of the one that had its name", () => {
  const ballot = heir(record("ab"), "b");
  for (let count = 0; count < 2; count++) {
    ballot.hear("a", null);
    ballot.lose("a", false, 1_000);
    ballot.proveDead("a");
  }
  ballot.hear("a", null);
  // The host of that round may have formed another with others, after b was lost.
  assertEquals(right(ballot, "ab", 1_000_000), "refused");
});

Deno.test("Who begins the job anew has seats for those who took part before, and binds them all", () => {
  const before = record("abc");
  for (const begun of [0, 1]) {
    const ballot = new Ballot({
      ...{ selfId: "a", isOn: true, chain: [], deadHost: null, silenceMs: SILENCE_MS, begun },
    });
    ballot.hear("a", null);
    for (const nodeId of "bc") ballot.hear(nodeId, since(before));
    // Where it was never begun before, b and c know more than this host.
    assertEquals([ballot.isEligible("b"), right(ballot, "ab")], [begun === 1, "granted"]);
    const proposal = record("ab", { epoch: formedNumber(null, begun) });
    assertEquals(ballot.propose(proposal, [..."abc"], true), [..."abc"]);
    for (const nodeId of "abc") {
      assertEquals(ballot.settle(), null);
      ballot.accept(nodeId, proposal);
    }
    assertEquals(ballot.settle(), proposal);
  }
});

Deno.test("A node that has accepted a later round has neither vote nor seat with a host that does not know it", () => {
  const base = record("abc"), later = record("ab", { round: 1 });
  const ballot = heir(base, "c");
  ballot.hear("b", since(base, later));
  assertEquals([ballot.isEligible("b"), right(ballot, "cb")], [false, "refused"]);

  const knowing = heir(base, "c", { chain: [base, later] });
  knowing.hear("b", since(base, later));
  assertEquals(knowing.isEligible("b"), true);
  assertEquals(right(knowing, "cb"), "refused", "b alone is not more than half of the later round");
  const dead = heir(base, "c", { chain: [base, later], deadHost: "a" });
  dead.hear("b", since(base, later));
  assertEquals(right(dead, "cb"), "granted");
});

Deno.test("Who accepted what its host has given up is bound by nothing", () => {
  const base = record("abc");
  const ballot = host("abc");
  ballot.propose(record("ab", { round: 1 }), ["a", "b"], false);
  ballot.accept("b", record("ab", { round: 1 }));
  ballot.propose(record("ac", { round: 2 }), ["a", "c"], false);
  ballot.lose("b", false, 0);
  ballot.hear("b", since(base, record("ab", { round: 1 })));
  assertEquals([ballot.isEligible("b"), right(ballot, "ab")], [true, "granted"]);
});

Deno.test("Somebody else's election needs no votes", () => {
  const ballot = heir(record("abcde"), "e", { isOn: false });
  assertEquals([right(ballot, "e"), ballot.propose(record("e"), ["e"], true)], ["granted", []]);
  assertEquals(ballot.settle()?.seats, ["e"]);
});

/**
 * Nodes a to f with the first round's record; whoever is alive may take over at any time, calls some of those who can be
 * reached, proposes to them, and some accept before it is lost or settles. Two settled rounds on the same one must never
 * be: the second would be a second world.
 */
function history(seed: number): void {
  const prng = new Prng(seed);
  const size = 2 + prng.below(5);
  const names = [..."abcdef"].slice(0, size);
  const first = record(names.join(""));
  const memories = new Map(names.map((nodeId): [string, Memory] => [nodeId, since(first)]));
  const dead = new Set<string>();
  const settled: JobRecord[] = [first];
  const chains = new Map(names.map((nodeId): [string, readonly JobRecord[]] => [nodeId, [first]]));
  for (let turn = 0; turn < 6; turn++) {
    const alive = names.filter((nodeId) => !dead.has(nodeId));
    if (prng.chance(1, 3) && alive.length > 1) dead.add(prng.pick(alive));
    const hosts = names.filter((nodeId) => !dead.has(nodeId));
    const selfId = prng.pick(hosts);
    const chain = chains.get(selfId)!;
    const lastHost = chain.at(-1)!.hostId;
    const ballot = new Ballot({
      ...{ selfId, isOn: true, chain, silenceMs: SILENCE_MS, begun: 0 },
      deadHost: dead.has(lastHost) ? lastHost : null,
    });
    const here = hosts.filter((nodeId) => nodeId === selfId || prng.chance(1, 2));
    for (const nodeId of here) ballot.hear(nodeId, memories.get(nodeId)!);
    const ready = here.filter((nodeId) => ballot.isEligible(nodeId));
    if (ballot.right(ready, [], 0).kind !== "granted") continue;
    const tip = chain.at(-1)!;
    const seats = ready.filter((nodeId) => nodeId === selfId || prng.chance(4, 5));
    const proposal = {
      ...{ epoch: formedNumber(tip), round: tip.round + 1, restarts: 0, hostId: selfId, seats },
    };
    for (const nodeId of ballot.propose(proposal, ready, false)) {
      if (nodeId !== selfId && prng.chance(1, 6)) continue;
      ballot.accept(nodeId, proposal);
      memories.set(nodeId, { first, latest: proposal });
      chains.set(nodeId, [...chain, proposal]);
    }
    const record = ballot.settle();
    if (record === null) continue;
    const parent = settled.at(-1)!;
    assert(
      chain.some(({ epoch, hostId }) => epoch === parent.epoch && hostId === parent.hostId),
      `seed ${seed}: ${JSON.stringify(record)} was formed beside ${JSON.stringify(parent)}`,
    );
    settled.push(record);
    for (const nodeId of seats) chains.set(nodeId, [record]);
  }
}

Deno.test("Whatever happens between proposals, each settled round follows the one before it", () => {
  for (let seed = 0; seed < 20_000; seed++) history(seed);
});
