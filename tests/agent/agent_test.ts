import { assert, assertEquals } from "@std/assert";
import type { AgentEffect } from "../../lib/agent/effect.ts";
import type { AgentEvent } from "../../lib/agent/event.ts";
import type { LaunchPlan } from "../../lib/options/launch_plan.ts";
import type { ExitStatus } from "../../lib/supervise/exit_status.ts";
import { failedWith, killedBy, OK, playedJob } from "./played_job.ts";

function story(changes: Partial<LaunchPlan> = {}, { storeOpens = true } = {}) {
  const effects: AgentEffect[] = [];
  let now = 0;
  const { agent, tell } = playedJob(changes, { storeOpens, onStep: (_, found) => effects.push(...found) });
  const send = (event: AgentEvent) => tell(event, now);
  return {
    agent,
    effects,
    send,
    later: (milliseconds: number) => now += milliseconds,
    end: (localRank: number, status: ExitStatus) => send({ kind: "worker-ended", localRank, status }),
    exitCode: () => effects.find((effect) => effect.kind === "exit")?.code,
    said: () => effects.flatMap((effect) => (effect.kind === "say" ? [effect.text] : [])),
    spawned: () => effects.filter((effect) => effect.kind === "spawn"),
    signals: () =>
      effects.flatMap((effect) => (effect.kind === "signal" ? [`${effect.localRank} ${effect.signal}`] : [])),
  };
}

Deno.test("Agent runs a job that succeeds without a word and exits with 0", () => {
  const { send, end, exitCode, effects } = story();
  send({ kind: "start" });
  end(0, OK);
  end(1, OK);
  assertEquals(exitCode(), 0);
  assertEquals(effects.filter(({ kind }) => kind === "say").length, 1, "only what a terminal shows");
});

Deno.test("Agent gives every worker its own place and the attempt's number", () => {
  const { send, end, spawned } = story({ maxRestarts: 1, role: "trainer" });
  send({ kind: "start" });
  end(1, failedWith(7));
  end(0, killedBy("SIGTERM"));
  const environments = spawned().map(({ environment }) => environment);
  assertEquals(environments.map((e) => `${e.RANK}/${e.WORLD_SIZE} attempt ${e.TORCHELASTIC_RESTART_COUNT}`), [
    "0/2 attempt 0",
    "1/2 attempt 0",
    "0/2 attempt 1",
    "1/2 attempt 1",
  ]);
  assertEquals(environments.map((e) => e.TORCHELASTIC_ERROR_FILE), ["/e/0", "/e/1", "/e/0", "/e/1"]);
  assert(
    environments.every((e) =>
      e.MASTER_PORT === "4321" && e.MASTER_ADDR === "127.0.0.1" && e.ROLE_NAME === "trainer"
    ),
  );
});

Deno.test("Agent restarts all workers within the budget, then reports and exits with torchrun's code", () => {
  const { send, end, exitCode, effects, spawned } = story({ maxRestarts: 1 });
  send({ kind: "start" });
  end(0, failedWith(3));
  end(1, killedBy("SIGTERM"));
  assertEquals(exitCode(), undefined);
  end(1, failedWith(4));
  end(0, killedBy("SIGTERM"));
  assertEquals(spawned().length, 4);
  assertEquals(exitCode(), 1);
  const report = effects.find((effect) => effect.kind === "report");
  assertEquals(report?.verdict.rootCause?.facts.localRank, 1);
  assertEquals(report?.attempts.map((verdict) => verdict.rootCause?.facts.localRank), [0, 1]);
});

Deno.test("Agent passes the first failure's own code on with exitCode worker", () => {
  for (const [status, code] of [[failedWith(7), 7], [killedBy("SIGKILL"), 137]] as const) {
    const { send, end, exitCode } = story({ exitCode: "worker" });
    send({ kind: "start" });
    end(1, status);
    end(0, killedBy("SIGTERM"));
    assertEquals(exitCode(), code);
  }
});

Deno.test("Agent stops on a signal, says how long it waits, and exits with 128 + n", () => {
  const { send, end, exitCode, said, signals } = story();
  send({ kind: "start" });
  send({ kind: "signal", signal: "SIGINT" });
  assert(
    said().includes("SIGINT received: waiting up to 30 s for 2 workers to end (once more to stop at once)"),
  );
  assertEquals(signals(), ["0 SIGINT", "1 SIGINT"]);
  end(0, OK);
  end(1, killedBy("SIGINT"));
  assertEquals(exitCode(), 130);
});

