import { assertEquals, assertNotMatch, assertStringIncludes } from "@std/assert";
import type { FailedAttempt, WorkerFacts } from "../../lib/agent/facts.ts";
import { judge } from "../../lib/agent/report.ts";
import { verdictText, type VerdictTextOptions } from "../../lib/agent/report_text.ts";
import { failedAttempt, STARTED_AT, stoppedWorker, UNKNOWN_MACHINE, workerFacts } from "./attempts.ts";
import { sampleLines } from "./samples.ts";

const TRACEBACK = [
  "Traceback (most recent call last):",
  '  File "train.py", line 3, in <module>',
  '    raise ValueError("bad")',
  "ValueError: bad",
];

function textOf(
  workers: readonly WorkerFacts[],
  options: Partial<VerdictTextOptions> = {},
  attempt: Partial<FailedAttempt> = {},
): string {
  const verdict = judge(failedAttempt(workers, attempt));
  return verdictText(verdict, { width: 80, colour: false, utcOffsetMinutes: 60, ...options });
}

Deno.test("verdictText() has torchrun's layout with the root cause first", () => {
  const text = textOf([
    workerFacts(0, { endOrder: 1, tail: sampleLines("peer_raises") }),
    workerFacts(1, { endOrder: 0, tail: ["epoch 1", ...TRACEBACK] }),
    workerFacts(2, { endOrder: 2, status: { kind: "signalled", signal: "SIGSEGV" } }),
    stoppedWorker(3),
    stoppedWorker(4),
  ]);
  assertEquals(
    text,
    `\
============================================================
train.py FAILED
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-23_22:49:22
  host      : node-a
  rank      : 1 (local_rank: 1)
  exitcode  : 1 (pid: 4001)
  error_file: <N/A>
  cause     : ValueError: bad
  ran       : 2 s, in attempt 0
  traceback : Traceback (most recent call last):
    File "train.py", line 3, in <module>
      raise ValueError("bad")
  ValueError: bad
------------------------------------------------------------
Failures:
[1]:
  time      : 2026-11-23_22:49:22
  host      : node-a
  rank      : 2 (local_rank: 2)
  exitcode  : -11 (pid: 4002) (SIGSEGV)
  error_file: <N/A>
  cause     : SIGSEGV (11): memory was used that isn't there, nearly always a
              defect in native code (an extension, a driver library)
------------------------------------------------------------
What followed:
  rank 0 failed as a consequence: the connection to a peer broke
  ranks 3-4 were stopped by muster (SIGTERM)
============================================================
`,
  );
});

Deno.test("verdictText() shows what else helps: advice, log files, the last words, a broken error file", () => {
  const worker = workerFacts(0, {
    status: { kind: "signalled", signal: "SIGKILL" },
    errorFile: { path: "/logs/0/error.json", text: "{", writtenAt: STARTED_AT, problem: null },
    tail: ["", "step 1\rstep 2", "\x1b[31mgoodbye\x1b[0m", ""],
    logFiles: ["/logs/0/stderr.log"],
  });
  const text = textOf([worker], {}, {
    machine: { ...UNKNOWN_MACHINE, outOfMemoryKills: 2, memoryLimitBytes: 2 ** 30 },
  });
  assertStringIncludes(text, "exitcode  : -9 (pid: 4000) (SIGKILL)\n");
  assertStringIncludes(
    text,
    "error_file: /logs/0/error.json (the file isn't JSON: the worker ended while writing it",
  );
  assertStringIncludes(text, "  advice    : Give the job more memory");
  assertStringIncludes(text, "  log file  : /logs/0/stderr.log\n");
  assertStringIncludes(text, "  traceback : <N/A>, the last that was printed:\n  | step 2\n  | goodbye\n");
  assertStringIncludes(text, "Failures:\n  <NO_OTHER_FAILURES>\n");
});

Deno.test("verdictText() wraps its own words to the terminal and never a path", () => {
  const path = `/logs/${"x".repeat(120)}/stderr.log`;
  const lines = textOf([
    workerFacts(0, { status: { kind: "signalled", signal: "SIGSEGV" }, logFiles: [path] }),
  ], { width: 60 }).split("\n");
  assertEquals(lines.filter((line) => line.length > 60), [`  log file  : ${path}`]);
});

Deno.test("verdictText() stays short for many failures and long tracebacks", () => {
  const deep = [
    "Traceback (most recent call last):",
    ...Array.from({ length: 500 }, (_, line) => `  File "train.py", line ${line}, in f`),
    "RecursionError: too deep",
  ];
  const lines = textOf(Array.from({ length: 64 }, (_, rank) => workerFacts(rank, { tail: deep }))).split(
    "\n",
  );
  assertEquals(lines.length < 150, true);
  assertStringIncludes(lines.join("\n"), "… 443 lines left out …");
  assertEquals(lines.includes("  and ranks 9-63"), true);
});

Deno.test("verdictText() tells what ended the attempts before", () => {
  const first = judge(failedAttempt([workerFacts(0, { tail: sampleLines("import_error") })]));
  const second = judge(failedAttempt([workerFacts(0)], { attempt: 1 }));
  const text = verdictText(second, {
    width: 120,
    colour: false,
    utcOffsetMinutes: 0,
    attempts: [first, second],
  });
  assertStringIncludes(
    text,
    "Earlier attempts:\n  attempt 0: rank 0, 2026-11-23_21:49:22: ModuleNotFoundError: No module named",
  );
});

Deno.test("verdictText() says so when no worker failed by itself", () => {
  assertStringIncludes(textOf([stoppedWorker(0)]), "Root Cause: no worker failed by itself\n");
});

Deno.test("verdictText() colours on request only, and passes no worker's colours on", () => {
  const workers = [workerFacts(0, { tail: ["\x1b[31mred", "\x07bell"] })];
  // deno-lint-ignore no-control-regex -- what must not be there
  assertNotMatch(textOf(workers), /\x1b|\x07/);
  assertStringIncludes(textOf(workers, { colour: true }), "\x1b[1;31mtrain.py FAILED\x1b[0m\n");
});
