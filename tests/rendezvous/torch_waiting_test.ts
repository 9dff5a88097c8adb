import { assertEquals } from "@std/assert";
import type { Waiting } from "../../lib/rendezvous/meeting.ts";
import { KeyTalk } from "../../lib/rendezvous/key_talk.ts";
import { SpareWatch } from "../../lib/rendezvous/spare_watch.ts";
import { TorchWaiting } from "../../lib/rendezvous/torch_waiting.ts";
import { joined, rules } from "./torch_samples.ts";

Deno.test("TorchWaiting tells who is here, and a last call that does not grow with those who come late", () => {
  const limits = rules(2, 4);
  const told: (Waiting | null)[] = [];
  const talk = new KeyTalk(() => {}, () => 0);
  const waiting = new TorchWaiting(limits, new SpareWatch("job", talk, () => {}), (news) => {
    if (news.kind === "waiting") told.push(news.waiting);
  });
  waiting.update(joined("a", limits), "nodes", 600_000, 0);
  waiting.update(joined("a", limits), "nodes", 600_000, 1_000);
  waiting.update(joined("ab", limits), "last-call", 600_000, 10_000);
  waiting.update(joined("abc", limits), "last-call", 600_000, 30_000);
  waiting.end();
  assertEquals(told.map((news) => news && [news.text, news.present, news.leftMs]), [
    ["for nodes: 1 of 2 to 4 is here (a)", 1, 600_000],
    ["for nodes: 2 of 2 to 4 are here (a, b)", 2, 30_000],
    ["for nodes: 3 of 2 to 4 are here (a, b, c)", 3, 10_000],
    null,
  ]);
});