Deno.test("Agent kills at once on a second signal, but not on the first one's echo", () => {
  const { send, later, signals } = story();
  send({ kind: "start" });
  send({ kind: "signal", signal: "SIGINT" });
  later(5);
  send({ kind: "signal", signal: "SIGINT" });
  assertEquals(signals(), ["0 SIGINT", "1 SIGINT"]);
  later(500);
  send({ kind: "signal", signal: "SIGINT" });
  assertEquals(signals().slice(2), ["0 SIGKILL", "1 SIGKILL"]);
});

Deno.test("Agent does not restart after a stop, even when a worker fails while it ends", () => {
  const { send, end, exitCode, spawned } = story({ maxRestarts: 3 });
  send({ kind: "start" });
  send({ kind: "signal", signal: "SIGTERM" });
  end(0, failedWith(1));
  end(1, OK);
  assertEquals(exitCode(), 143);
  assertEquals(spawned().length, 2);
});

Deno.test("Agent reports a final failure although a signal came while it ended: the first cause wins", () => {
  const { send, end, exitCode, effects } = story();
  send({ kind: "start" });
  end(0, failedWith(1));
  send({ kind: "signal", signal: "SIGINT" });
  end(1, killedBy("SIGTERM"));
  assertEquals(exitCode(), 1);
  assert(effects.some(({ kind }) => kind === "report"));
});

Deno.test("Agent that is stopped before its store is open starts nothing", () => {
  const { send, exitCode, spawned } = story({}, { storeOpens: false });
  send({ kind: "start" });
  send({ kind: "signal", signal: "SIGTERM" });
  assertEquals(exitCode(), 143);
  send({ kind: "store-ready", address: "127.0.0.1", port: 1 });
  assertEquals(spawned(), []);
});

Deno.test("Agent passes forwarded signals on to the workers and stays", () => {
  const { send, signals, exitCode } = story({ forwardSignals: ["SIGUSR1"] });
  send({ kind: "start" });
  send({ kind: "signal", signal: "SIGUSR1" });
  assertEquals(signals(), ["0 SIGUSR1", "1 SIGUSR1"]);
  assertEquals(exitCode(), undefined);
});

Deno.test("Agent ends with the system's code and reason when a port or a process can't be had", () => {
  const { send, said, exitCode } = story({}, { storeOpens: false });
  send({ kind: "start" });
  send({ kind: "not-possible", reason: "Cannot listen on 127.0.0.1:80" });
  assertEquals(said(), ["Cannot listen on 127.0.0.1:80"]);
  assertEquals(exitCode(), 71);
});

Deno.test("Agent restarts after a watchdog ended a worker, and names the watchdog as the cause", () => {
  const { send, end, effects, spawned } = story({ maxRestarts: 1 });
  send({ kind: "start" });
  send({ kind: "watchdog-expired", pid: 101, signal: "SIGKILL", reason: 'timer "step" expired' });
  assert(
    effects.some((effect) =>
      effect.kind === "signal-pid" && effect.pid === 101 && effect.signal === "SIGKILL"
    ),
  );
  end(1, killedBy("SIGKILL"));
  end(0, killedBy("SIGTERM"));
  assertEquals(spawned().length, 4);
});

Deno.test("Agent never restarts or succeeds after a worker hung in the kernel", () => {
  const { send, end, exitCode, spawned } = story({ maxRestarts: 3 });
  send({ kind: "start" });
  send({
    kind: "uninterruptible",
    localRank: 0,
    reason: "Worker 0 (pid 100) is in uninterruptible sleep for 60 s",
  });
  end(0, OK);
  end(1, OK);
  assertEquals(exitCode(), 1);
  assertEquals(spawned().length, 2);
});

Deno.test("Nothing is started again after a refusal, whoever hosts the job by then", () => {
  const { agent, send, exitCode } = story();
  send({ kind: "start" });
  send({ kind: "uninterruptible", localRank: 0, reason: "in uninterruptible sleep" });
  for (
    const effect of agent.step({
      kind: "news",
      news: { kind: "go-on", text: null, verdict: null },
      verdict: null,
    }, 0)
  ) {
    assertEquals(effect, { kind: "exit", code: 1 });
  }
  assertEquals(exitCode(), undefined);
});
