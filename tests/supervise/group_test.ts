import { assert, assertEquals } from "@std/assert";
import { type GroupEffect, type GroupEvent, WorkerGroup } from "../../lib/supervise/group.ts";
import type { ExitStatus } from "../../lib/supervise/exit_status.ts";

const OK: ExitStatus = { kind: "exited", code: 0 };
const FAILED: ExitStatus = { kind: "exited", code: 3 };
const TERMINATED: ExitStatus = { kind: "signalled", signal: "SIGTERM" };

/** Drives a group by hand: spawns are answered at once with pid 100 + local rank. */
function driver(workerCount: number, settings: { shutdownTimeoutMs?: number; keepDaemons?: boolean } = {}) {
  const group = new WorkerGroup({ workerCount, shutdownTimeoutMs: 30_000, keepDaemons: false, ...settings });
  let now = 0;
  const send = (event: GroupEvent): GroupEffect[] => {
    const effects: GroupEffect[] = [];
    for (const effect of group.step(event, now)) {
      effects.push(effect);
      if (effect.kind === "spawn") {
        effects.push(
          ...send({ kind: "worker-started", localRank: effect.localRank, pid: 100 + effect.localRank }),
        );
      }
    }
    return effects;
  };
  return {
    group,
    send,
    /** Jumps to the next deadline. */
    wake(): GroupEffect[] {
      const at = group.nextWakeup();
      assert(at !== undefined, "The group waits for no deadline");
      now = at;
      return send({ kind: "wakeup" });
    },
    now: () => now,
    end: (localRank: number, status: ExitStatus) => send({ kind: "worker-ended", localRank, status }),
    swept: (...pids: number[]) =>
      send({ kind: "swept", leftovers: pids.map((pid) => ({ pid, command: `daemon ${pid}` })) }),
  };
}

const kinds = (effects: readonly GroupEffect[]) => effects.map((effect) => effect.kind);
const signals = (effects: readonly GroupEffect[]) =>
  effects.flatMap((effect) =>
    effect.kind === "signal" ? [`${effect.localRank} ${effect.signal} ${effect.target}`] : []
  );

Deno.test("WorkerGroup starts its workers one by one and is gone after a clean sweep", () => {
  const { group, send, end, swept } = driver(2);
  assertEquals(kinds(send({ kind: "start" })), ["spawn", "spawn"]);
  assertEquals(group.phase, "running");
  assertEquals(end(0, OK), []);
  assertEquals(kinds(end(1, OK)), ["sweep"]);
  assertEquals(kinds(swept()), ["gone"]);
  assert(group.succeeded);
});

Deno.test("WorkerGroup stops the others when one fails: the worker first, its group after the grace, then SIGKILL", () => {
  const { send, end, wake, now, swept } = driver(3, { shutdownTimeoutMs: 2_000 });
  send({ kind: "start" });
  assertEquals(signals(end(1, FAILED)), ["0 SIGTERM worker", "2 SIGTERM worker"]);
  assertEquals(end(0, TERMINATED), []);
  assertEquals(signals(wake()), ["2 SIGTERM group"]);
  assertEquals(now(), 2_000);
  assertEquals(signals(wake()), ["2 SIGKILL group"]);
  assertEquals(now(), 2_500);
  assertEquals(kinds(end(2, { kind: "signalled", signal: "SIGKILL" })), ["sweep"]);
  assertEquals(kinds(swept()), ["gone"]);
});

Deno.test("WorkerGroup names what SIGKILL does not end and goes on without it", () => {
  const { group, send, wake, swept } = driver(1, { shutdownTimeoutMs: 1_000 });
  send({ kind: "start" });
  assertEquals(signals(send({ kind: "stop", signal: "SIGINT" })), ["0 SIGINT worker"]);
  wake();
  assertEquals(signals(wake()), ["0 SIGKILL group"]);
  const last = wake();
  assertEquals(last, [{ kind: "unkillable", pids: [100] }, { kind: "sweep" }]);
  assertEquals(kinds(swept(100)), ["gone"], "the abandoned worker is no leftover");
  assertEquals(group.workers[0]?.state, "abandoned");
});

Deno.test("WorkerGroup hears a stop between two starts and starts no further worker", () => {
  const group = new WorkerGroup({ workerCount: 3, shutdownTimeoutMs: 1_000, keepDaemons: false });
  assertEquals(group.step({ kind: "start" }, 0), [{ kind: "spawn", localRank: 0 }]);
  group.step({ kind: "worker-started", localRank: 0, pid: 100 }, 0);
  // Worker 1 is being started when the signal comes.
  assertEquals(signals(group.step({ kind: "stop", signal: "SIGTERM" }, 0)), ["0 SIGTERM worker"]);
  assertEquals(signals(group.step({ kind: "worker-started", localRank: 1, pid: 101 }, 0)), [
    "1 SIGTERM worker",
  ]);
  group.step({ kind: "worker-ended", localRank: 0, status: TERMINATED }, 0);
  assertEquals(kinds(group.step({ kind: "worker-ended", localRank: 1, status: TERMINATED }, 0)), ["sweep"]);
  assertEquals(group.workers[2]?.state, "waiting");
});

