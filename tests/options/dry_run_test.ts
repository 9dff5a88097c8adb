import { assertEquals, assertStringIncludes } from "@std/assert";
import { dryRunJson, dryRunText } from "../../lib/options/dry_run.ts";
import { SETTINGS } from "../../lib/options/dry_run_settings.ts";
import { parseCommandLine } from "../../lib/options/parse.ts";
import { planLaunch } from "../../lib/options/plan.ts";
import { machine } from "./file_tree.ts";

const WORKERS = [0, 1].map((rank) => ({
  localRank: rank,
  rank,
  command: ["python3", "-u", "train.py", `a b ${rank}`],
  environment: { WORLD_SIZE: "2", MASTER_PORT: null, RANK: String(rank), OPTIONS: "x y" },
}));

function dryRun(args: readonly string[], environment: Record<string, string> = {}) {
  const all = { PATH: "/usr/bin", ...environment };
  const parsed = parseCommandLine([...args, "train.py"], all).options!;
  const { plan, reasons } = planLaunch(parsed, machine({ environment: all }));
  return { parsed, plan: plan!, reasons, workers: WORKERS, notices: ["Something to know"] };
}

/** Checks that the text has exactly this line. */
function checkLine(text: string, line: string): void {
  assertStringIncludes(`\n${text}`, `\n${line}\n`);
}

/** The line of a setting, without the blanks that align it. */
function settingLine(text: string, label: string): string | undefined {
  return text.split("\n").find((line) => line.startsWith(`  ${label}  `))?.trim().replace(/ {2,}/g, " | ");
}

Deno.test("dryRunText() shows each setting with where it comes from", () => {
  const text = dryRunText(
    dryRun(["--nproc_per_node=2", "-r", "3"], {
      PET_MAX_RESTARTS: "3",
      TORCH_ELASTIC_SHUTDOWN_TIMEOUT: "65",
    }),
  );
  assertEquals(settingLine(text, "Number"), "Number | 2 | [--nproc_per_node]");
  assertEquals(settingLine(text, "Restarts"), "Restarts | 3 | [PET_MAX_RESTARTS]");
  assertEquals(
    settingLine(text, "Time to stop"),
    "Time to stop | 1 min 5 s | [TORCH_ELASTIC_SHUTDOWN_TIMEOUT]",
  );
  assertEquals(settingLine(text, "Redirects"), "Redirects | 3 | [-r]");
  assertEquals(settingLine(text, "Role"), "Role | default | [default]");
  assertEquals(settingLine(text, "Command"), "Command | /usr/bin/python3 -u train.py | [python3 on PATH]");
  assertEquals(settingLine(text, "Id")?.endsWith("[new, because no --rdzv-id is given]"), true);
});

Deno.test("dryRunText() shows what workers share once, and the rest by worker", () => {
  const text = dryRunText(dryRun([]));
  const [, workers] = text.split("Variables of all workers, beside the launcher's own\n");
  assertEquals(workers!.split("\n"), [
    "  WORLD_SIZE=2",
    "  MASTER_PORT=(known at the start)",
    "  OPTIONS='x y'",
    "",
    "Worker 0",
    "  python3 -u train.py 'a b 0'",
    "  RANK=0",
    "",
    "Worker 1",
    "  python3 -u train.py 'a b 1'",
    "  RANK=1",
    "",
    "To know",
    "  Something to know",
    "",
  ]);
});

Deno.test("dryRunText() has a heading for each group", () => {
  const text = dryRunText(dryRun([]));
  for (const heading of ["Job", "Workers", "Failures and stopping", "Output"]) checkLine(text, heading);
});

Deno.test("dryRunJson() has a stable form", () => {
  const run = dryRun(["--tee=0:3,12:1", "--rdzv-id=x", "--log-dir=/logs"], { PET_ROLE: "trainer" });
  const whole = JSON.parse(dryRunJson(run));
  assertEquals([whole.version, whole.workers, whole.notices], [1, WORKERS, ["Something to know"]]);
  assertEquals(whole.settings.jobId, { value: "x", from: { kind: "flag", name: "--rdzv-id" } });
  assertEquals(whole.settings.role, { value: "trainer", from: { kind: "environment", name: "PET_ROLE" } });
  assertEquals(whole.settings.maxRestarts, { value: 0, from: { kind: "default" } });
  assertEquals(whole.settings.tee, { value: { 0: 3, 12: 1 }, from: { kind: "flag", name: "--tee" } });
  assertEquals(whole.settings.baseDirectory.value, "/logs");
  assertEquals(whole.settings.store, {
    value: { port: 0, hostedByLauncher: true },
    from: { kind: "derived", because: "the job has one machine" },
  });
  assertEquals(whole.settings.command, {
    value: ["/usr/bin/python3", "-u", "train.py"],
    from: { kind: "derived", because: "python3 on PATH" },
  });
});

Deno.test("SETTINGS names each setting once", () => {
  const names = SETTINGS.map((row) => row.name);
  assertEquals(names.length, new Set(names).size);
});

Deno.test("SETTINGS leaves out no field of a plan but those that others stand for", () => {
  const names = new Set(SETTINGS.map((row) => row.name));
  const { plan } = dryRun([]);
  const missing = [plan, plan.logs, plan.watch].flatMap((part) => Object.keys(part)).filter((field) =>
    !names.has(field)
  );
  // What concerns several nodes is said by their number and the rendezvous; the rest is in the workers' variables and fields.
  assertEquals(missing.sort(), [
    "environment",
    "inheritedCudaVisibleDevices",
    "inheritedHipVisibleDevices",
    "logs",
    "meeting",
    "nodeRank",
    "nodesMin",
    "onTerm",
    "watch",
  ]);
});
