/** Where a node looks for its host. */

import { assertEquals, assertMatch } from "@std/assert";
import { HostSearch } from "../../lib/rendezvous/host_search.ts";
import { SETTINGS } from "./scripted_job.ts";

Deno.test("HostSearch tries its places one after the other, and those first that it is led to", () => {
  const search = new HostSearch(["a:1", "b:1"], SETTINGS);
  assertEquals([search.address, search.next(), search.address], ["a:1", false, "b:1"]);
  assertEquals([search.next(), search.address], [true, "a:1"]);
  search.lead(["c:1"]);
  assertEquals([search.address, search.next(), search.address], ["a:1", false, "c:1"]);
  assertEquals(search.places, ["c:1", "a:1", "b:1"]);
  // Led there again and again it has no more places than before.
  search.lead(["c:1"]);
  search.next();
  assertEquals(search.places, ["c:1", "a:1", "b:1"]);
});

Deno.test("HostSearch says a problem once", () => {
  const search = new HostSearch(["a:1"], SETTINGS);
  const later = { leftMs: 1_000, isFirst: false };
  assertEquals(search.fail("is away", later)?.text, "for the job's host at a:1, which is away");
  assertEquals(search.fail("is away", later), null);
  // Who never found one may look at the wrong place.
  assertMatch(
    search.fail("is out", { leftMs: 1_000, isFirst: true })!.text,
    /which is out \(.* is_host=1 names one\)/,
  );
  assertEquals(search.attempt(false).connectMs, SETTINGS.joinMs);
});
