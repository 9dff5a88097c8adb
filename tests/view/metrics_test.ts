import { assert, assertEquals, assertMatch } from "@std/assert";
import { jobMetrics } from "../../lib/view/metrics.ts";
import { jobStatus, rankStatus } from "./sample_status.ts";

const status = jobStatus(3, {
  attempt: 1,
  lostMs: 2500,
  nodes: [{
    host: "h",
    nodeRank: 0,
    launcherPid: 1,
    workers: [
      rankStatus(0),
      rankStatus(1, { state: "failed", silentMs: null }),
      rankStatus(2, { silentMs: 4000 }),
    ],
  }],
});

function samples(name: string): [string, number][] {
  const metric = jobMetrics(status, 1_000_000).find((one) => one.name === name);
  return metric?.samples.map(({ labels, value }) => [Object.values(labels).join(), value]) ?? [];
}

Deno.test("jobMetrics() says who is up, what was printed when, and what failures cost", () => {
  assertEquals(samples("muster_workers_up"), [["", 2]]);
  assertEquals(samples("muster_worker_up"), [["0", 1], ["1", 0], ["2", 1]]);
  assertEquals(samples("muster_restarts_total"), [["", 1]]);
  assertEquals(samples("muster_lost_seconds_total"), [["", 2.5]]);
  assertEquals(samples("muster_store_requests_total"), [["", 12_000]]);
  assertEquals(samples("muster_output_last_timestamp_seconds"), [["0", 999_998.5], ["2", 999_996]]);
});

Deno.test("jobMetrics() leaves out what isn't known", () => {
  const names = jobMetrics(jobStatus(1, { store: null, round: null, firstWorkerMs: null }), 0).map((
    { name },
  ) => name);
  assertEquals(names.filter((name) => /store|round|first/.test(name)), []);
});

Deno.test("jobMetrics() keeps to Prometheus' rules for names", () => {
  for (const { name, kind, help, labels, samples } of jobMetrics(status, 0)) {
    assertMatch(name, /^muster_[a-z_]+$/);
    assertEquals(kind === "counter", name.endsWith("_total"), name);
    assert(help !== "" && !help.endsWith("."));
    for (const sample of samples) assertEquals(Object.keys(sample.labels), [...labels]);
  }
});
