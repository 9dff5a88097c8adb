/**
 * A job's history as a trace for https://ui.perfetto.dev and chrome://tracing: the job's attempts, every node as a process
 * and every rank as its thread. Source: "Trace Event Format" (JSON, `X` spans, `i` instants, `C` counters, `M` names).
 */

import { workersOverTime } from "./report_series.ts";
import type { JobHistory } from "./job_history.ts";

interface TraceEvent {
  readonly name: string;
  readonly ph: "X" | "i" | "C" | "M";
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  /** Scope of an instant: thread or process. */
  readonly s?: "t" | "p";
  /** Perfetto's colours of Chrome. */
  readonly cname?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

/** The job itself; nodes count from 1. */
const JOB = 0;

/** The trace as one text of JSON. */
export function perfettoTrace(history: JobHistory): string {
  const events: TraceEvent[] = [
    name("process_name", JOB, 0, `job ${history.job}`),
    name("thread_name", JOB, 0, "attempts"),
    name("thread_name", JOB, 1, "lost to failures"),
    name("thread_name", JOB, 2, "launcher"),
  ];
  const nodeOf = new Map(history.hosts.map((host, index) => [host, index + 1]));
  for (const [host, pid] of nodeOf) events.push(name("process_name", pid, 0, host));
  for (const attempt of history.attempts) {
    events.push({
      ...span(`attempt ${attempt.attempt}`, attempt.from, attempt.to, JOB, 0),
      args: {
        round: attempt.round,
        outcome: attempt.outcome,
        cause: attempt.cause,
        nodes: attempt.nodeCount,
      },
    });
  }
  for (const { from, to } of history.lost) {
    events.push({ ...span("lost", from, to, JOB, 1), cname: "terrible" });
  }
  const named = new Set<string>();
  for (const worker of history.workers) {
    const pid = nodeOf.get(worker.host) ?? JOB;
    if (!named.has(`${pid} ${worker.rank}`)) {
      named.add(`${pid} ${worker.rank}`);
      events.push(name("thread_name", pid, worker.rank, `rank ${worker.rank}`));
    }
    const { outcome, ending, cause } = worker;
    events.push({
      ...span(`attempt ${worker.attempt}`, worker.from, worker.to, pid, worker.rank),
      ...(outcome === "failed" ? { cname: "terrible" } : outcome === "stopped" ? { cname: "grey" } : {}),
      args: { pid: worker.pid, outcome, ending, cause },
    });
    if (outcome === "failed") {
      events.push({
        name: `failed: ${ending}`,
        ph: "i",
        s: "p",
        cat: "failure",
        pid,
        tid: worker.rank,
        ts: microseconds(worker.to),
      });
    }
  }
  for (const { at, event } of history.moments) {
    if (
      event.event !== "signal-received" && event.event !== "message" && event.event !== "watchdog-expired"
    ) continue;
    const what = event.event === "signal-received"
      ? `${event.signal} received`
      : event.event === "message"
      ? event.text
      : event.reason;
    events.push({ name: what, ph: "i", s: "t", cat: event.event, pid: JOB, tid: 2, ts: microseconds(at) });
  }
  for (const { at, count } of workersOverTime(history.workers)) {
    events.push({
      name: "workers running",
      ph: "C",
      pid: JOB,
      tid: 0,
      ts: microseconds(at),
      args: { running: count },
    });
  }
  return JSON.stringify({
    traceEvents: events,
    displayTimeUnit: "ms",
    otherData: { job: history.job, program: history.program },
  });
}

function name(what: "process_name" | "thread_name", pid: number, tid: number, text: string): TraceEvent {
  return { name: what, ph: "M", pid, tid, args: { name: text } };
}

function span(text: string, from: number, to: number, pid: number, tid: number): TraceEvent {
  return {
    name: text,
    ph: "X",
    cat: "muster",
    pid,
    tid,
    ts: microseconds(from),
    dur: microseconds(to - from),
  };
}

function microseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000);
}
