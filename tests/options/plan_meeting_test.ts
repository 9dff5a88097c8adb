import { assertEquals } from "@std/assert";
import { checkNotice, checkProblem, type Given, noticesOf, planned, planOf } from "./planning.ts";

const UUID = "00000000-0000-4000-8000-00000000002a";

/** Checks where the workers meet and what the job is called. */
function check(
  args: readonly string[],
  wanted: { readonly backend: string; readonly jobId: string; readonly port: number },
  given: Given = {},
): void {
  const { jobId, rendezvousBackend, store } = planOf(args, given);
  assertEquals({ backend: rendezvousBackend, jobId, port: store.port }, wanted, args.join(" "));
}

Deno.test("planMeeting() plain form and --standalone: a free port and a new job id", () => {
  check([], { backend: "c10d", jobId: UUID, port: 0 });
  check(["--standalone"], { backend: "c10d", jobId: UUID, port: 0 });
  check(["--nnodes=1:1"], { backend: "c10d", jobId: UUID, port: 0 });
});

Deno.test("planMeeting() keeps an id that was given, but under --standalone", () => {
  check(["--rdzv-id=mine"], { backend: "c10d", jobId: "mine", port: 0 });
  check(["--rdzv-id=none"], { backend: "c10d", jobId: "none", port: 0 });
  check([], { backend: "c10d", jobId: "mine", port: 0 }, { environment: { PET_RDZV_ID: "mine" } });
  check(["--rdzv-id=team/run 7"], { backend: "c10d", jobId: "team/run 7", port: 0 });
  check(["--standalone", "--rdzv-id=mine"], { backend: "c10d", jobId: UUID, port: 0 });
});

Deno.test("planMeeting() static: the workers' store is on the master port", () => {
  check(["--master-port=1234"], { backend: "static", jobId: "none", port: 1234 });
  check(["--master-port=0"], { backend: "static", jobId: "none", port: 0 });
  check(["--rdzv-backend=static", "--rdzv-endpoint=localhost:777"], {
    backend: "static",
    jobId: "none",
    port: 777,
  });
  check(["--rdzv-endpoint=[::1]:777", "--rdzv-id=x"], { backend: "static", jobId: "x", port: 777 });
});

Deno.test("planMeeting() static: says that another address is not used", () => {
  checkNotice(
    ["--master-addr=10.0.0.7", "--master-port=1234"],
    "--master-addr is not used with one machine: the workers meet at 127.0.0.1:1234",
  );
  for (const address of ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"]) {
    assertEquals(noticesOf([`--master-addr=${address}`, "--master-port=1234"]), []);
  }
});

Deno.test("planMeeting() static: the only machine has rank 0", () => {
  checkProblem(["--master-port=1234", "--node-rank=1"], "--node-rank must be 0 with one machine: got 1");
  assertEquals(planOf(["--standalone", "--node-rank=1"]).nodeRank, 0);
});

Deno.test("planMeeting() c10d: any endpoint will do, and takes no port", () => {
  for (const endpoint of ["localhost:0", "localhost:29400", "node7:29400", "10.1.2.3", "[fe80::1]:5", ""]) {
    check(["--rdzv-backend=c10d", `--rdzv-endpoint=${endpoint}`], {
      backend: "c10d",
      jobId: "none",
      port: 0,
    });
  }
});

Deno.test("planMeeting() etcd: says that it is not contacted", () => {
  check(["--rdzv-backend=etcd-v2", "--rdzv-endpoint=etcd:2379"], {
    backend: "etcd-v2",
    jobId: "none",
    port: 0,
  });
  checkNotice(["--rdzv-backend=etcd", "--rdzv-endpoint=etcd:2379"], "etcd is not contacted");
});

Deno.test("planMeeting() makes an id for an empty one, as torchrun does, and says it", () => {
  const args = ["--rdzv-backend=c10d", "--rdzv-id="];
  const id = String(BigInt("0x0000000000004000800000000000002a"));
  check(args, { backend: "c10d", jobId: id, port: 0 });
  checkNotice(args, `--rdzv-id is empty, so the job is called ${id}`);
  check(["--rdzv-id="], { backend: "c10d", jobId: UUID, port: 0 });
});

Deno.test("planMeeting() honours TORCH_DISABLE_SHARE_RDZV_TCP_STORE where torchrun does", () => {
  const given = { environment: { TORCH_DISABLE_SHARE_RDZV_TCP_STORE: "1" } };
  assertEquals(planOf(["--standalone"], given).store.hostedByLauncher, false);
  assertEquals(planOf(["--master-port=1234"], given).store.hostedByLauncher, true);
  const off = { environment: { TORCH_DISABLE_SHARE_RDZV_TCP_STORE: "true" } };
  assertEquals(planOf(["--standalone"], off).store.hostedByLauncher, true);
});

Deno.test("planMeeting() explains what no option says", () => {
  const reason = (
    args: readonly string[],
    field: "jobId" | "rendezvousBackend" | "rendezvousEndpoint" | "store",
  ) => planned(args).reasons.get(field);
  assertEquals(reason(["--standalone"], "jobId"), "new, because of --standalone");
  assertEquals(reason(["--standalone"], "rendezvousBackend"), "because of --standalone");
  assertEquals(reason([], "rendezvousEndpoint"), "one machine and no --master-port, as under torchrun");
  assertEquals(reason(["--master-port=1"], "rendezvousEndpoint"), "--master-addr and --master-port");
  assertEquals(reason(["--master_port=1"], "store"), "the port of --master_port");
});
