import { assertEquals } from "@std/assert";
import { FleetRecorder } from "../../lib/agent/fleet_recorder.ts";

const end = (kind: "lost" | "dead" | "refused", text: string) =>
  ({ kind: "link-ended", end: { kind, text } }) as const;

Deno.test("FleetRecorder tells a lost node from one that left or was sent away", () => {
  const recorder = new FleetRecorder();
  const arrive = (nodeId: string) =>
    recorder.observe({ kind: "arrived", nodeId, address: "10.0.0.2", hostAddress: "10.0.0.1" }, []);
  const go = (nodeId: string) =>
    recorder.observe(
      { kind: "gone", nodeId, text: "its connection broke", inOrder: false, quietMs: 300 },
      [],
    );
  assertEquals(
    ["a", "b", "c"].flatMap(arrive),
    (["a", "b", "c"] as const).map((node) => ({ event: "node-joined" as const, node, address: "10.0.0.2" })),
  );
  const leave = { kind: "leave", signal: "SIGTERM", scope: "node" } as const;
  assertEquals(recorder.observe({ kind: "said", nodeId: "a", message: leave }, []), []);
  assertEquals(recorder.observe({ kind: "wakeup" }, [{ kind: "dismiss", nodeId: "b" }]), []);
  assertEquals(["a", "b", "c"].flatMap(go), [
    { event: "node-left", node: "a" },
    { event: "node-left", node: "b" },
    { event: "node-lost", node: "c", cause: "its connection broke", silentMs: 300 },
  ]);
  arrive("a");
  assertEquals(go("a").map(({ event }) => event), ["node-lost"], "it came back, and was lost then");
});

Deno.test("FleetRecorder tells who hosts the job, and when that changes", () => {
  const recorder = new FleetRecorder();
  const linked = (epoch: number, hostId: string) => recorder.observe({ kind: "linked", epoch, hostId }, []);
  assertEquals(linked(1, "a"), [{ event: "host-known", node: "a", epoch: 1, isSelf: false }]);
  assertEquals(linked(1, "a"), [], "the same session again");
  assertEquals(recorder.observe(end("refused", "is full"), []), []);
  assertEquals(
    recorder.observe(end("dead", "nobody listens there any more"), [{ kind: "serve", epoch: 2 }]),
    [
      { event: "host-lost", cause: "nobody listens there any more" },
      { event: "host-known", node: "", epoch: 2, isSelf: true },
    ],
  );
});
