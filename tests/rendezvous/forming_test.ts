import { assertEquals } from "@std/assert";
import { decideForming, type FormingSituation } from "../../lib/rendezvous/forming.ts";
import { roundSize } from "../../lib/rendezvous/settings.ts";
import { node, SETTINGS } from "./scripted_job.ts";

const ELASTIC = { ...SETTINGS, nodesMin: 2, nodesMax: 4 };

function decide(ready: string, changes: Partial<FormingSituation> = {}) {
  return decideForming({
    settings: ELASTIC,
    ready: [...ready].map((id) => node(id)),
    mayForm: true,
    before: [],
    dead: new Set(),
    isFirst: true,
    isTakeover: false,
    pending: [],
    ...changes,
  });
}

Deno.test("Fewer than MIN are too few, whatever else", () => {
  assertEquals(decide("a"), { kind: "too-few" });
  assertEquals(decide("a", { isFirst: false, before: [..."ab"] }), { kind: "too-few" });
});

Deno.test("The first round waits for the last call unless MAX are here", () => {
  assertEquals(decide("ab"), { kind: "wait", size: 2, lastCall: "first" });
  assertEquals(decide("abcd"), { kind: "form", size: 4 });
  assertEquals(decide("abcde"), { kind: "form", size: 4 });
});

Deno.test("Later rounds wait for those who are here and have not joined yet, for nobody else", () => {
  const later = { isFirst: false, before: [..."abc"] };
  assertEquals(decide("ab", later), { kind: "form", size: 2 });
  assertEquals(decide("ab", { ...later, pending: ["x"] }), { kind: "wait", size: 2, lastCall: null });
});

Deno.test("Whoever is here is waited for even if MAX are ready, since it may have workers of an earlier round", () => {
  assertEquals(decide("abcd", { isFirst: false, before: [..."abce"], pending: ["e"] }), {
    ...{ kind: "wait", size: 4, lastCall: null },
  });
  assertEquals(decide("abcd", { pending: ["x"] }), { kind: "wait", size: 4, lastCall: null });
});

Deno.test("A new host waits for those who may still come over, not for the dead", () => {
  const over = {
    settings: { ...ELASTIC, nodesMin: 2, nodesMax: 5 },
    ...{ isFirst: false, isTakeover: true, before: [..."abcde"] },
  };
  assertEquals(decide("bcd", { ...over, mayForm: false }), { kind: "too-few" });
  assertEquals(decide("bcd", over), { kind: "wait", size: 3, lastCall: "takeover" });
  assertEquals(decide("bcd", { ...over, dead: new Set("ae") }), { kind: "form", size: 3 });
});

Deno.test("Sizes are MIN and whole steps more, at most MAX", () => {
  const settings = { ...SETTINGS, nodesMin: 2, nodesMax: 8, nodesStep: 3 };
  assertEquals([1, 2, 3, 4, 5, 6, 7, 8, 9].map((present) => roundSize(present, settings)), [
    ...[null, 2, 2, 2, 5, 5, 5, 8, 8],
  ]);
});
