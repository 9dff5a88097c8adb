import { assert, assertEquals } from "@std/assert";
import { readHistory } from "../../lib/view/job_history.ts";
import { perfettoTrace } from "../../lib/view/perfetto.ts";
import { linesOf, restartedEvents } from "./histories.ts";

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: { readonly name?: string; readonly running?: number };
}

const { traceEvents } = JSON.parse(perfettoTrace(readHistory(linesOf(restartedEvents(3)))!)) as {
  traceEvents: TraceEvent[];
};

Deno.test("perfettoTrace() has a process for each node and a thread for each rank, named", () => {
  const names = traceEvents.filter(({ ph }) => ph === "M").map(({ name, pid, tid, args }) =>
    `${name} ${pid} ${tid} ${args?.name}`
  );
  for (const expected of ["process_name 0 0 job llm-7b", "process_name 1 0 here", "thread_name 1 2 rank 2"]) {
    assert(names.includes(expected), expected);
  }
});

Deno.test("perfettoTrace() keeps to the trace event format: microseconds, whole, no two spans of a thread across", () => {
  const spans = traceEvents.filter(({ ph }) => ph === "X");
  assertEquals(spans.filter(({ pid }) => pid === 1).length, 6);
  const ends = new Map<string, number>();
  for (const { pid, tid, ts, dur } of spans.sort((a, b) => a.ts! - b.ts!)) {
    assert(Number.isInteger(ts) && Number.isInteger(dur) && dur! >= 0);
    assert((ends.get(`${pid} ${tid}`) ?? 0) <= ts!);
    ends.set(`${pid} ${tid}`, ts! + dur!);
  }
  const failure = traceEvents.find(({ ph, pid }) => ph === "i" && pid === 1);
  assertEquals([failure?.name, failure?.ts, failure?.tid], ["failed: exit code 3", 59_920_000, 1]);
  assertEquals(traceEvents.filter(({ ph }) => ph === "C").map(({ args }) => args?.running), [
    3,
    2,
    3,
    2,
    1,
    0,
  ]);
});
