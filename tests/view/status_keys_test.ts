import { assertEquals } from "@std/assert";
import { afterKey, FIRST_VIEW, readKeys, type StatusView } from "../../lib/view/status_keys.ts";
import { jobStatus, rankStatus } from "./sample_status.ts";

const STEPS = { stepX: 1, stepY: 8 };

Deno.test("readKeys() understands what terminals send, and passes over the rest", () => {
  assertEquals(readKeys("\x1b[A\x1b[B\x1bOC\x1b[Dq"), ["up", "down", "right", "left", "quit"]);
  assertEquals(readKeys("\r\x1b\x03"), ["enter", "escape", "quit"]);
  assertEquals(readKeys("xyz\x1b[15~é"), []);
});

Deno.test("afterKey() moves the choice within the job", () => {
  const status = jobStatus(64, {}, 8);
  const press = (view: StatusView, text: string) =>
    readKeys(text).reduce<StatusView>((now, key) => afterKey(key, now, status, STEPS) ?? now, view);
  assertEquals(press(FIRST_VIEW, "\x1b[B\x1b[B\x1b[C").chosen, 17);
  assertEquals(press(FIRST_VIEW, "\x1b[A\x1b[D").chosen, 0);
  assertEquals(press(FIRST_VIEW, "G\x1b[B").chosen, 63);
  assertEquals(press(FIRST_VIEW, "Gg").chosen, 0);
});

Deno.test("afterKey() goes to the next rank in trouble, around the end", () => {
  const workers = [0, 1, 2, 3, 4].map((rank) =>
    rankStatus(rank, rank === 1 ? { state: "failed" } : rank === 3 ? { silentMs: 90_000 } : {})
  );
  const status = jobStatus(5, { nodes: [{ host: "h", nodeRank: 0, launcherPid: 1, workers }] });
  const next = (chosen: number) => afterKey("trouble", { ...FIRST_VIEW, chosen }, status, STEPS)?.chosen;
  assertEquals([next(0), next(1), next(3)], [1, 3, 1]);
  assertEquals(afterKey("trouble", FIRST_VIEW, jobStatus(2), STEPS), FIRST_VIEW);
});

Deno.test("afterKey() opens and closes a rank's output, and leaves", () => {
  const status = jobStatus(2);
  const open = afterKey("enter", FIRST_VIEW, status, STEPS)!;
  assertEquals(open.mode, "output");
  assertEquals(afterKey("escape", open, status, STEPS)?.mode, "overview");
  assertEquals(afterKey("table", open, status, STEPS), { chosen: 0, mode: "overview", ranks: "table" });
  assertEquals(afterKey("quit", open, status, STEPS), null);
});
