import { assertEquals } from "@std/assert";
import { Loop, type Machine } from "../../lib/host/loop.ts";

type Event = { readonly kind: "begin" | "answer" | "wakeup" };
type Effect = "ask" | "end";

/** Asks at the beginning and ends with the answer. */
const machine: Machine<Event, Effect> = {
  step: (event) => (event.kind === "begin" ? ["ask"] : event.kind === "answer" ? ["end"] : []),
  nextWakeup: () => undefined,
};

Deno.test("Loop shows an observer every event before what follows from it is done, in the machine's order", () => {
  const seen: string[] = [];
  const loop: Loop<Event, Effect> = new Loop(
    machine,
    { kind: "wakeup" },
    (effect) => {
      seen.push(`done: ${effect}`);
      // Posted while an effect is carried out: waits its turn.
      if (effect === "ask") loop.post({ kind: "answer" });
      if (effect === "ask") seen.push("asked");
    },
    (event, effects) => seen.push(`${event.kind} -> ${effects.join()}`),
  );
  loop.post({ kind: "begin" });
  loop.close();
  loop.post({ kind: "begin" });
  assertEquals(seen, ["begin -> ask", "done: ask", "asked", "answer -> end", "done: end"]);
});
