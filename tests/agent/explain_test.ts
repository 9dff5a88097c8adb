import { assertEquals, assertMatch } from "@std/assert";
import { type Ending, explain } from "../../lib/agent/explain.ts";
import { UNKNOWN_MACHINE } from "./attempts.ts";

function explained(ending: Partial<Ending>, machine = UNKNOWN_MACHINE) {
  return explain({
    pid: 4711,
    status: { kind: "exited", code: 1 },
    stoppedByUs: false,
    watchdog: null,
    exceptions: [],
    lastLines: [],
    ...ending,
  }, machine);
}

Deno.test("explain() says of a bare exit code what there is to say", () => {
  const silent = explained({ status: { kind: "exited", code: 3 } });
  assertEquals(silent.summary, "ended itself with exit code 3 and printed nothing on stderr");
  const talking = explained({ status: { kind: "exited", code: 3 }, lastLines: ["bye"] });
  assertEquals(talking.summary, "ended itself with exit code 3");
});

Deno.test("explain() does not call a worker silent whose output it has not seen", () => {
  const unseen = explained({ status: { kind: "exited", code: 3 }, lastLines: null });
  assertEquals(unseen.summary, "ended itself with exit code 3");
});

Deno.test("explain() reads the shell's exit codes", () => {
  assertMatch(explained({ status: { kind: "exited", code: 127 } }).summary, /was not found/);
  const killed = explained({ status: { kind: "exited", code: 137 } }, {
    ...UNKNOWN_MACHINE,
    outOfMemoryKills: 1,
  });
  assertEquals(killed.kind, "out-of-memory");
  assertMatch(killed.summary, /^exit code 137, which is how a shell reports SIGKILL of its child: /);
  assertEquals(explained({ status: { kind: "exited", code: 255 } }).kind, "exit-code");
});

Deno.test("explain() names the watchdog before anything else", () => {
  const ending = { watchdog: "scope epoch timed out", exceptions: ["ValueError: x"] };
  assertEquals(explained(ending), {
    kind: "watchdog",
    summary: "scope epoch timed out",
    advice: null,
    isConsequence: false,
  });
});

Deno.test("explain() does not read our own signal as somebody else's", () => {
  const status = { kind: "signalled", signal: "SIGTERM" } as const;
  assertEquals(explained({ status, stoppedByUs: true }).kind, "stopped");
  assertEquals(
    explained({ status, stoppedByUs: true, exceptions: ["ValueError: x"] }).summary,
    "ValueError: x",
  );
  assertMatch(explained({ status }).summary, /^SIGTERM \(15\): somebody other than muster/);
});

Deno.test("explain() looks along a chain for what is known, the last exception first", () => {
  const exceptions = [
    "RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed. ",
    "TrainingError: step 3 failed",
  ];
  const { kind, summary } = explained({ exceptions });
  assertEquals([kind, summary], ["loader-process-killed", "TrainingError: step 3 failed"]);
});

Deno.test("explain() finds known texts also where there is no traceback", () => {
  const { kind, summary } = explained({
    lastLines: ["starting", "error: Address already in use (os error 98)"],
  });
  assertEquals([kind, summary], ["port-in-use", "error: Address already in use (os error 98)"]);
});
