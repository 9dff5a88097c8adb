import { assertEquals } from "@std/assert";
import { dryRunWorkers } from "../../lib/agent/dry_run_workers.ts";
import { planOf } from "../options/planning.ts";

Deno.test("dryRunWorkers() fills in rank by rank what each worker would get", () => {
  const workers = dryRunWorkers(planOf(["--nproc-per-node=2", "train.py", "--out=${local_rank}"]));
  assertEquals(workers.map(({ localRank, rank }) => [localRank, rank]), [[0, 0], [1, 1]]);
  assertEquals(workers.map(({ command }) => command.at(-1)), ["--out=0", "--out=1"]);
  assertEquals(workers.map(({ environment }) => environment["LOCAL_RANK"]), ["0", "1"]);
});

Deno.test("dryRunWorkers() leaves open what is known only at the start", () => {
  const environment = { TORCHELASTIC_ENABLE_FILE_TIMER: "1" };
  const open = dryRunWorkers(planOf([], { environment }))[0]!.environment;
  const names = Object.keys(open).filter((name) => open[name] === null).sort();
  assertEquals(names, ["MASTER_PORT", "MUSTER_MARK", "TORCHELASTIC_ERROR_FILE", "TORCHELASTIC_TIMER_FILE"]);
});

Deno.test("dryRunWorkers() tells what is known already", () => {
  const tree = { nodes: ["/dev/null"] };
  const [worker] = dryRunWorkers(planOf(["--master-port=1234", "--log-dir=/dev/null"], { tree }));
  assertEquals(worker!.environment["MASTER_PORT"], "1234");
  assertEquals(worker!.environment["TORCHELASTIC_ERROR_FILE"], "");
});
