import { assertEquals } from "@std/assert";
import type { StreamMask } from "../../lib/options/launch_plan.ts";
import { checkProblem, planned, planOf } from "./planning.ts";

Deno.test("planOutput() reads torchrun's log options", () => {
  assertEquals(
    planOf([
      ...["--log-dir=/logs", "-r3", "-t", "0:1,12:2", "--local-ranks-filter=1,0"],
      ...["--duplicate-stdout-filters=a,,b,c", "--log-line-prefix-template=${rank}: ", "train.py"],
    ]).logs,
    {
      baseDirectory: "/logs",
      redirects: 3,
      tee: new Map<number, StreamMask>([[0, 1], [12, 2]]),
      localRanksFilter: [0, 1],
      linePrefixTemplate: "${rank}: ",
      duplicateStdoutFilters: ["a,b", "c"],
      duplicateStderrFilters: [],
      ranksShown: null,
      colour: "auto",
      timestamps: false,
      fold: "auto",
      fileBytesMax: null,
      specsModule: null,
    },
  );
});

Deno.test("planOutput() takes an empty log directory for none, and no file for one", () => {
  assertEquals(planOf(["--log-dir="]).logs.baseDirectory, null);
  assertEquals(
    planOf(["--log-dir=/dev/null"], { tree: { nodes: ["/dev/null"] } }).logs.baseDirectory,
    "/dev/null",
  );
  checkProblem(["--log-dir=/etc/hosts"], '--log-dir must be a directory: "/etc/hosts" is a file', {
    tree: { files: { "/etc/hosts": "" } },
  });
});

Deno.test("planOutput() takes the prefix from the variable where the option is silent", () => {
  const given = { environment: { TORCHELASTIC_LOG_LINE_PREFIX_TEMPLATE: "<${rank}>" } };
  assertEquals(planOf([], given).logs.linePrefixTemplate, "<${rank}>");
  assertEquals(planned([], given).reasons.get("logs"), "prefix from TORCHELASTIC_LOG_LINE_PREFIX_TEMPLATE");
  assertEquals(planOf(["--log-line-prefix-template=x"], given).logs.linePrefixTemplate, "x");
});

Deno.test("planOutput() wants a place for the report before it starts", () => {
  const tree = { directories: ["/out"] };
  assertEquals(planOf(["--report=/out/r.json"], { tree }).reportPath, "/out/r.json");
  assertEquals(planOf(["--report=r.json"]).reportPath, "r.json");
  checkProblem(["--report=/out"], '--report must be the name of a file: got "/out"', { tree });
  checkProblem(["--report="], '--report must be the name of a file: got ""');
  checkProblem(["--report=/no/r.json"], '--report cannot be written: there is no directory "/no"');
});

Deno.test("planOutput() knows the launcher's own error file", () => {
  assertEquals(planOf([], { environment: { TORCHELASTIC_ERROR_FILE: "/e.json" } }).ownErrorFile, "/e.json");
  assertEquals(planOf([], { environment: { TORCHELASTIC_ERROR_FILE: "" } }).ownErrorFile, null);
});

Deno.test("checkStdinRank() wants the rank of a worker", () => {
  assertEquals(planOf(["--stdin-rank=1", "--nproc-per-node=2"]).stdinRank, 1);
  checkProblem(["--stdin-rank=2", "--nproc-per-node=2"], "they are 0 to 1, got 2");
  checkProblem(["--stdin-rank=1"], "the only one is 0, got 1");
});

Deno.test("planOutput() takes a module for the places of logs", () => {
  const tree = { files: { "/etc/logs.ts": "" } };
  assertEquals(planOf(["--logs-specs=/etc/logs.ts"], { tree }).logs.specsModule, "/etc/logs.ts");
  assertEquals(planOf(["--logs-specs=default"]).logs.specsModule, null);
  checkProblem(
    ["--logs-specs=/etc/none.mjs"],
    '--logs-specs must be the path of a module: there is no file "/etc',
    {
      tree,
    },
  );
});

Deno.test("planOutput() knows how much the launcher says, and in which form", () => {
  assertEquals(planOf([]).messages, { verbosity: "normal", format: "text" });
  assertEquals(planOf(["--quiet", "--log-format=json"]).messages, { verbosity: "quiet", format: "json" });
  assertEquals(planOf(["--verbose"]).messages.verbosity, "verbose");
});