Deno.test("WorkerGroup kills at once on stop-now, in whatever state it is", () => {
  const { send, end, swept } = driver(2);
  send({ kind: "start" });
  send({ kind: "stop", signal: "SIGINT" });
  assertEquals(signals(send({ kind: "stop-now" })), ["0 SIGKILL group", "1 SIGKILL group"]);
  assertEquals(send({ kind: "stop-now" }), [], "a further one changes nothing");
  end(0, TERMINATED);
  end(1, TERMINATED);
  assertEquals(swept(7), [{
    kind: "signal-leftovers",
    leftovers: [{ pid: 7, command: "daemon 7" }],
    signal: "SIGKILL",
  }]);
});

Deno.test("WorkerGroup kills what is left when a stop has a limit of its own, whatever it is doing then", () => {
  const { send, wake, now, end, swept } = driver(2);
  send({ kind: "start" });
  assertEquals(signals(send({ kind: "stop", signal: "SIGTERM", withinMs: 5_000 })), [
    "0 SIGTERM worker",
    "1 SIGTERM worker",
  ]);
  assertEquals(send({ kind: "stop", signal: "SIGTERM", withinMs: 9_000 }), []);
  assertEquals(signals(wake()), ["0 SIGKILL group", "1 SIGKILL group"]);
  assertEquals(now(), 5_000, "the earlier limit holds");
  for (const rank of [0, 1]) end(rank, { kind: "signalled", signal: "SIGKILL" });
  assertEquals(swept(7).map((effect) => effect.kind === "signal-leftovers" && effect.signal), ["SIGKILL"]);

  // A limit that comes while a failure's own stop is under way shortens it.
  const later = driver(2);
  later.send({ kind: "start" });
  later.end(0, FAILED);
  later.send({ kind: "stop", signal: "SIGTERM", withinMs: 0 });
  assertEquals(signals(later.wake()), ["1 SIGKILL group"]);
  assertEquals(later.now(), 0);
});

Deno.test("WorkerGroup gives leftovers of a success the whole grace, names them, then kills", () => {
  const { send, end, swept, wake, now } = driver(1, { shutdownTimeoutMs: 10_000 });
  send({ kind: "start" });
  end(0, OK);
  const found = swept(7, 8);
  assertEquals(kinds(found), ["leftovers-found", "signal-leftovers"]);
  assertEquals(kinds(send({ kind: "orphan-ended" })), ["sweep"]);
  assertEquals(swept(8), [], "it has had its signal");
  let effects: GroupEffect[] = [];
  while (!kinds(effects).includes("signal-leftovers")) {
    effects = wake();
    assertEquals(kinds(effects), ["sweep"], "nobody is killed without a new look");
    effects.push(...swept(8));
  }
  assertEquals(now(), 10_000);
  assertEquals(effects.find((effect) => effect.kind === "signal-leftovers")?.signal, "SIGKILL");
  send({ kind: "orphan-ended" });
  assertEquals(kinds(swept()), ["gone"]);
});

Deno.test("WorkerGroup leaves leftovers alone with keepDaemons, and only after success", () => {
  const good = driver(1, { keepDaemons: true });
  good.send({ kind: "start" });
  good.end(0, OK);
  assertEquals(kinds(good.swept(7)), ["leftovers-found", "gone"]);
  const bad = driver(1, { keepDaemons: true });
  bad.send({ kind: "start" });
  bad.end(0, FAILED);
  assertEquals(kinds(bad.swept(7)), ["signal-leftovers"]);
});

Deno.test("WorkerGroup signals a leftover that appears while the others are being ended", () => {
  const { send, end, swept } = driver(1);
  send({ kind: "start" });
  end(0, FAILED);
  swept(7);
  send({ kind: "orphan-ended" });
  const effects = swept(7, 9);
  assertEquals(effects, [{
    kind: "signal-leftovers",
    leftovers: [{ pid: 9, command: "daemon 9" }],
    signal: "SIGTERM",
  }]);
});

Deno.test("WorkerGroup reports why a worker could not be started and ends the others", () => {
  const group = new WorkerGroup({ workerCount: 2, shutdownTimeoutMs: 1_000, keepDaemons: false });
  group.step({ kind: "start" }, 0);
  group.step({ kind: "worker-started", localRank: 0, pid: 100 }, 0);
  const effects = group.step({ kind: "worker-not-started", localRank: 1, reason: "Cannot start x: no" }, 0);
  assertEquals(signals(effects), ["0 SIGTERM worker"]);
  assertEquals(group.startFailure, "Cannot start x: no");
  assertEquals(kinds(group.step({ kind: "worker-ended", localRank: 0, status: TERMINATED }, 0)), ["sweep"]);
});

Deno.test("WorkerGroup waits for no deadline while its workers run", () => {
  const { group, send } = driver(2);
  send({ kind: "start" });
  assertEquals(group.nextWakeup(), undefined);
});
