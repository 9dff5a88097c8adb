import { assertEquals } from "@std/assert";
import type { ErrorFileFacts } from "../../lib/agent/facts.ts";
import { ownErrorFile } from "../../lib/agent/own_error_file.ts";
import { judge } from "../../lib/agent/report.ts";
import { failedAttempt, recordText, STARTED_AT, stoppedWorker, workerFacts } from "./attempts.ts";
import { sampleLines } from "./samples.ts";

function written(workers: Parameters<typeof failedAttempt>[0]) {
  const text = ownErrorFile(judge(failedAttempt(workers)));
  return text === null ? null : JSON.parse(text);
}

function fileWith(text: string): ErrorFileFacts {
  return { path: "error.json", text, writtenAt: null, problem: null };
}

Deno.test("ownErrorFile() hands on the root cause's file with the exit code added, as torchrun does", () => {
  const text = recordText("ValueError: bad", 7);
  const document = JSON.parse(text);
  document.message.errorCode = 1;
  assertEquals(written([workerFacts(0, { errorFile: fileWith(text) })]), document);
});

Deno.test("ownErrorFile() gives signals as negative codes", () => {
  const worker = workerFacts(0, {
    status: { kind: "signalled", signal: "SIGSEGV" },
    errorFile: fileWith(recordText("x: y", 7)),
  });
  assertEquals(written([worker]).message.errorCode, -11);
});

Deno.test("ownErrorFile() hands on a plain message as it is", () => {
  const document = { message: "bad", timestamp: 7, more: [1] };
  assertEquals(written([workerFacts(0, { errorFile: fileWith(JSON.stringify(document)) })]), document);
});

Deno.test("ownErrorFile() makes a record of its own when the worker left none", () => {
  const worker = workerFacts(0, { tail: sampleLines("plain_exception"), endedAt: STARTED_AT + 1999 });
  const { message } = written([worker]);
  assertEquals(message.message, "ValueError: the learning rate must be positive: got -1");
  assertEquals(message.extraInfo.py_callstack.startsWith("Traceback (most recent call last):\n"), true);
  assertEquals(message.extraInfo.timestamp, String(STARTED_AT / 1000 + 1));
  assertEquals(message.errorCode, 1);
  assertEquals(written([workerFacts(0, { tail: ["bye"] })]).message.extraInfo.py_callstack, "bye\n");
});

Deno.test("ownErrorFile() has nothing to tell when no worker failed by itself", () => {
  assertEquals(written([stoppedWorker(0)]), null);
});
