import { assertEquals } from "@std/assert";
import type { MeetingPlan } from "../../lib/options/launch_plan.ts";
import { type Given, planOf } from "./planning.ts";

function meetingOf(args: readonly string[], given: Given = {}): MeetingPlan {
  const { meeting } = planOf(["--rdzv-endpoint=h", "--rdzv-backend=c10d", ...args], given);
  if (meeting === null) throw new Error(`There is no meeting with ${args.join(" ")}`);
  return meeting;
}

const endpointsOf = (...args: string[]) =>
  meetingOf(args).endpoints.map(({ host, port }) => `${host} ${port}`);

Deno.test("planFleet() has torchrun's ports where none is given, and each of several places", () => {
  assertEquals(endpointsOf("--nnodes=2"), ["h 29400"]);
  assertEquals(endpointsOf("--nnodes=2", "--rdzv-endpoint=a,b:1,[::1]"), ["a 29400", "b 1", "::1 29400"]);
  for (const backend of ["etcd", "etcd-v2", "etcd-v3"]) {
    assertEquals(endpointsOf("--nnodes=2", `--rdzv-backend=${backend}`), ["h 2379"], backend);
  }
});

Deno.test("planFleet() has torchrun's times, and those of --rdzv-conf", () => {
  const times = (...args: string[]) => {
    const { joinMs, lastCallMs, keepAliveMs, keepAliveAttempts } = meetingOf(["--nnodes=2", ...args]);
    return [joinMs, lastCallMs, keepAliveMs, keepAliveAttempts];
  };
  assertEquals(times(), [600_000, 30_000, 5_000, 3]);
  const conf = "join_timeout=7,last_call_timeout=2,keep_alive_interval=1,keep_alive_max_attempt=9";
  assertEquals(times(`--rdzv-conf=${conf}`), [7_000, 2_000, 1_000, 9]);
  const ofStatic = ["--rdzv-backend=static", "--rdzv-endpoint=h:1"];
  assertEquals(times(...ofStatic)[0], 900_000);
  assertEquals(times(...ofStatic, "--rdzv-conf=timeout=3")[0], 3_000);
});

Deno.test("planFleet() lets others take over where no two sides can have enough nodes, unless it is forbidden", () => {
  const failover = (...args: string[]) => meetingOf(args).failover;
  assertEquals(["2", "2:3", "3:4"].map((nodes) => failover(`--nnodes=${nodes}`)), [true, true, true]);
  assertEquals(["1:2", "2:4"].map((nodes) => failover(`--nnodes=${nodes}`)), [false, false]);
  assertEquals(failover("--nnodes=1:4", "--rdzv-backend=etcd-v3"), true);
  assertEquals(failover("--nnodes=2", "--no-failover"), false);
});

Deno.test("planFleet() takes the node's place from the scheduler, the finest word first", () => {
  const rank = (environment: Record<string, string>) =>
    meetingOf(["--nnodes=2"], { environment }).schedulerRank;
  assertEquals(rank({}), null);
  assertEquals(rank({ SLURM_NODEID: "3" }), 3);
  assertEquals(rank({ SLURM_NODEID: "3", SLURM_PROCID: "7" }), 7);
  assertEquals(rank({ OMPI_COMM_WORLD_RANK: "2" }), 2);
  assertEquals(rank({ JOB_COMPLETION_INDEX: "5" }), 5);
  assertEquals(rank({ SLURM_PROCID: "x" }), null);
});

Deno.test("planFleet() knows --node-rank only where it was given", () => {
  assertEquals(meetingOf(["--nnodes=2"]).nodeRank, null);
  assertEquals(meetingOf(["--nnodes=2", "--node-rank=0"]).nodeRank, 0);
});
