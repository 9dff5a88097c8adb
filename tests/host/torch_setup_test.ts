import { assertEquals } from "@std/assert";
import { torchMeetingOptions } from "../../lib/host/torch_setup.ts";
import { planOf } from "../options/planning.ts";

Deno.test("torchMeetingOptions() has --rdzv-conf's times, and no keep-alive that every late beat would break", () => {
  const times = (conf: string) => {
    const plan = planOf(["--nnodes=2", "--rdzv-backend=etcd-v2", "--rdzv-endpoint=h", `--rdzv-conf=${conf}`]);
    const own = { address: "a", restarts: 0, claimMs: 1 };
    const options = torchMeetingOptions(plan, plan.meeting!, own);
    const { keepAliveMs, keepAliveAttempts, closeMs, readMs, backoffMsMax } = options;
    return [keepAliveMs, keepAliveAttempts, closeMs, readMs, backoffMsMax];
  };
  assertEquals(times("join_timeout=1"), [5_000, 3, 30_000, 60_000, 0]);
  const all =
    "keep_alive_interval=7,keep_alive_max_attempt=2,close_timeout=1,read_timeout=2,cas_backoff_max_seconds=0.5";
  assertEquals(times(all), [7_000, 2, 1_000, 2_000, 500]);
  for (const conf of ["keep_alive_interval=0,keep_alive_max_attempt=0", "keep_alive_interval=-1"]) {
    const [keepAliveMs, attempts] = times(conf);
    assertEquals([keepAliveMs, attempts! >= 2], [1_000, true]);
  }
  assertEquals(times("keep_alive_max_attempt=1").slice(0, 2), [5_000, 2]);
});
